"""Routes: directions with every default filled in, as promises and bundles have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from translate.contracts.direction import DirectionCall, Output
from translate.contracts.options import Config, NoOptions
from translate.contracts.sides import Frames, Image, Labels, Side, side_from_json, side_to_json


@dataclass(frozen=True)
class Route:
    """A direction of a method with every default filled in.

    `name` is that of the direction, `nets` are the networks that it needs, `inputs` the names of its inputs, and
    `output` is the form of its output. Entry i of `sides` is the side of the data that plays input i, None where no
    side does; `types` has the type of each input by name.
    `target` is the side that the output imitates, None without one. `scale` multiplies height and width; `tiles` (rows,
    columns) is how many pictures one output joins. `draws` and `further` are as in `Direction`. `options` are those of
    a call; they are not recorded. `own` is the method's name for it, where the data calls it otherwise
    (`DataSpec.called`).
    """

    name: str
    nets: tuple[str, ...]
    inputs: tuple[str, ...]
    sides: tuple[str | None, ...]
    target: str | None
    output: Output
    scale: int
    tiles: tuple[int, int] = (1, 1)
    types: Mapping[str, Side] = field(default_factory=dict)
    draws: bool = False
    further: Mapping[str, Output] = field(default_factory=dict)
    options: Config = field(default_factory=NoOptions)
    own: str = ""

    @property
    def main(self) -> str | None:
        """The input that is converted: the first that is an image, a label map or frames; None without one."""
        for name in self.inputs:
            if isinstance(self.types.get(name, Image()), Image | Labels | Frames):
                return name
        return None

    @property
    def others(self) -> tuple[str, ...]:
        """The inputs that are given beside the one that is converted."""
        return tuple(name for name in self.inputs if name != self.main)

    @property
    def call(self) -> DirectionCall:
        """The direction as `Method.translate` gets it, under the method's own name."""
        return DirectionCall(self.own or self.name, self.options)

    @property
    def asked(self) -> DirectionCall:
        """The direction with its options, to be given wherever a direction's name is."""
        return DirectionCall(self.name, self.options)

    @property
    def source(self) -> str | None:
        """The side that plays the main input."""
        return self.side_of(self.main) if self.main else None

    def side_of(self, name: str) -> str | None:
        """The side that plays an input; None where no side does."""
        return self.sides[self.inputs.index(name)]

    @classmethod
    def from_json(cls, name: str, value: Mapping[str, Any]) -> Self:
        """Reads an entry of `directions` in promises and bundles; keys that it does not know are left out."""
        rows, columns = value.get("tiles", (1, 1))
        return cls(
            name,
            nets=tuple(value["nets"]),
            inputs=tuple(value["inputs"]),
            sides=tuple(value["sides"]),
            target=value["target"],
            output=value["output"],
            scale=value["scale"],
            tiles=(rows, columns),
            types={input: side_from_json(entry) for input, entry in value.get("types", {}).items()},
            draws=bool(value.get("draws", False)),
            further=dict(value.get("further", {})),
            own=value.get("own", ""),
        )

    def to_json(self) -> dict[str, Any]:
        """The fields but name and options: an entry of `directions` in promises and bundles.

        Inputs that are images, as most are, have no entry in `types`: the data tells their format.
        """
        types = {name: side_to_json(side) for name, side in self.types.items() if not isinstance(side, Image)}
        more = {"types": types, "draws": self.draws, "further": dict(self.further), "own": self.own}
        return {
            "nets": list(self.nets),
            "inputs": list(self.inputs),
            "sides": list(self.sides),
            "target": self.target,
            "output": self.output,
            "scale": self.scale,
            "tiles": list(self.tiles),
            **{key: value for key, value in more.items() if value},
        }
