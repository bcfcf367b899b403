"""Directions: the ways in which a trained method is used, and what a call of one is given beside its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from translate.contracts.options import Config, NoOptions
from translate.contracts.sides import Side

if TYPE_CHECKING:
    from torch import Tensor

    from translate.contracts.data import DataSpec

Output = Literal["image", "labels", "class", "vector"]
"""The form of an output. `image`: N x C x H x W in [-1, 1]. `labels`: logits, N x classes x H x W. `class`: logits,
N x classes. `vector`: N x n."""


@dataclass(frozen=True)
class Direction:
    """One way to use a trained method, such as `a_to_b`."""

    nets: tuple[str, ...]
    """Networks that it needs, by their names in `Method.networks`. They alone go into the bundle."""
    inputs: tuple[str, ...] = ("image",)
    """Names of its inputs in `Method.translate`. The first image, label map or frames among them is converted; the
    others are given beside it. Without any, the direction makes images from nothing: `translate sample`."""
    output: Output = "image"
    """The form of its output: see `Output`."""
    scale: int = 1
    """Factor of height and width: 4 for super-resolution by four."""
    multiple: int | None = None
    """Inputs are padded by reflection to multiples of so many pixels, and outputs cropped again. None: what the
    networks declare together as `net.multiple`, else 4."""
    sides: tuple[str, ...] = ()
    """Sides of the data that play its inputs in validation and in `infer`, one for each that is not in `types`. Empty:
    the sides of the same names, else the first of the data; for data of one image side all are made from the image."""
    target: str | None = None
    """Side that its output is compared with. None: the next side of its form that is no input; for data of one image
    side that image."""
    tiles: tuple[int, int] = (1, 1)
    """(rows, columns) of pictures that one output joins without gaps, each of the size of the scaled input. Padding is
    cropped off each of them, and no side of the data is its target."""
    options: type[Config] = NoOptions
    """Knobs of a call, such as the number of steps: `--set steps=50`, `options:` of `infer`, keywords in Python."""
    draws: bool = False
    """True: it draws noise, from the argument `draw` of `Method.translate`, so that an image has many answers."""
    types: Mapping[str, Side] = field(default_factory=dict)
    """The types of inputs that no side of the data plays, such as a code: `{"code": Vector(8)}`. For validation, and
    `infer` on data, classes and vectors are drawn by the key of the image, and an exemplar is another image of the
    data, one of the side of the main input where the types agree."""
    further: Mapping[str, Output] = field(default_factory=dict)
    """Further outputs by name, with their forms. Then `Method.translate` returns a mapping, with the main one under
    `output`."""


@dataclass(frozen=True)
class TestTime:
    """How networks behave at inference. The default is the usual evaluation mode."""

    __test__ = False  # not a pytest class
    dropout: bool = False
    """True: dropout stays on and is the noise of the model (pix2pix, Isola et al. 2017, section 3.2), seeded per image.
    """
    norm: Literal["running", "image"] = "running"
    """Batch norms use their `running` averages, or the statistics of each `image` alone, which is what train mode does
    at batch size 1."""


class DirectionCall(str):
    """The name of a direction, as a text that also carries the `options` of this call."""

    options: Any

    def __new__(cls, name: str, options: Config | None = None) -> Self:
        call = super().__new__(cls, name)
        call.options = options or NoOptions()
        return call

    def __reduce__(self) -> tuple[type[DirectionCall], tuple[str, Any]]:
        return DirectionCall, (str(self), self.options)


def called(directions: Mapping[str, Direction], spec: DataSpec | None) -> Mapping[str, Direction]:
    """A method's directions under the names that they have for the data (`DataSpec.called`), in their order."""
    if spec is None or not spec.called:
        return directions
    return {spec.called.get(name, name): direction for name, direction in directions.items()}


class Draw(Protocol):
    """The noise of a call. Each image has its own, which depends on the seed, on the image and on the number of the
    sample alone: batches, their order, restarts and machines change nothing. Numbers are drawn on the CPU, in the order
    of the calls, and put on the device.
    """

    @property
    def count(self) -> int:
        """The number of images N of the call."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels that the outputs are to have, before any `scale`."""
        ...

    def normal(self, *shape: int) -> Tensor:
        """Standard normal noise, float32 N x `shape`."""
        ...

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Numbers that are equally likely everywhere in [low, high), float32 N x `shape`."""
        ...

    def integers(self, high: int, *shape: int) -> Tensor:
        """Whole numbers from 0 to high - 1, long N x `shape`."""
        ...
