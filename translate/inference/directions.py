"""A method's directions with every default filled in, and what they say about the images that go in and come out."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from translate.contracts import (
    Class,
    Config,
    DataSpec,
    Direction,
    Image,
    Method,
    ModelFacts,
    Output,
    Route,
    Side,
    Sides,
    Vector,
)
from translate.contracts.direction import called
from translate.errors import ConfigError, ContractError
from translate.text import suggest

if TYPE_CHECKING:
    from torch import nn


def resolve(name: str, direction: Direction, declared: Sides, known: Sides | None = None) -> Route:
    """Fills in `sides`, the `types` of inputs, and `target`; `known` says more of the declared sides, where data is
    there. See `Direction`.

    Errors: ContractError when the direction has more inputs than the data has sides, imitates a side that there is not,
    or has an output of no known form.
    """
    names, d = list(declared), direction
    played = [each for each in d.inputs if each not in d.types]
    single = len(names) == 1 and isinstance(declared[names[0]], Image)
    by_name = tuple(played) if set(played) <= set(names) else tuple(names[: len(played)])
    sides = d.sides or (tuple(names * len(played)) if single else by_name)
    if len(sides) != len(played) or not set(sides) <= set(names):
        raise ContractError(
            f"direction {name!r} has the inputs {', '.join(played)}, but its sides are {', '.join(sides)}; "
            f"give it one side of {declared.kind or 'its'} data ({', '.join(names)}) per input"
        )
    side_of = dict(zip(played, sides, strict=True))
    _check_outputs(name, d, names)
    types = {**d.types, **{each: (known or declared).get(side, declared[side]) for each, side in side_of.items()}}
    free = [side for side in names if (single or side not in sides) and _forms[declared[side].type] == d.output]
    target = d.target or (free[0] if free else None) if d.tiles == (1, 1) else None
    return Route(
        name,
        d.nets,
        d.inputs,
        tuple(side_of.get(each) for each in d.inputs),
        target,
        d.output,
        d.scale,
        d.tiles,
        types,
        d.draws,
        d.further,
        default_options(name, d),
    )


def _check_outputs(name: str, direction: Direction, sides: Collection[str]) -> None:
    """Errors: ContractError for a target that is no side, and an output of a form that there is not."""
    target = direction.target
    if target is not None and target not in sides:
        there = suggest(target, sides) or f"; the sides are {', '.join(sides)}"
        raise ContractError(f"direction {name!r} imitates {target!r}, which is no side of its data{there}")
    for output, form in {"output": direction.output, **direction.further}.items():
        if form not in get_args(Output):
            forms = ", ".join(get_args(Output))
            raise ContractError(f"direction {name!r}: {output!r} is of form {form!r}; outputs are one of {forms}")


_forms: Mapping[str, str] = {
    "image": "image",
    "frames": "image",
    "labels": "labels",
    "class": "class",
    "vector": "vector",
}
"""The form of an output that imitates a side of each type."""


def default_options(name: str, direction: Direction) -> Config:
    """The options of a direction where a call says nothing. Errors: ContractError where one has no default."""
    try:
        return direction.options()
    except ValueError as error:
        raise ContractError(f"direction {name!r}: every one of its options needs a default: {error}") from None


def routes(method: Method[Any]) -> dict[str, Route]:
    """All directions of a method that knows its data, in its order; the first is the default."""
    declared, known = Sides.of(method.data), method.spec.sides
    return _routes(method.directions, method.spec, declared, known)


def routes_with(method: type[Method[Any]], options: Config, spec: DataSpec | None) -> dict[str, Route]:
    """All directions of a method under these options for data of which `spec` is known, in its order."""
    declared, known = Sides.of(method.data), spec.sides if spec else None
    return _routes(called(method.directions_with(options, spec), spec), spec, declared, known)


def _routes(
    directions: Mapping[str, Direction], spec: DataSpec | None, declared: Sides, known: Sides | None
) -> dict[str, Route]:
    """Directions under the names that they have for the data, each with the method's own name where that differs."""
    owners = {name: own for own, name in spec.called.items()} if spec else {}
    resolved = {name: resolve(name, direction, declared, known) for name, direction in directions.items()}
    return {name: replace(route, own=owners.get(name, "")) for name, route in resolved.items()}


def depends_on_data(method: type[Method[Any]]) -> bool:
    """Says whether the directions of a method may differ from those of its class, with its options or its data."""
    return method.directions_with.__func__ is not Method.directions_with.__func__  # type: ignore[attr-defined]


def directions_of(method: type[Method[Any]], facts: ModelFacts) -> Mapping[str, Direction]:
    """The directions of a model that a pipeline promises, as far as they are known.

    Errors: ConfigError, and whatever a broken plugin raises.
    """
    if facts.options is None:
        return method.directions
    return method.directions_with(method.Config.model_validate(facts.options), facts.spec)


