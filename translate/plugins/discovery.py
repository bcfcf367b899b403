"""Finding plugins by the metadata of installed distributions, and loading one of them without touching the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any

from translate.contracts import CONTRACT, ComponentKind
from translate.errors import PluginError, Stopped
from translate.plugins import shapes
from translate.plugins.hooks import implemented, manager
from translate.plugins.shapes import KINDS
from translate.version import __version__

GROUP = "translate"
"""The entry points that name plugins: `cyclegan = translate_cyclegan`."""
NAMES = "translate.names"
"""The entry points that let components of this distribution's plugins go by a plain name: `networks.rrdb = srgan` says
that the network `rrdb` is `srgan/rrdb`. Names of other distributions always have their plugin in front."""
ENGINE = "translate-i2i"
"""The distribution of the engine and of the plugins that come with it."""
BUILTINS: Mapping[ComponentKind, str] = {
    "methods": "translate.models.builtin",
    "networks": "translate.networks",
    "losses": "translate.objectives",
    "objectives": "translate.objectives",
    "optimizers": "translate.training.optimization.optimizers",
    "schedules": "translate.training.optimization.schedules",
    "metrics": "translate.metrics",
    "sources": "translate.data.builtin",
    "transforms": "translate.data.builtin",
    "device_transforms": "translate.data.builtin",
    "stages": "translate.stages.builtin",
    "formats": "translate.imaging.builtin",
    "exporters": "translate.models.exporters",
}
"""The module whose hooks provide the built-in components of a kind; imported when the kind is first asked for."""

LIBRARIES: Mapping[str, str] = {
    "albumentations": "translate.data.albumentations_adapter",
    "kornia": "translate.data.kornia_adapter",
    "torch": "translate.training.optimization.torch_library",
}
"""Libraries whose own components go by their names, as though they were plugins (`albumentations/GaussNoise`), with the
module of the engine that adapts each. They are imported when they are named, and never with all plugins."""


@dataclass
class Plugin:
    """A module that implements hooks: its entry point, and what it provides once it is loaded.

    Plugins that are installed and modules of the engine (`Plugin.built_in`) are loaded and checked alike.
    A module may say which contracts it was written for: `translate_contract = ">=2,<3"`.
    """

    name: str
    distribution: str
    version: str
    entry: EntryPoint
    provides: dict[ComponentKind, dict[str, type[Any]]] = field(default_factory=dict)
    commands: dict[str, Any] = field(default_factory=dict)
    """Commands of click by name."""
    hooks: tuple[str, ...] = ()
    seconds: float | None = None
    """How long import and registration took; None before."""

    def __str__(self) -> str:
        return (
            f"plugin {self.name!r} ({self.distribution} {self.version}, entry point {self.name} = {self.entry.value})"
        )

    @classmethod
    def built_in(cls, kind: ComponentKind) -> Plugin:
        """The module of the engine that provides the components of a kind."""
        return cls("translate", ENGINE, __version__, EntryPoint("translate", BUILTINS[kind], GROUP))

    @classmethod
    def library(cls, name: str) -> Plugin:
        """A library under its own name and version, which the fingerprints of its components hold."""
        # without the build, such as +cpu or +cu128: the components of both compute the same
        release = version(name).partition("+")[0]
        return cls(name, name, release, EntryPoint(name, LIBRARIES[name], GROUP))

    @property
    def built_into_engine(self) -> bool:
        return self.name == "translate" and self.distribution == ENGINE

    def provider(self, component: type[Any]) -> dict[str, str]:
        """The provider of a component as text: `distribution`, `version`, `module`, `plugin` and `revision`."""
        return {
            "distribution": self.distribution,
            "version": self.version,
            "module": component.__module__,
            "plugin": self.name,
            "revision": str(component.revision),
        }

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
            pm = manager(trace)
            pm.register(module, name=self.name)
            pm.check_pending()
            results = {kind: getattr(pm.hook, f"translate_{kind}")() for kind in KINDS}
            if lost := [kind for kind in KINDS if f"translate_{kind}" in hooks and not results[kind]]:
                raise TypeError(f"translate_{lost[0]} returned None, not a list of classes")
            commands = pm.hook.translate_commands()
            if "translate_commands" in hooks and not commands:
                raise TypeError("translate_commands returned None, not a list of commands")
            self.commands = collect_commands(commands)
            self.provides = {kind: collect(kind, provided) for kind, provided in results.items()}
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
        """A remark where its distribution asks for another version of `translate` than this one, else nothing."""
        # Only a plugin that cannot be imported needs these.
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name

        needs = [Requirement(text) for text in (self.entry.dist.requires if self.entry.dist else None) or ()]
        for need in needs:
            if canonicalize_name(need.name) == ENGINE and __version__ not in need.specifier:
                return f" (it asks for {need}, and this is {__version__})"
        return ""


def discover(entries: Iterable[EntryPoint] | None = None) -> dict[str, list[Plugin]]:
    """All installed plugins by name, from metadata alone; two under one name are two distributions'."""
    plugins: dict[str, list[Plugin]] = {}
    known: Known = {}
    for entry in entry_points(group=GROUP) if entries is None else entries:
        distribution, release = _distribution(entry, known)
        same = plugins.setdefault(entry.name, [])
        if all((p.distribution, p.entry.value) != (distribution, entry.value) for p in same):
            same.append(Plugin(entry.name, distribution, release, entry))
    return plugins


