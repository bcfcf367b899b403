"""The shape that a class of each kind must have to be registered, and what is wrong with one that has not."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import click

from translate.contracts import (
    CONTRACT,
    ComponentKind,
    Config,
    Configured,
    DataKind,
    DeviceTransform,
    Direction,
    Method,
    Metric,
    NoOptions,
    Optimizer,
    Schedule,
    Sides,
    Source,
    Stage,
    Transform,
)

KINDS: tuple[ComponentKind, ...] = get_args(ComponentKind)
CHANGES = "docs/contract-2.md says all that changed, and how a plugin follows"
"""Where a plugin of an earlier contract finds out what to do."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

_BASES: Mapping[ComponentKind, type[Any]] = {
    "methods": Method,
    "optimizers": Optimizer,
    "schedules": Schedule,
    "metrics": Metric,
    "sources": Source,
    "transforms": Transform,
    "device_transforms": DeviceTransform,
    "stages": Stage,
}
_LATE_BASES: Mapping[ComponentKind, str] = {
    "networks": "translate.networks:Network",
    "losses": "translate.objectives:LossTerm",
    "objectives": "translate.objectives:AdversarialLoss",
    "formats": "translate.imaging.image_format:ImageFormat",
    "exporters": "translate.models.exporter:Exporter",
}
_NAMELESS = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
)


def base(kind: ComponentKind) -> type[Any]:
    """The class that every component of this kind derives from; what needs torch or numpy is imported for that."""
    if kind in _BASES:
        return _BASES[kind]
    module, _, name = _LATE_BASES[kind].partition(":")
    component: type[Any] = getattr(importlib.import_module(module), name)
    return component


def named(provided: Any) -> list[tuple[str, Any]]:
    """The classes that a registration hook returned, with their names; one of its own name may come without a key.

    Errors: TypeError when it is neither a mapping nor a list of classes.
    """
    if isinstance(provided, Mapping):
        return list(provided.items())
    if isinstance(provided, str) or not hasattr(provided, "__iter__"):
        raise TypeError(f"returned {provided!r}, not a list of classes or a mapping of names to classes")
    return [(getattr(each, "name", ""), each) for each in provided]


def validate(kind: ComponentKind, name: Any, component: Any) -> list[str]:
    """Says what is wrong with a class registered as `name`, one phrase each; empty when it fits."""
    wanted = base(kind)
    if not (isinstance(component, type) and issubclass(component, wanted)):
        return [f"is not a subclass of translate.{wanted.__name__}"]
    assert issubclass(component, Configured)
    wrong: list[str] = []
    if not isinstance(name, str) or not NAME.fullmatch(name):
        wrong.append(f"needs a `name` of letters, digits, '-', '_' and '.', not {name!r}")
    if not (isinstance(component.Config, type) and issubclass(component.Config, Config)):
        wrong.append("has a Config that is not a subclass of translate.Config")
    elif wanted.Config is not NoOptions and not issubclass(component.Config, wanted.Config):
        # What the engine itself reads of the options: the rate of an optimizer, the unit of a schedule, r1 and r2.
        wrong.append(f"has a Config that does not derive from translate.{wanted.Config.__name__}")
    if not isinstance(component.revision, int):
        wrong.append(f"has the revision {component.revision!r}, which is not a whole number")
    if not isinstance(component.small, Mapping):
        wrong.append(f"needs `small` to be a mapping of options to values, not {component.small!r}")
    if inspect.isabstract(component):
        wrong.append(f"does not define {', '.join(sorted(getattr(component, '__abstractmethods__', ())))}")
    if kind == "methods":
        wrong += [*_game(component), *_views(component), *_directions(component), *_renamed(component)]
    if kind == "losses" and _nameless(component):
        wrong.append("needs a `forward` whose arguments all have names, since `on:` binds views to them")
    if kind == "formats":
        wrong += _format(component)
    if kind == "stages" and not isinstance(getattr(component, "produces", None), str):
        wrong.append("does not say what it produces (`produces`)")
    return wrong


def command_faults(name: Any, command: Any) -> str:
    """Says what is wrong with a command of a plugin; empty when it fits."""
    if not isinstance(command, click.Command):
        return "is not a click.Command: put @click.command() above the function"
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return f"needs a name of letters, digits, '-', '_' and '.', not {name!r}"
    return ""


