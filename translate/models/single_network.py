"""A method without a game: one network that was trained elsewhere, from image to image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import PositiveInt
from torch import Tensor, nn

from translate.contracts import (
    Build,
    Config,
    DataSpec,
    Direction,
    DirectionCall,
    Draw,
    Method,
    Nets,
    NetworkUse,
    Step,
    TestTime,
    Update,
)
from translate.errors import ContractError
from translate.models.foreign.spandrel_network import rebuild

Values = Literal["signed", "unit"]


class SingleNetworkConfig(Config):
    """What an import finds out about a checkpoint."""

    network: NetworkUse = NetworkUse(uses="resnet_9")
    """The network, by name or with options."""
    out_channels: PositiveInt = 3
    """The channels of its output: 3 for colour images, 1 for grey ones."""
    dropout: bool = True
    """Leaves dropout on in use, where the network has it."""
    norm: Literal["image", "running"] = "image"
    """What batch norms use: the statistics of each `image`, or the `running` averages of the training."""
    scale: PositiveInt = 1
    """How many times higher and wider its outputs are than its inputs."""
    takes: Values = "signed"
    """The values of its inputs: in [-1, 1], `signed`, or in [0, 1], `unit`."""
    gives: Values = "signed"
    """The values of its outputs, likewise."""
    spandrel: dict[str, list[str | int]] = {}
    """The type and shape of each tensor, where the library spandrel builds the network, and not `network`."""


class SingleNetwork(Method[SingleNetworkConfig]):
    """One network, for use only: what `translate models import` makes of a checkpoint of another program.

    It has no players, so that `train` refuses it; train with another method that starts from it (`init`).
    """

    name = "single-network"
    data = "single"
    players = {}
    losses = {}
    directions = {"translate": Direction(nets=("net",))}

    @classmethod
    def directions_with(cls, config: SingleNetworkConfig, spec: DataSpec | None) -> Mapping[str, Direction]:
        return {"translate": Direction(nets=("net",), scale=config.scale)}

    def __init__(self, config: SingleNetworkConfig, spec: DataSpec, weights: Mapping[str, float]) -> None:
        super().__init__(config, spec, weights)
        self.test_time = TestTime(config.dropout, config.norm)

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c = self.config
        if c.spandrel:
            return {"net": rebuild(c.spandrel)}
        return {"net": build(c.network, in_channels=self.spec.channels["image"], out_channels=c.out_channels)}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        raise ContractError(f"{self.name} is for inference alone")

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        image = inputs["image"]
        output: Tensor = nets.net((image + 1) / 2 if self.config.takes == "unit" else image)
        return output * 2 - 1 if self.config.gives == "unit" else output
