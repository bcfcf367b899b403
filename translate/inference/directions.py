"""A method's directions with every default filled in, and what they say about the images that go in and come out."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from translate.contracts import SIDES, DataKind, Direction, Method
from translate.errors import ConfigError, ContractError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Route:
    """A direction without defaults: side i is the batch key that plays input i, `target` the one to match."""

    name: str
    nets: tuple[str, ...]
    inputs: tuple[str, ...]
    sides: tuple[str, ...]
    target: str | None
    output: str
    scale: int

    def to_json(self) -> dict[str, Any]:
        """The fields but the name, with lists for tuples: an entry of `directions` in promises and bundles."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items() if k != "name"}


def resolve(name: str, direction: Direction, kind: DataKind) -> Route:
    """Fills in `sides` (the first of the data kind) and `target` (the first side that is no input; None without one).

    Errors: ContractError when the direction has more inputs than the data has sides.
    """
    sides = direction.sides or SIDES[kind][: len(direction.inputs)]
    if len(sides) != len(direction.inputs) or not set(sides) <= set(SIDES[kind]):
        raise ContractError(
            f"direction {name!r} has the inputs {', '.join(direction.inputs)}, but its sides are {', '.join(sides)}; "
            f"give it one side of {kind} data ({', '.join(SIDES[kind])}) per input"
        )
    free = [side for side in SIDES[kind] if side not in sides]
    target = direction.target or (free[0] if free else None)
    return Route(name, direction.nets, direction.inputs, tuple(sides), target, direction.output, direction.scale)


def routes(method: type[Method[Any]] | Method[Any]) -> dict[str, Route]:
    """All directions of a method, in its order; the first is the default."""
    return {name: resolve(name, direction, method.data) for name, direction in method.directions.items()}


def describe(method: type[Method[Any]] | Method[Any]) -> dict[str, dict[str, Any]]:
    """The directions as a training stage promises them: names to inputs, sides, target, output and scale."""
    return {name: route.to_json() for name, route in routes(method).items()}


def choose(names: Mapping[str, Any], wanted: str | None) -> str:
    """The direction that was asked for, or the first. Errors: ConfigError with a suggestion."""
    if wanted is None:
        return next(iter(names))
    if wanted not in names:
        near = difflib.get_close_matches(wanted, list(names), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"there is no direction {wanted!r}; this model has {', '.join(names)}{hint}")
    return wanted


def multiple_of(direction: Direction, nets: Mapping[str, nn.Module]) -> int:
    """What width and height are padded to: as the direction says, else what its networks need together, else 4."""
    if direction.multiple is not None:
        return direction.multiple
    declared = [int(m) for n in direction.nets if isinstance(m := getattr(nets[n], "multiple", None), int)]
    return math.lcm(*declared) if declared else 4