def _format(component: Any) -> Iterator[str]:
    suffixes, signatures = getattr(component, "suffixes", None), component.signatures
    if not isinstance(suffixes, tuple) or not suffixes or not all(map(_is_suffix, suffixes)):
        yield f"needs `suffixes`, a tuple such as ('.pgm',) in lower case, not {suffixes!r}"
    if not isinstance(signatures, tuple) or not all(isinstance(each, bytes) and each for each in signatures):
        yield f"needs `signatures` to be a tuple of bytes, not {signatures!r}"


def _is_suffix(value: Any) -> bool:
    return isinstance(value, str) and value == value.lower() and re.fullmatch(r"\.[^./]+", value) is not None


def _nameless(term: Any) -> bool:
    return any(p.kind in _NAMELESS for p in inspect.signature(term.forward).parameters.values())


def _game(method: Any) -> Iterator[str]:
    """Says what is wrong with the kind of data, the players and the losses of a method."""
    data = getattr(method, "data", None)
    if not isinstance(data, Sides) and data not in get_args(DataKind):
        yield f"needs `data`, a translate.Sides or one of {', '.join(get_args(DataKind))}"
    players = getattr(method, "players", None)
    losses = getattr(method, "losses", None)
    unplayed = players == {} and losses == {}  # for inference alone
    if not isinstance(players, Mapping) or not (players or unplayed):
        yield "needs `players`, a mapping of players to the names of their networks"
    elif wrong := [player for player, nets in players.items() if not _names(nets)]:
        yield f"has players without a tuple of network names: {', '.join(map(str, wrong))}"
    elif strangers := [player for player in method.resting if player not in players]:
        yield f"has `resting` players that it has not: {', '.join(map(str, strangers))}; it has {', '.join(players)}"
    weighted = isinstance(losses, Mapping) and all(isinstance(w, int | float) for w in losses.values())
    if not weighted or not (losses or unplayed):
        yield "needs `losses`, a mapping of loss names to default weights"


def _views(method: Any) -> Iterator[str]:
    views, players = method.views, getattr(method, "players", None)
    if views is None:
        return
    if not isinstance(views, Mapping) or not all(isinstance(v, tuple) and _names(v) for v in views.values()):
        yield "has `views` that are not a mapping of players to tuples of names"
    elif isinstance(players, Mapping) and (wrong := [player for player in views if player not in players]):
        yield f"has views of players that it has not: {', '.join(map(str, wrong))}"


def _directions(method: Any) -> Iterator[str]:
    directions = getattr(method, "directions", None)
    if not isinstance(directions, Mapping) or not directions:
        yield "needs `directions`, a mapping of names to translate.Direction"
    elif wrong := [name for name, direction in directions.items() if not isinstance(direction, Direction)]:
        yield f"has directions that are not a translate.Direction: {', '.join(map(str, wrong))}"


def _renamed(method: Any) -> Iterator[str]:
    """Names what replaces a part of an earlier contract, which would fail or never be called."""
    if hasattr(method, "observe"):
        yield f"defines `observe`, which is called `degrade(self, target, direction, rng)` now; rename it ({CHANGES})"
    for name, arguments in _ARGUMENTS.items():
        if not _takes(getattr(method, name, None), len(arguments)):
            listed = ", ".join(arguments)
            yield f"was written for contract 1: `{name}` takes ({listed}) in contract {CONTRACT}; {CHANGES}"


_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "translate": ("self", "nets", "inputs", "direction", "draw"),
    "directions_with": ("config", "spec"),
}
"""Functions of a method that have more arguments than in contract 1."""


def _takes(function: Any, count: int) -> bool:
    """Says whether a function can be called with so many arguments by their places."""
    if not callable(function):
        return True
    parameters = list(inspect.signature(function).parameters.values())
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(plain) >= count or any(p.kind is p.VAR_POSITIONAL for p in parameters)


def _names(value: Any) -> bool:
    """Says whether a value is a collection of names, and not one name."""
    return not isinstance(value, str) and all(isinstance(name, str) for name in value)
