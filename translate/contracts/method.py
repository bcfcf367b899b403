"""Methods: the game that a paper describes, and how its trained networks are used."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from translate.contracts.data import DataKind, DataSpec
from translate.contracts.options import C, Configured, NetworkUse

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class Direction:
    """One way to use a trained method.

    `nets` are the networks that it needs; `inputs` its images by name, the first being the one that is converted;
    `sides` the batch keys that play these inputs in validation (default: the first sides of the data kind); `target`
    the side that its output is compared with (default: the next side; `image` for data of kind `single`, whose inputs
    all come from `Method.observe`). `scale` multiplies the size. Images are padded
    to a `multiple` of pixels and cropped again (default: what the networks declare as `net.multiple`, else 4).
    `tiles` (rows, columns): the output is a sheet of that many pictures, each of the size of the (scaled) input, joined
    without gaps; padding is cropped off each of them, and no side of the data is its target.
    """

    nets: tuple[str, ...]
    inputs: tuple[str, ...] = ("image",)
    output: Literal["image", "labels"] = "image"
    scale: int = 1
    multiple: int | None = None
    sides: tuple[str, ...] = ()
    target: str | None = None
    tiles: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class TestTime:
    """How networks behave at inference.

    `dropout`: stays on (pix2pix) or off. `norm`: batch norms use their running averages (`running`) or the statistics
    of each image alone (`image`), which is what train mode does at batch size 1.
    """

    __test__ = False  # not a pytest class
    dropout: bool = False
    norm: Literal["running", "image"] = "running"


@dataclass(frozen=True)
class Update:
    """One optimizer step of one player: its named losses (scalars), and what it shows to others.

    `views` publishes tensors and functions by name, for extra losses: `on: {output: output}`. By custom `input`,
    `output` and `target` are images, and `critic` is a function that judges `real` and `fake`.
    """

    player: str
    losses: Mapping[str, Tensor]
    views: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """Where training stands: `index` counts steps from 0, `epoch` passes over the data, `updates` optimizer steps per
    player. `rng` is a generator on the device, seeded from (seed, index, rank)."""

    index: int
    epoch: int
    updates: Mapping[str, int]
    rng: torch.Generator


class Nets(Mapping[str, "nn.Module"]):
    """The networks of a method by name: `nets.gen(x)` or `nets["gen"]`."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        self._modules = dict(modules)

    def __getitem__(self, name: str) -> nn.Module:
        return self._modules[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_modules"][name]
        except KeyError:
            raise AttributeError(
                f"no network {name!r}; there are {', '.join(self.__dict__.get('_modules', ()))}"
            ) from None


class Build(Protocol):
    """Builds a network that a pipeline names: `build(self.config.generator, in_channels=3, out_channels=3)`."""

    def __call__(
        self, use: NetworkUse | str, *, in_channels: int, out_channels: int = 1, **defaults: Any
    ) -> nn.Module: ...


class Method(Configured[C], ABC):
    """A translation method: a game between players, as its paper states it.

    `players` maps a player to the names of its networks, in no order; `losses` is the whole vocabulary of loss names
    with default weights; `directions` how the trained networks are used, the first being the default.
    Networks that belong to no player hold state only (an image pool). A method without players and losses is for
    inference alone. `test_time` is a fact of the class, or of an instance whose options decide it.
    `views`, which may be left out, maps a player to the names of all views that its updates publish (some options may
    drop a few): with it a wrong extra loss is found before the training starts, not at its first step.
    """

    data: ClassVar[DataKind]
    players: ClassVar[Mapping[str, tuple[str, ...]]]
    losses: ClassVar[Mapping[str, float]]
    directions: Mapping[str, Direction]
    views: ClassVar[Mapping[str, tuple[str, ...]] | None] = None
    test_time: TestTime = TestTime()

    def __init__(self, config: C, spec: DataSpec, weights: Mapping[str, float]) -> None:
        self.config = config
        self.spec = spec
        self.weights = weights
        self.directions = self.directions_with(config)

    @classmethod
    def directions_with(cls, config: C) -> Mapping[str, Direction]:
        """The directions under these options, by the same names: a scale may be an option. Default: `directions`."""
        return cls.directions

    @abstractmethod
    def networks(self, build: Build) -> dict[str, nn.Module]:
        """Fresh, initialised modules on the CPU, by name."""

    @abstractmethod
    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        """One training step on one batch: yields one Update per optimizer step, in the paper's order."""

    @abstractmethod
    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: str) -> Tensor:
        """Inference on images N x C x H x W in [-1, 1]; the result likewise (labels: logits N x classes x H x W)."""

    def observe(self, truth: Tensor, direction: str, rng: torch.Generator) -> Tensor | Mapping[str, Tensor]:
        """The input of a direction made from a prepared image (N x C x H x W in [-1, 1]; rounded to 8 bits by the
        engine afterwards), for data of kind `single`, which holds only the truth. Default: the image as it is.

        Where the direction has further inputs: all of them by name. Training steps call it themselves; validation and
        `infer` call it with a generator seeded from the image's key. `convert` takes the user's images as they are.
        """
        return truth

    def compose(self, output: Tensor, original: Tensor, direction: str) -> Tensor:
        """Joins output and original at full resolution (both 1 x C x H x W in [-1, 1]); default: the output."""
        return output
