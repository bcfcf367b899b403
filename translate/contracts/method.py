"""Methods: the game that a paper describes, and how its trained networks are used."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from translate.contracts.data import DataSpec
from translate.contracts.direction import Direction, DirectionCall, Draw, TestTime, called
from translate.contracts.options import C, Configured, NetworkUse
from translate.contracts.sides import DataKind, Sides

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class Update:
    """One optimizer step of one player, as `Method.step` yields it.

    The engine weighs and sums the losses in float32, differentiates with respect to the networks of `player` alone,
    clips, and steps the optimizer, unless a value is not finite.
    """

    player: str
    """Name of the player, one of `Method.players`."""
    losses: Mapping[str, Tensor]
    """Scalar tensors by name, before their weights. Each name is one of `Method.losses`; at least one."""
    views: Mapping[str, Any] = field(default_factory=dict)
    """Tensors and functions that the method shows to extra losses by name (`on: {output: output}` in a pipeline). By
    custom `input`, `output` and `target` are images N x C x H x W in [-1, 1], and `critic` is a function that judges
    `real` and `fake`."""


@dataclass(frozen=True)
class Step:
    """Where a training stands when `Method.step` is called."""

    index: int
    """Steps that are done: 0 at the first."""
    epoch: int
    """Passes over the data that are done."""
    updates: Mapping[str, int]
    """Optimizer steps that are done, by player."""
    rng: torch.Generator
    """Generator on the device, seeded from (seed, index): draw all noise from it, and a restart draws the same."""


class Nets(Mapping[str, "nn.Module"]):
    """The networks of a method by name: `nets.gen(x)` or `nets["gen"]`.

    Errors: AttributeError (`nets.gne`) that lists the names, KeyError (`nets["gne"]`).
    """

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

    def __call__(self, use: NetworkUse | str, *, in_channels: int, out_channels: int = 1, **defaults: Any) -> nn.Module:
        """A fresh network on the CPU, for inputs N x in_channels x H x W.

        `use` is a name, or a name with options; `defaults` are options for where `use` says nothing. Weights are drawn
        from torch's global generator. Errors: ConfigError (no such network or option).
        """
        ...


class Method(Configured[C], ABC):
    """A translation method: a game between players, as its paper states it.

    A subclass states its facts as class attributes and writes `networks`, `step` and `translate`; the engine does all
    else. `self.config` holds its options, `self.spec` what is known of the data, `self.weights` the weights of the
    losses under this pipeline. An instance keeps no other state: what changes lies in parameters and buffers.

        class Pix2Pix(Method[Pix2PixConfig]):
            name, data = "pix2pix", "paired"
            players = {"D": ("disc",), "G": ("gen",)}
            losses = {"adversarial": 1.0, "l1": 100.0, "critic": 0.5}
            directions = {"a_to_b": Direction(nets=("gen",))}
    """

    data: ClassVar[DataKind | Sides]
    """The sides that it trains on, by name and type, which are the keys of a batch; or the name of a usual declaration,
    such as `paired`. Data suits a method when it has all of these; further sides are left alone."""
    real_input: ClassVar[str | None] = None
    """The side that holds the real inputs of the images, where data of kind `single` has it, such as photographs of
    low resolution: a batch has it then, and validation and `infer` take it in place of what `degrade` makes."""
    players: ClassVar[Mapping[str, tuple[str, ...]]]
    """Names of the networks of each player, in no order. Networks of no player hold state only (an image pool). Without
    players a method is for inference alone."""
    fixed: ClassVar[tuple[str, ...]] = ()
    """Names of networks of no player that never move, such as a teacher, which a training may start from a bundle
    (`init`)."""
    losses: ClassVar[Mapping[str, float]]
    """The whole vocabulary of loss names, with default weights."""
    directions: Mapping[str, Direction]
    """How the trained networks are used, by name; the first is the default."""
    views: ClassVar[Mapping[str, tuple[str, ...]] | None] = None
    """Names of all views that the updates of each player publish (some options may drop a few). None: not said. With
    it, a wrong extra loss is found before the training starts, and not at its first step."""
    resting: ClassVar[tuple[str, ...]] = ()
    """Players that make no step under the options of `small`, such as a critic whose loss has the weight 0."""
    test_time: TestTime = TestTime()
    """How its networks behave at inference: a fact of the class, or of an instance whose options decide it."""

    def __init__(self, config: C, spec: DataSpec, weights: Mapping[str, float]) -> None:
        self.config = config
        self.spec = spec
        self.weights = weights
        self.directions = called(self.directions_with(config, spec), spec)

    @classmethod
    def directions_with(cls, config: C, spec: DataSpec | None) -> Mapping[str, Direction]:
        """The directions under these options for this data: those of `directions`, of which a scale may be an option,
        and further ones, such as one for each class. `spec` is None where nothing is known of the data yet, and may
        know the names of classes before it knows channels and sizes. Default: `directions`.
        """
        return cls.directions

    @abstractmethod
    def networks(self, build: Build) -> dict[str, nn.Module]:
        """Fresh, initialised modules on the CPU, by name.

        Weights are drawn from torch's global generator, which is seeded before. Errors: ConfigError for options or data
        that no network can be built for.
        """

    @abstractmethod
    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        """One training step on one batch: yields one Update per optimizer step, in the paper's order.

        `batch` maps the sides of the method to tensors on the device, as `translate.Image` and its kin say: images N
        x C x H x W in [-1, 1], label maps long N x H x W, classes long N. Code after a `yield` runs after that
        optimizer step. It runs in autocast; contexts such as `torch.no_grad` are closed before a `yield`.
        """

    @abstractmethod
    def translate(
        self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw
    ) -> Tensor | Mapping[str, Tensor]:
        """Inference in one direction, whose name `direction` is; `direction.options` has the options of the call.

        `nets` has the networks that the direction names, `inputs` its inputs by name, each as in a batch, with H and W
        multiples of what the networks need. Returns an output in the direction's form (images with H and W times
        `scale`), or several by name. All noise comes from `draw`. The output for an image does not depend on the others
        of its batch.
        """

    def degrade(self, target: Tensor, direction: DirectionCall, rng: torch.Generator) -> Tensor | Mapping[str, Tensor]:
        """Makes the input of a direction from a prepared image, for data of kind `single`, which holds only targets.

        `target` is N x C x H x W in [-1, 1], and so is the result (H and W divided by `scale`); the engine rounds it to
        8 bits. Where the direction has further inputs: all of them by name. Default: the image as it is. Training steps
        call it themselves; validation and `infer` call it with a generator seeded from the image's key. `convert` takes
        the user's images as they are.
        """
        return target

    def compose(self, output: Tensor, original: Tensor, direction: DirectionCall) -> Tensor:
        """Joins output and original at full resolution, such as new colours with the old brightness.

        Both are 1 x C x H x W in [-1, 1], and so is the result. Default: the output.
        """
        return output
