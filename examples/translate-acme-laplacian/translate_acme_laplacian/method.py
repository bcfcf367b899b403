"""A U-Net that regresses on Laplacian pyramids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn

from translate import Build, Config, Direction, DirectionCall, Draw, Method, Nets, NetworkUse, Step, Update, hookimpl
from translate_acme_laplacian.loss import pyramid_distance


class LaplacianConfig(Config):
    """Options of the method."""

    generator: NetworkUse = NetworkUse(uses="unet_256")
    """The network from input to output."""

    levels: Annotated[int, Field(ge=1, le=8)] = 4
    """How many bands of detail the loss compares."""


class Laplacian(Method[LaplacianConfig]):
    """A U-Net trained by the distance of Laplacian pyramids: sharper than L1, without a critic."""

    name = "laplacian"
    data = "paired"
    players = {"G": ("gen",)}
    losses = {"pyramid": 1.0}
    views = {"G": ("input", "output", "target")}
    directions = {"a_to_b": Direction(nets=("gen",))}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        channels = self.spec.channels
        return {"gen": build(self.config.generator, in_channels=channels["input"], out_channels=channels["target"])}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        output, target = nets.gen(batch["input"]), batch["target"]
        # In float32: differences of neighbouring pixels are too small for bfloat16.
        losses = {"pyramid": pyramid_distance(output.float(), target.float(), self.config.levels)}
        yield Update("G", losses, {"input": batch["input"], "output": output, "target": target})

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        output: Tensor = nets.gen(inputs["image"])
        return output


@hookimpl
def translate_methods() -> list[type[Method[Any]]]:
    return [Laplacian]