def describe(method: type[Method[Any]], options: Config | None = None) -> dict[str, dict[str, Any]]:
    """The directions as a training stage promises them: names to inputs, sides, target, output and scale."""
    return {name: route.to_json() for name, route in routes_with(method, options or method.Config(), None).items()}


def with_options(route: Route, direction: Direction, given: Mapping[str, Any]) -> Route:
    """The route with the options of a call, as YAML, a command line or Python has them.

    Errors: ConfigError naming the option, what is wrong, and those that there are.
    """
    fields = direction.options.model_fields
    for name in given:
        if name not in fields:
            there = suggest(name, fields) or f"; its options are {', '.join(fields) or 'none'}"
            raise ConfigError(f"direction {route.name!r} has no option {name!r}{there}")
    try:
        return replace(route, options=direction.options.model_validate(dict(given)))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"option {place!r} of direction {route.name!r}: {first['msg']}") from None


def check_conversion(route: Route, others: Collection[str]) -> None:
    """Errors: ConfigError, where a direction converts no images, or takes other further inputs than these."""
    if route.main is None:
        raise ConfigError(f"direction {route.name!r} makes images from nothing: `translate sample`, `model.sample(4)`")
    check_inputs(route, others)


def check_inputs(route: Route, others: Collection[str]) -> None:
    """Errors: ConfigError, where these are not exactly the inputs that a direction takes beside the main one."""
    if set(others) != set(route.others):
        raise ConfigError(
            f"direction {route.name!r} takes {repr(route.main) if route.main else 'no image'} and the further inputs "
            f"{', '.join(route.others) or '(none)'}; given: {', '.join(others) or '(none)'}"
        )


def check_value(name: str, kind: Side, given: Any) -> None:
    """Errors: ConfigError where this is no class, or no vector, of an input of this type."""
    if isinstance(kind, Class):
        class_index(name, kind, given)
    elif isinstance(kind, Vector):
        numbers(name, kind, given)


def input_in_words(name: str, kind: Side | None) -> str:
    """An input with what is given for it: a file, a class, or numbers."""
    if isinstance(kind, Class):
        return f"{name} (a class{': ' if kind.names else ''}{', '.join(kind.names)})"
    return f"{name} (numbers)" if isinstance(kind, Vector) else f"{name} (a file)"


def class_index(name: str, kind: Class, given: Any) -> int:
    """The index of a class that is given by name or index. Errors: ConfigError with the names that there are."""
    names, count = kind.names, len(kind.names)
    if isinstance(given, str) and given in names:
        return names.index(given)
    index = int(given) if isinstance(given, str) and given.isdecimal() else given
    if isinstance(index, Integral) and not isinstance(index, bool) and (not count or 0 <= int(index) < count):
        return int(index)
    there = suggest(str(given), names) or f"; there are {', '.join(names)}"
    raise ConfigError(f"input {name!r} has no class {given!r}{there}")


def numbers(name: str, kind: Vector, given: Any) -> list[float]:
    """The numbers of a vector, given as a row or as text such as `0.5,1`. Errors: ConfigError."""
    try:
        row = [float(part) for part in given.split(",")] if isinstance(given, str) else list(given)
    except (TypeError, ValueError):
        raise ConfigError(f"input {name!r} takes numbers, such as 0.5,1, not {given!r}") from None
    if wrong := [each for each in row if not isinstance(each, Real) or not math.isfinite(each)]:
        raise ConfigError(f"input {name!r} takes finite numbers, and one is {wrong[0]!r}")
    if kind.size is not None and len(row) != kind.size:
        raise ConfigError(f"input {name!r} takes {kind.size} numbers, and these are {len(row)}")
    return [float(each) for each in row]


def choose(names: Mapping[str, Any], wanted: str | None) -> str:
    """The direction that was asked for, also by the method's own name for it, or the first.

    Errors: ConfigError with a suggestion.
    """
    if wanted is None:
        return next(iter(names))
    if wanted not in names:
        for name, direction in names.items():
            if getattr(direction, "own", "") == wanted:
                return name
        raise ConfigError(
            f"there is no direction {wanted!r}; this model has {', '.join(names)}{suggest(wanted, names)}"
        )
    return wanted


def channels_of(spec: DataSpec, route: Route, name: str) -> int:
    """The number of channels of an input that is an image."""
    fixed = getattr(route.types.get(name), "channels", None)
    return int(fixed or spec.channels.get(route.side_of(name) or name, 3))


def multiple_of(direction: Direction, nets: Mapping[str, nn.Module]) -> int:
    """What width and height are padded to: as the direction says, else what its networks need together, else 4."""
    if direction.multiple is not None:
        return direction.multiple
    declared = [int(m) for n in direction.nets if isinstance(m := getattr(nets[n], "multiple", None), int)]
    return math.lcm(*declared) if declared else 4
