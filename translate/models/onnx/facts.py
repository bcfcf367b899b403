"""The facts in an exported file's metadata, read once, with names and types: what its graph takes and gives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal, Self

from torch import Tensor

from translate.contracts import DataSpec, Draw
from translate.models.facts import ModelDirection

Length = int | str
"""The length of an axis: a number, or a part of the images' padded size such as `height`, `height/4`, `width*2`."""


@dataclass(frozen=True)
class NoiseInput:
    """Noise that a graph takes, N x `shape`, float32, or int64 where it is `integers`.

    `normal` is standard normal noise, `uniform` is equally likely everywhere in [low, high), `integers` are whole
    numbers from 0 to high - 1.
    """

    name: str
    distribution: Literal["normal", "uniform", "integers"]
    shape: tuple[Length, ...]
    low: float = 0.0
    high: float = 1.0

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        _, *shape = value["shape"]
        return cls(value["name"], value["distribution"], tuple(shape), value.get("low", 0.0), value.get("high", 1.0))

    def to_json(self) -> dict[str, Any]:
        """Name, distribution with its ends, and the shape with its axis `batch`."""
        ends: dict[str, dict[str, Any]] = {
            "normal": {},
            "uniform": {"low": self.low, "high": self.high},
            "integers": {"high": int(self.high)},
        }
        shape = ["batch", *self.shape]
        return {"name": self.name, "distribution": self.distribution, **ends[self.distribution], "shape": shape}

    def drawn(self, draw: Draw) -> Tensor:
        """The noise of a call."""
        shape = [length_of(each, draw.size) for each in self.shape]
        if self.distribution == "normal":
            return draw.normal(*shape)
        if self.distribution == "uniform":
            return draw.uniform(*shape, low=self.low, high=self.high)
        return draw.integers(int(self.high), *shape)

    def in_words(self) -> str:
        """`noise`: N x 8 float32, standard normal."""
        shape = " x ".join(map(str, ("N", *self.shape))).replace("height", "H").replace("width", "W")
        if self.distribution == "normal":
            return f"`{self.name}`: {shape} float32, standard normal noise"
        if self.distribution == "uniform":
            return f"`{self.name}`: {shape} float32, noise, equally likely in [{self.low:g}, {self.high:g})"
        return f"`{self.name}`: {shape} int64, noise, whole numbers from 0 to {int(self.high) - 1}"


@dataclass(frozen=True)
class OptionInput:
    """A number that a graph takes, a tensor without axes: an option of the direction.

    `schema` is JSON schema: its type, `default`, and the ends of its range.
    """

    name: str
    schema: Mapping[str, Any]

    @property
    def whole(self) -> bool:
        """Whether it is int64; else float32."""
        return bool(self.schema["type"] == "integer")

    @property
    def default(self) -> float:
        """The value where a call says nothing."""
        value: float = self.schema["default"]
        return value

    def in_words(self) -> str:
        """`strength`: one float32, an option (default 0.5)."""
        number = "one int64" if self.whole else "one float32"
        return f"`{self.name}`: {number} without axes, an option (default {self.default:g})"


@dataclass(frozen=True)
class ExportedDirection(ModelDirection):
    """A direction in an exported file.

    Its `inputs` are those that the graph takes, `noise` and `options` are further inputs of the graph in this order.
    `fixed` has options and inputs (`fixed_inputs`) that the file holds as constants, with their values. `size` is the
    (height, width) of what it makes from nothing; None where it follows its images.
    """

    noise: tuple[NoiseInput, ...] = ()
    option_inputs: tuple[OptionInput, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    fixed_inputs: tuple[str, ...] = ()
    size: tuple[int, int] | None = None

    @property
    def numbers(self) -> tuple[NoiseInput | OptionInput, ...]:
        """The inputs of the graph behind those of the direction, in their order."""
        return (*self.noise, *self.option_inputs)

    @classmethod
    def from_json(cls, name: str, value: Mapping[str, Any]) -> Self:
        direction = super().from_json(name, value)
        size = value.get("size")
        return replace(
            direction,
            noise=tuple(NoiseInput.from_json(entry) for entry in value.get("noise", ())),
            option_inputs=tuple(OptionInput(each, schema) for each, schema in value.get("options", {}).items()),
            fixed=dict(value.get("fixed", {})),
            fixed_inputs=tuple(value.get("fixed_inputs", ())),
            size=None if size is None else (size[0], size[1]),
        )

    def to_json(self) -> dict[str, Any]:
        more = {
            "noise": [noise.to_json() for noise in self.noise],
            "options": {option.name: dict(option.schema) for option in self.option_inputs},
            "fixed": dict(self.fixed),
            "fixed_inputs": list(self.fixed_inputs),
            "size": None if self.size is None else list(self.size),
        }
        return {**super().to_json(), **{key: value for key, value in more.items() if value}}


@dataclass(frozen=True)
class ExportFacts:
    """The facts of an exported file, which are JSON among its metadata.

    `version` of translate wrote it. `order` names all directions of the model in their order, `directions` holds those
    that are in the file. `weights` is the sha256 of the bundle's weights. Dropout is off in the file;
    `dropout_left_out`: the model itself keeps it on.
    """

    version: str
    method: str
    plugin: Mapping[str, str]
    order: tuple[str, ...]
    directions: Mapping[str, ExportedDirection]
    spec: DataSpec
    test_time_text: str
    dropout_left_out: bool
    weights: str
    recorded: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Reads the metadata. Errors: KeyError, TypeError or ValueError where it is damaged."""
        return cls(
            version=value["version"],
            method=value["method"],
            plugin=value["plugin"],
            order=tuple(value["order"]),
            directions={name: ExportedDirection.from_json(name, entry) for name, entry in value["directions"].items()},
            spec=DataSpec.from_json(value["spec"]),
            test_time_text=value["test_time"]["text"],
            dropout_left_out=value["dropout_left_out"],
            weights=value["weights"],
            recorded=value,
        )

    def to_json(self) -> dict[str, Any]:
        """The mapping that is in the file."""
        return dict(self.recorded)

    def joined(self, others: Mapping[str, Self]) -> Self:
        """These facts with the directions of other files of the same model, each named by its direction."""
        order = [name for name in self.order if name in others]
        recorded = {**self.recorded, "directions": {name: others[name].recorded["directions"][name] for name in order}}
        return replace(self, directions={name: others[name].directions[name] for name in order}, recorded=recorded)


def length_of(length: Length, size: tuple[int, int]) -> int:
    """The length of an axis for images of a padded (height, width)."""
    if isinstance(length, int):
        return length
    side, times, parts = _LENGTH.fullmatch(length).groups(default="1")  # type: ignore[union-attr]  # as written below
    return size[0 if side == "height" else 1] * int(times) // int(parts)


def part_of(side: Literal["height", "width"], part: Fraction) -> str:
    """A length as `height/4`."""
    times = f"*{part.numerator}" if part.numerator != 1 else ""
    parts = f"/{part.denominator}" if part.denominator != 1 else ""
    return f"{side}{times}{parts}"


_LENGTH = re.compile(r"(height|width)(?:\*(\d+))?(?:/(\d+))?")