Known = dict[int, tuple[str, str]]
"""Names and versions of distributions by their identity."""


def _distribution(entry: EntryPoint, known: Known) -> tuple[str, str]:
    """The name and the version of who provides an entry point."""
    if entry.dist is None:
        return "an unknown distribution", "0"
    if id(entry.dist) not in known:  # each look at a distribution's name parses all of its metadata
        known[id(entry.dist)] = entry.dist.name, entry.dist.version
    return known[id(entry.dist)]


def plain_names(plugins: Iterable[str]) -> dict[ComponentKind, dict[str, str]]:
    """Kind -> plain name -> which of the `plugins` provides it, from metadata alone (see `NAMES`)."""
    owners: dict[ComponentKind, dict[str, str]] = {kind: {} for kind in KINDS}
    installed, known = set(plugins), Known()
    for entry in entry_points(group=NAMES):
        kind, _, name = entry.name.partition(".")
        if kind in KINDS and entry.value in installed and _distribution(entry, known)[0] == ENGINE:
            owners[kind][name] = entry.value
    return owners


def builtins(kind: ComponentKind) -> dict[str, type[Any]]:
    """The built-in components of a kind, by name."""
    plugin = Plugin.built_in(kind)
    plugin.load()
    return plugin.provides[kind]


def collect(kind: ComponentKind, results: Iterable[Any]) -> dict[str, type[Any]]:
    """Components by name out of the results of a registration hook. Errors: TypeError naming what does not fit."""
    components: dict[str, type[Any]] = {}
    for result in results:
        for name, component in shapes.named(result):
            what = f"{getattr(component, '__name__', repr(component))} in translate_{kind}"
            if wrong := shapes.validate(kind, name, component):
                raise TypeError(f"{what} {'; it '.join(wrong)}")
            if name in components:
                raise TypeError(f"{what} has the name {name!r}, which {components[name].__name__} has too")
            components[name] = component
    return components


def collect_commands(results: Iterable[Any]) -> dict[str, Any]:
    """Commands by name out of the results of `translate_commands`. Errors: TypeError naming what does not fit."""
    commands: dict[str, Any] = {}
    for result in results:
        for name, command in shapes.named(result):
            if wrong := shapes.command_faults(name, command):
                raise TypeError(f"{command!r} in translate_commands {wrong}")
            if name in commands:
                raise TypeError(f"translate_commands gives two commands of the name {name!r}")
            commands[name] = command
    return commands


def _check_contract(module: Any) -> None:
    """Errors: TypeError where the module was written for other contracts than this engine's."""
    asked = getattr(module, "translate_contract", None)
    if asked is None:
        return
    # Most commands load no plugin, and do without this.
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        contracts = SpecifierSet(asked if isinstance(asked, str) else f"=={asked}")
    except InvalidSpecifier:
        raise TypeError(f"translate_contract is {asked!r}, not a range such as '>=1,<2'") from None
    if not contracts.contains(str(CONTRACT)):
        raise TypeError(
            f"it was written for contract {contracts}, and translate {__version__} has contract {CONTRACT}; "
            f"install versions of both that go together, or bring it up to date: {shapes.CHANGES}"
        )


def _cause(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text if isinstance(error, TypeError) else f"{type(error).__name__}: {' '.join(text.split())}"
