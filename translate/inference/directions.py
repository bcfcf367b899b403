"""A method's directions with every default filled in, and what they say about the images that go in and come out."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from translate.contracts import Config, DataKind, Direction, Image, Method, Route, Sides
from translate.errors import ConfigError, ContractError
from translate.text import suggest

if TYPE_CHECKING:
    from torch import nn


def resolve(name: str, direction: Direction, data: DataKind | Sides) -> Route:
    """Fills in `sides` (the first of the data) and `target` (the first of its kind that is no input; None without one).

    Data of one image side has every input made from it, and it is the target too.

    Errors: ContractError when the direction has more inputs than the data has sides.
    """
    declared = Sides.of(data)
    names = list(declared)
    single = len(names) == 1 and isinstance(declared[names[0]], Image)
    sides = direction.sides or tuple(names * len(direction.inputs) if single else names[: len(direction.inputs)])
    if len(sides) != len(direction.inputs) or not set(sides) <= set(names):
        raise ContractError(
            f"direction {name!r} has the inputs {', '.join(direction.inputs)}, but its sides are {', '.join(sides)}; "
            f"give it one side of {declared.kind or 'its'} data ({', '.join(names)}) per input"
        )
    free = [side for side in names if single or side not in sides]
    target = direction.target or (free[0] if free else None) if direction.tiles == (1, 1) else None
    d = direction
    return Route(name, d.nets, d.inputs, tuple(sides), target, d.output, d.scale, d.tiles)


def routes(method: type[Method[Any]] | Method[Any]) -> dict[str, Route]:
    """All directions of a method, in its order; the first is the default. A class: under its default options."""
    return {name: resolve(name, direction, method.data) for name, direction in method.directions.items()}


def routes_with(method: type[Method[Any]], options: Config) -> dict[str, Route]:
    """All directions of a method under these options, in its order."""
    directions = method.directions_with(options)
    return {name: resolve(name, direction, method.data) for name, direction in directions.items()}


def describe(method: type[Method[Any]], options: Config | None = None) -> dict[str, dict[str, Any]]:
    """The directions as a training stage promises them: names to inputs, sides, target, output and scale."""
    return {name: route.to_json() for name, route in routes_with(method, options or method.Config()).items()}


def check_inputs(route: Route, others: Collection[str]) -> None:
    """Errors: ConfigError, where these are not exactly the inputs that a direction takes beside the first."""
    if set(others) != set(route.inputs[1:]):
        raise ConfigError(
            f"direction {route.name!r} takes {route.inputs[0]!r} and the further inputs "
            f"{', '.join(route.inputs[1:]) or '(none)'}; given: {', '.join(others) or '(none)'}"
        )


def choose(names: Mapping[str, Any], wanted: str | None) -> str:
    """The direction that was asked for, or the first. Errors: ConfigError with a suggestion."""
    if wanted is None:
        return next(iter(names))
    if wanted not in names:
        raise ConfigError(
            f"there is no direction {wanted!r}; this model has {', '.join(names)}{suggest(wanted, names)}"
        )
    return wanted


def multiple_of(direction: Direction, nets: Mapping[str, nn.Module]) -> int:
    """What width and height are padded to: as the direction says, else what its networks need together, else 4."""
    if direction.multiple is not None:
        return direction.multiple
    declared = [int(m) for n in direction.nets if isinstance(m := getattr(nets[n], "multiple", None), int)]
    return math.lcm(*declared) if declared else 4
