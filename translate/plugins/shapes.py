"""Whether a class that a plugin registers has the shape that its kind asks for."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping
from typing import Any, get_args

from translate.contracts import (
    ComponentKind,
    Config,
    Configured,
    DataKind,
    Direction,
    Method,
    Metric,
    Source,
    Stage,
    Transform,
)

KINDS: tuple[ComponentKind, ...] = get_args(ComponentKind)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

_BASES: Mapping[ComponentKind, type[Any]] = {
    "methods": Method,
    "metrics": Metric,
    "sources": Source,
    "transforms": Transform,
    "stages": Stage,
}
_TORCH_BASES: Mapping[ComponentKind, str] = {
    "networks": "translate.networks:Network",
    "losses": "translate.objectives:LossTerm",
}
_NAMELESS = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
)


def base(kind: ComponentKind) -> type[Any]:
    """The class that every component of this kind derives from. Imports torch for networks and losses."""
    if kind in _BASES:
        return _BASES[kind]
    module, _, name = _TORCH_BASES[kind].partition(":")
    found: type[Any] = getattr(importlib.import_module(module), name)
    return found


def named(provided: Any) -> list[tuple[str, Any]]:
    """What a registration hook returned, as (name, class) pairs; a class of its own name may come without a key.

    Errors: TypeError when it is neither a mapping nor a list of classes.
    """
    if isinstance(provided, Mapping):
        return list(provided.items())
    if isinstance(provided, str) or not hasattr(provided, "__iter__"):
        raise TypeError(f"returned {provided!r}, not a list of classes or a mapping of names to classes")
    return [(getattr(each, "name", ""), each) for each in provided]


def faults(kind: ComponentKind, name: Any, component: Any) -> list[str]:
    """What is wrong with a class registered as `name`, one phrase each; empty when it fits."""
    wanted = base(kind)
    if not (isinstance(component, type) and issubclass(component, wanted)):
        return [f"is not a subclass of translate.{wanted.__name__}"]
    assert issubclass(component, Configured)
    found = []
    if not isinstance(name, str) or not NAME.fullmatch(name):
        found.append(f"needs a `name` of letters, digits, '-', '_' and '.', not {name!r}")
    if not (isinstance(component.Config, type) and issubclass(component.Config, Config)):
        found.append("has a Config that is not a subclass of translate.Config")
    if not isinstance(component.revision, int):
        found.append(f"has the revision {component.revision!r}, which is not a whole number")
    if inspect.isabstract(component):
        found.append(f"does not define {', '.join(sorted(getattr(component, '__abstractmethods__', ())))}")
    if kind == "methods":
        found += _method_faults(component)
    if kind == "losses" and _nameless(component):
        found.append("needs a `forward` whose arguments all have names, since `on:` binds views to them")
    if kind == "stages" and not isinstance(getattr(component, "produces", None), str):
        found.append("does not say what it produces (`produces`)")
    return found


def _nameless(term: Any) -> bool:
    return any(p.kind in _NAMELESS for p in inspect.signature(term.forward).parameters.values())


def _method_faults(method: Any) -> list[str]:
    found = []
    if getattr(method, "data", None) not in get_args(DataKind):
        found.append(f"needs `data`, one of {', '.join(get_args(DataKind))}")
    players = getattr(method, "players", None)
    losses = getattr(method, "losses", None)
    unplayed = players == {} and losses == {}  # for inference alone
    if not isinstance(players, Mapping) or not (players or unplayed):
        found.append("needs `players`, a mapping of players to the names of their networks")
    elif wrong := [
        p for p, nets in players.items() if isinstance(nets, str) or not all(isinstance(n, str) for n in nets)
    ]:
        found.append(f"has players without a tuple of network names: {', '.join(map(str, wrong))}")
    weighted = isinstance(losses, Mapping) and all(isinstance(w, int | float) for w in losses.values())
    if not weighted or not (losses or unplayed):
        found.append("needs `losses`, a mapping of loss names to default weights")
    if (views := method.views) is not None and not (
        isinstance(views, Mapping)
        and all(isinstance(names, tuple) and all(isinstance(n, str) for n in names) for names in views.values())
    ):
        found.append("has `views` that are not a mapping of players to tuples of names")
    elif views and isinstance(players, Mapping) and (wrong := [p for p in views if p not in players]):
        found.append(f"has views of players that it has not: {', '.join(map(str, wrong))}")
    directions = getattr(method, "directions", None)
    if not isinstance(directions, Mapping) or not directions:
        found.append("needs `directions`, a mapping of names to translate.Direction")
    elif wrong := [n for n, direction in directions.items() if not isinstance(direction, Direction)]:
        found.append(f"has directions that are not a translate.Direction: {', '.join(map(str, wrong))}")
    return found
