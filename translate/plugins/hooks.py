"""The plugin manager: which hooks there are, which ones a module implements, what is wrong with them, their time."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import pluggy

from translate import hookspecs
from translate.text import suggest

PROJECT = "translate"
_MARK = f"{PROJECT}_impl"
"""The attribute with options that `hookimpl` leaves on a function."""

HOOKS: Mapping[str, Callable[..., Any]] = {
    name: member for name, member in vars(hookspecs).items() if hasattr(member, f"{PROJECT}_spec")
}
"""Every hook by name, in the order in which `translate.hookspecs` documents them."""


def manager(trace: Callable[[str], None] | None = None) -> pluggy.PluginManager:
    """A plugin manager that has every hook of `translate` and no plugin yet; `trace` gets a line after every call."""
    pm = pluggy.PluginManager(PROJECT)
    pm.add_hookspecs(hookspecs)
    if trace:
        _monitor(pm, trace)
    return pm


def implemented(module: Any) -> dict[str, Callable[..., Any]]:
    """The hooks that a module implements, by name. Errors: TypeError for one that does not exist, is not marked, or
    takes what the hook does not give."""
    if not isinstance(module, ModuleType):
        raise TypeError(f"the entry point must name a module, not {module!r}")
    implementations = dict(_marked(module))
    for name, member in implementations.items():
        if name not in HOOKS:
            raise TypeError(f"there is no hook {name!r}{suggest(name, HOOKS)}")
        if wrong := _wrong_arguments(name, member):
            raise TypeError(wrong)
    for name in HOOKS:
        if name not in implementations and inspect.isfunction(vars(module).get(name)):
            raise TypeError(f"{name} is not marked as a hook: put @hookimpl above it (from translate import hookimpl)")
    if not implementations:
        raise TypeError(f"{module.__name__} implements no hook, such as translate_methods")
    return implementations


def blame(caller: pluggy.HookCaller, error: BaseException) -> str | None:
    """The name of the plugin whose implementation of a hook an exception passed through."""
    names: dict[Any, str] = {}
    for implementation in caller.get_hookimpls():
        if code := getattr(inspect.unwrap(implementation.function), "__code__", None):
            names[code] = implementation.plugin_name
    trail = error.__traceback__
    while trail:
        if trail.tb_frame.f_code in names:
            return names[trail.tb_frame.f_code]
        trail = trail.tb_next
    return None


def _marked(module: ModuleType) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, member in inspect.getmembers(module, inspect.isroutine):
        if options := getattr(member, _MARK, None):
            yield options.get("specname") or name, member


def _wrong_arguments(name: str, member: Callable[..., Any]) -> str:
    """Says which argument of an implementation its hook does not have; empty if there is none. It may take fewer."""
    arguments = list(inspect.signature(HOOKS[name]).parameters)
    for argument, parameter in inspect.signature(member).parameters.items():
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            return f"{name}: the argument {argument!r} must be a plain one; hooks are called with named arguments"
        if argument not in arguments:
            takes = suggest(argument, arguments) or f"; it takes {', '.join(arguments) or 'none'}"
            return f"{name} has no argument {argument!r}{takes}"
    return ""


def _monitor(pm: pluggy.PluginManager, trace: Callable[[str], None]) -> None:
    started: list[float] = []

    def before(hook: str, implementations: Sequence[pluggy.HookImpl], arguments: Mapping[str, Any]) -> None:
        started.append(time.perf_counter())

    def after(
        outcome: pluggy.Result[Any],
        hook: str,
        implementations: Sequence[pluggy.HookImpl],
        arguments: Mapping[str, Any],
    ) -> None:
        seconds = time.perf_counter() - started.pop()
        if implementations:
            names = ", ".join(each.plugin_name for each in reversed(implementations))
            how = "" if outcome.exception is None else f", raised {type(outcome.exception).__name__}"
            trace(f"{hook} of {names}: {1000 * seconds:.2f} ms{how}")

    pm.add_hookcall_monitoring(before, after)
