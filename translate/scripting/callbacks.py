"""Events of a training for an object of one's own, whose methods are called as hooks of plugins are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from translate.errors import ConfigError
from translate.text import suggest

EVENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "stage_started": ("folder",),
        "step_finished": ("step", "metrics"),
        "validated": ("step", "scores", "folder"),
        "checkpoint_saved": ("step", "folder"),
        "stage_finished": ("folder", "facts"),
    }
)
"""What a callback can have as methods, and their arguments: those of the hooks `translate_...`."""


def emitter(callback: Any) -> Callable[..., None]:
    """The function that calls the method named as an event, if the callback has one, with the arguments that it takes.

    What a method raises ends the training. Errors: ConfigError for an object without any of these methods, and for a
    method with other arguments.
    """
    methods = {event: method for event in EVENTS if callable(method := getattr(callback, event, None))}
    if callback is not None and not methods:
        names = [name for name in dir(callback) if not name.startswith("_")]
        near = [suggest(name, EVENTS) for name in names]
        hint = next((text for text in near if text), "")
        raise ConfigError(f"callback: a {type(callback).__name__} has none of the methods {', '.join(EVENTS)}{hint}")
    arguments = {event: _arguments(event, method) for event, method in methods.items()}

    def emit(event: str, **told: Any) -> None:
        if event in methods:
            methods[event](**{name: told[name] for name in arguments[event]})

    return emit


def _arguments(event: str, method: Callable[..., Any]) -> tuple[str, ...]:
    """The arguments of an event that a method takes. Errors: ConfigError for others that it cannot do without."""
    parameters = inspect.signature(method).parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return EVENTS[event]
    named = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    for each in parameters:
        if each.name not in EVENTS[event] and each.default is each.empty and each.kind is not each.VAR_POSITIONAL:
            raise ConfigError(f"callback: {event}() has no argument {each.name!r}; it has {', '.join(EVENTS[event])}")
    return tuple(each.name for each in named if each.name in EVENTS[event])
