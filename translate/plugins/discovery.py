"""Finding plugins by the metadata of installed distributions, and loading one of them without touching the others."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

import translate
from translate import hookspecs
from translate.contracts import ComponentKind
from translate.errors import PluginError
from translate.plugins.options import suggest
from translate.plugins.shapes import KINDS, faults, named

GROUP = "translate"
ENGINE = "translate-i2i"
BUILTINS: Mapping[ComponentKind, str] = {
    "methods": "translate.inference",
    "networks": "translate.networks",
    "losses": "translate.objectives",
    "metrics": "translate.metrics",
    "sources": "translate.data",
    "transforms": "translate.data",
    "stages": "translate.stages",
}
"""The package that provides the built-in components of a kind; imported when the kind is first asked for."""


@dataclass
class Plugin:
    """An installed plugin: its entry point, and what it provides once it is loaded."""

    name: str
    distribution: str
    version: str
    entry: EntryPoint
    provides: dict[ComponentKind, dict[str, type[Any]]] = field(default_factory=dict)

    def __str__(self) -> str:
        return (
            f"plugin {self.name!r} ({self.distribution} {self.version}, entry point {self.name} = {self.entry.value})"
        )

    @cached_property
    def module(self) -> Any:
        """The imported module. Errors: PluginError, whatever its import raises."""
        try:
            return self.entry.load()
        except (Exception, SystemExit) as error:
            raise PluginError(f"{self} cannot be imported: {type(error).__name__}: {error}") from error

    def load(self) -> None:
        """Imports the plugin and fills `provides`. Errors: PluginError; `provides` is then left empty."""
        try:
            alone = manager()
            alone.register(self.module, name=self.name)
            _unknown_hooks(self.module)
            alone.check_pending()
            self.provides = {kind: collect(kind, getattr(alone.hook, f"translate_{kind}")()) for kind in KINDS}
        except PluginError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"{self} cannot be registered: {_cause(error)}") from error


def manager() -> pluggy.PluginManager:
    """A relay that knows every hook of `translate` and no plugin yet."""
    relay = pluggy.PluginManager(GROUP)
    relay.add_hookspecs(hookspecs)
    return relay


def discover(entries: Iterable[EntryPoint] | None = None) -> dict[str, list[Plugin]]:
    """All installed plugins by name, from metadata alone; two under one name are two distributions'."""
    found: dict[str, list[Plugin]] = {}
    for entry in entry_points(group=GROUP) if entries is None else entries:
        distribution = entry.dist.name if entry.dist else "an unknown distribution"
        version = entry.dist.version if entry.dist else "0"
        plugin = Plugin(entry.name, distribution, version, entry)
        same = found.setdefault(entry.name, [])
        if all((p.distribution, p.entry.value) != (distribution, entry.value) for p in same):
            same.append(plugin)
    return found


def builtins(kind: ComponentKind) -> dict[str, type[Any]]:
    """The built-in components of a kind, by name."""
    if kind not in BUILTINS:
        return {}
    module = importlib.import_module(BUILTINS[kind])
    return collect(kind, [getattr(module, f"translate_{kind}")()])


def builtin_provider(component: type[Any]) -> dict[str, str]:
    """Who provides a built-in component."""
    return {
        "distribution": ENGINE,
        "version": translate.__version__,
        "module": component.__module__,
        "plugin": "translate",
    }


def collect(kind: ComponentKind, results: Iterable[Any]) -> dict[str, type[Any]]:
    """Components by name out of the results of a registration hook. Errors: TypeError naming what does not fit."""
    components: dict[str, type[Any]] = {}
    for result in results:
        for name, component in named(result):
            what = f"{getattr(component, '__name__', repr(component))} in translate_{kind}"
            if wrong := faults(kind, name, component):
                raise TypeError(f"{what} {'; it '.join(wrong)}")
            if name in components:
                raise TypeError(f"{what} has the name {name!r}, which {components[name].__name__} has too")
            components[name] = component
    return components


def _unknown_hooks(module: Any) -> None:
    """Refuses implementations of hooks that do not exist, with a suggestion (`check_pending` has none)."""
    known = [name for name in vars(hookspecs) if name.startswith("translate_")]
    for name, member in inspect.getmembers(module, inspect.isroutine):
        if hasattr(member, "translate_impl") and name not in known:
            raise TypeError(f"there is no hook {name!r}{suggest(name, known)}")


def _cause(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text if isinstance(error, TypeError) else f"{type(error).__name__}: {' '.join(text.split())}"
