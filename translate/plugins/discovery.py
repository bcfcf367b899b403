"""Finding plugins by the metadata of installed distributions, and loading one of them without touching the others."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from translate.contracts import CONTRACT, ComponentKind
from translate.errors import PluginError, Stopped
from translate.plugins.hooks import implemented, manager
from translate.plugins.shapes import KINDS, faults, named
from translate.version import __version__

GROUP = "translate"
ENGINE = "translate-i2i"
BUILTINS: Mapping[ComponentKind, str] = {
    "methods": "translate.models",
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
    """An installed plugin: its entry point, and what it provides once it is loaded.

    A module may say which contracts it was written for: `translate_contract = ">=1,<2"`.
    """

    name: str
    distribution: str
    version: str
    entry: EntryPoint
    provides: dict[ComponentKind, dict[str, type[Any]]] = field(default_factory=dict)
    hooks: tuple[str, ...] = ()
    seconds: float | None = None
    """How long import and registration took; None before."""

    def __str__(self) -> str:
        return (
            f"plugin {self.name!r} ({self.distribution} {self.version}, entry point {self.name} = {self.entry.value})"
        )

    @cached_property
    def module(self) -> Any:
        """The imported module. Errors: PluginError, whatever its import raises."""
        try:
            return self.entry.load()
        except (KeyboardInterrupt, Stopped):
            raise
        except BaseException as error:
            text = f"{self} cannot be imported: {type(error).__name__}: {error}{self._unmet()}"
            raise PluginError(text) from error

    def load(self, trace: Callable[[str], None] | None = None) -> None:
        """Imports the plugin and fills `provides`. Errors: PluginError; `provides` is then left empty."""
        started = time.perf_counter()
        try:
            module = self.module
            _check_contract(module)
            hooks = implemented(module)
            alone = manager(trace)
            alone.register(module, name=self.name)
            alone.check_pending()
            results = {kind: getattr(alone.hook, f"translate_{kind}")() for kind in KINDS}
            if lost := [kind for kind in KINDS if f"translate_{kind}" in hooks and not results[kind]]:
                raise TypeError(f"translate_{lost[0]} returned None, not a list of classes")
            self.provides = {kind: collect(kind, found) for kind, found in results.items()}
            self.hooks = tuple(sorted(hooks))
        except (KeyboardInterrupt, Stopped, PluginError):
            raise
        except BaseException as error:
            raise PluginError(f"{self} cannot be registered: {_cause(error)}") from error
        finally:
            self.seconds = time.perf_counter() - started
            if trace:
                trace(f"import of {self.name} ({self.entry.module}): {1000 * self.seconds:.1f} ms")

    def _unmet(self) -> str:
        """What to say where its distribution asks for another version of `translate` than this one."""
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name

        needs = [Requirement(text) for text in (self.entry.dist.requires if self.entry.dist else None) or ()]
        for need in needs:
            if canonicalize_name(need.name) == ENGINE and __version__ not in need.specifier:
                return f" (it asks for {need}, and this is {__version__})"
        return ""


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
        "version": __version__,
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


def _check_contract(module: Any) -> None:
    """Errors: TypeError where the module was written for other contracts than this engine's."""
    asked = getattr(module, "translate_contract", None)
    if asked is None:
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        contracts = SpecifierSet(asked if isinstance(asked, str) else f"=={asked}")
    except InvalidSpecifier:
        raise TypeError(f"translate_contract is {asked!r}, not a range such as '>=1,<2'") from None
    if not contracts.contains(str(CONTRACT)):
        raise TypeError(
            f"it was written for contract {contracts}, and translate {__version__} has contract {CONTRACT}; "
            f"install versions of both that go together"
        )


def _cause(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text if isinstance(error, TypeError) else f"{type(error).__name__}: {' '.join(text.split())}"
