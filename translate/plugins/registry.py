"""The registry: components by kind and name, imported when they are first named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import EntryPoint
from typing import Any

from translate.contracts import ComponentKind, NetworkUse, Problem, Use
from translate.errors import ConfigError, PluginError, Stopped
from translate.plugins.discovery import BUILTINS, ENGINE, LIBRARIES, Plugin, discover, plain_names
from translate.plugins.hooks import blame, manager
from translate.plugins.options import ready, resolve, validate
from translate.plugins.shapes import KINDS
from translate.plugins.switches import OFF, off_by_environment, on_by_environment, switches
from translate.text import suggest


class Registry:
    """Everything that pipelines can name. It implements `translate.contracts.Components`.

    A plain name is a built-in component, or one that this distribution's own plugins may call by a plain name
    (`discovery.NAMES`), else a component of the plugin of the same name (`cyclegan`); everything else that a plugin
    provides is `PLUGIN/NAME`. Names of this distribution come first, so that installing a package never changes what a
    pipeline means. Nothing is imported before it is named. Plugins can be switched off (`switched`, and the variable
    `TRANSLATE_PLUGINS_OFF`): then nothing of them is imported, and `off` names them.

    Errors: ConfigError where a plugin that is not installed is switched off or on, PluginError for a broken one that is
    switched on.
    """

    def __init__(self, entries: Iterable[EntryPoint] | None = None) -> None:
        self._plugins = discover(entries)
        named = switches()
        if unknown := sorted(named.off - self._plugins.keys()):
            raise ConfigError(f"--no-plugin: there is no plugin {unknown[0]!r}{suggest(unknown[0], self._plugins)}")
        self.off = (named.off | off_by_environment()) & self._plugins.keys()
        self._trace = named.trace
        self._plain = plain_names(self._plugins)
        self._built_ins: dict[str, Plugin] = {}
        self._loaded: dict[str, Plugin] = {}
        self._libraries: dict[str, Plugin] = {}
        self._pm = manager(self._trace)
        self.hook = self._pm.hook
        """Calls a hook of all modules that were named so far, built-in ones included: `registry.hook.translate_x()`."""
        for name in sorted(named.on | (on_by_environment() & self._plugins.keys() - self.off)):
            self.load(name)

    # ------------------------------------------------------------------------------------------------- components

    def get(self, kind: ComponentKind, name: str) -> type[Any]:
        """The class of a component. Errors: ConfigError for an unknown name, PluginError for a broken plugin."""
        return self._find(kind, name)[0]

    def provider(self, kind: ComponentKind, name: str) -> dict[str, str]:
        """The provider of a component: `distribution`, `version`, `module`, `plugin` and `revision`, all text."""
        component, plugin = self._find(kind, name)
        return plugin.provider(component)

    def build(self, use: Use | str, **kwargs: Any) -> Any:
        """An instance of the component, its options checked against its `Config`.

        Networks take `in_channels`, `out_channels` and defaults for options: what `use` says goes before them, and
        those that the network does not know are left out. A plain string names a network. Other kinds pass `kwargs`
        to their constructor. Errors: ConfigError, PluginError.
        """
        use = NetworkUse(uses=use) if isinstance(use, str) else use
        component = self.get(use.kind, use.uses)
        options = dict(use.options)
        if use.kind == "networks":
            sizes: dict[str, Any] = {key: kwargs.pop(key) for key in ("in_channels", "out_channels") if key in kwargs}
            fields = component.Config.model_fields
            options = {key: value for key, value in kwargs.items() if key in fields} | options
            kwargs = sizes
        return component(self.config(use.kind, use.uses, options), **kwargs)

    def config(self, kind: ComponentKind, name: str, options: Any) -> Any:
        """`options` as the component's Config, what they name being ready for work. Errors: ConfigError that lists
        everything wrong with them, PluginError."""
        config, wrong = validate(self.get(kind, name).Config, options)
        if wrong:
            raise ConfigError("\n".join(f"{name}: {_dotted(p)}{p.message}" for p in wrong))
        return ready(config, self.build)

    def check(self, kind: ComponentKind, name: str, options: Any) -> tuple[Any, list[Problem]]:
        """The component's options with all defaults, as plain data, and what is wrong with them, with paths."""
        config, wrong = validate(self.get(kind, name).Config, options)
        return (options, wrong) if wrong else resolve(config, self)

    def names(self, kind: ComponentKind, *, everything: bool = False) -> list[str]:
        """The names that a pipeline can use: built-ins and what loaded plugins provide; `everything` loads them all."""
        if everything:
            self.load_all()
        names = set(self._built_in(kind).provides[kind])
        names |= {name for name, plugin in self._plain[kind].items() if plugin not in self.off}
        for plugin in (*self._loaded.values(), *self._libraries.values()):
            names |= {self.spelt(kind, plugin.name, name) for name in plugin.provides[kind]}
        return sorted(names)

    def spelt(self, kind: ComponentKind, plugin: str, name: str) -> str:
        """The name by which a pipeline writes the component `name` of a plugin."""
        if name in self._built_in(kind).provides[kind]:
            return f"{plugin}/{name}"
        return name if self._plain[kind].get(name, name) == plugin else f"{plugin}/{name}"

    # ---------------------------------------------------------------------------------------------------- plugins

    def plugins(self) -> list[Plugin]:
        """All installed plugins, sorted by name; none is imported."""
        return [plugin for name in sorted(self._plugins) for plugin in self._plugins[name]]

    def load(self, name: str) -> Plugin:
        """Imports and registers one plugin, once. Errors: ConfigError, PluginError; nothing of it stays registered."""
        if name in self._loaded:
            return self._loaded[name]
        if name in LIBRARIES:
            return self._library(name)
        same = self._plugins.get(name)
        if not same:
            raise ConfigError(f"there is no plugin {name!r}{suggest(name, [*self._plugins, *LIBRARIES])}")
        if name in self.off:
            raise ConfigError(f"plugin {name!r} ({same[0].distribution}) is switched off (--no-plugin, {OFF})")
        if len(same) > 1:
            who = " and ".join(f"{p.distribution} {p.version}" for p in same)
            if len({p.distribution for p in same}) == 1:
                lines = " and ".join(f"{name} = {p.entry.value}" for p in same)
                raise PluginError(f"the plugin name {name!r} is given twice by {same[0].distribution}: {lines}")
            raise PluginError(f"the plugin name {name!r} is given by {who}; uninstall one of them")
        plugin = same[0]
        self._loaded[name] = self._register(plugin, name)
        return plugin

    def load_all(self) -> dict[str, str]:
        """Imports every installed plugin that is not switched off; name -> why, for those that failed."""
        failures = {}
        for name in sorted(self._plugins.keys() - self.off):
            try:
                self.load(name)
            except (ConfigError, PluginError) as error:
                failures[name] = str(error)
        return failures

    def load_libraries(self) -> None:
        """Imports the libraries whose components go by their own names, which takes seconds. Errors: PluginError."""
        for name in LIBRARIES:
            self._library(name)

    def all_methods(self) -> tuple[dict[str, type[Any]], dict[str, str]]:
        """Every installed method by the name that a pipeline uses, and name -> why for the plugins that failed."""
        failures = self.load_all()
        return {name: self.get("methods", name) for name in self.names("methods")}, failures

    def loaded(self) -> dict[str, Plugin]:
        """The plugins that were named so far."""
        return dict(self._loaded)

    def blame(self, error: BaseException) -> str:
        """` (plugin 'acme' of acme-translate 1.2)` for the plugin whose code raised an error, the innermost of several;
        nothing where the code is this distribution's."""
        packages = {p.module.__name__.partition(".")[0]: p for p in self._loaded.values() if p.distribution != ENGINE}
        innermost, trail = None, error.__traceback__
        while trail:
            package = trail.tb_frame.f_globals.get("__name__", "").partition(".")[0]
            innermost = packages.get(package, innermost)
            trail = trail.tb_next
        if innermost is None:
            return ""
        return f" (plugin {innermost.name!r} of {innermost.distribution} {innermost.version})"

    def emit(self, event: str, **facts: Any) -> Any:
        """Calls the hook `translate_<event>` of the plugins that were named so far, and returns what it returns.

        Errors: PluginError naming the plugin whose hook raised.
        """
        caller = getattr(self.hook, f"translate_{event}")
        try:
            return caller(**facts)
        except (KeyboardInterrupt, Stopped):
            raise
        except BaseException as error:
            name = blame(caller, error)
            who: object = "a plugin" if name is None else self._loaded.get(name, f"plugin {name!r}")
            raise PluginError(f"{who} failed in {event}: {type(error).__name__}: {error}") from error

    # ---------------------------------------------------------------------------------------------------- private

    def _built_in(self, kind: ComponentKind) -> Plugin:
        """The engine's module of a kind, loaded and registered when the kind is first asked for."""
        module = BUILTINS[kind]
        if module not in self._built_ins:
            self._built_ins[module] = self._register(Plugin.built_in(kind), module)
        return self._built_ins[module]

    def _library(self, name: str) -> Plugin:
        """A library (see `discovery.LIBRARIES`). Names of this distribution go before a plugin of the same name."""
        if name not in self._libraries:
            self._libraries[name] = self._register(Plugin.library(name), LIBRARIES[name])
        return self._libraries[name]

    def _register(self, plugin: Plugin, name: str) -> Plugin:
        """Imports and checks a plugin, then adds its hooks to those that are called."""
        plugin.load(None if plugin.built_into_engine else self._trace)
        if plugin.provides.get("formats") and not plugin.built_into_engine:
            # Brings numpy, which most commands do without. The formats are in use in the whole process from here on.
            from translate.imaging.formats.of_plugins import register

            try:
                for kind in plugin.provides["formats"].values():
                    register(kind)
            except TypeError as error:
                raise PluginError(f"{plugin} cannot be registered: {error}") from None
        if not self._pm.is_registered(plugin.module):
            self._pm.register(plugin.module, name=name)
        return plugin

    def _find(self, kind: ComponentKind, name: str) -> tuple[type[Any], Plugin]:
        """The component of a name, and who provides it."""
        owner, slash, part = name.partition("/")
        if not slash:
            built_in = self._built_in(kind)
            if name in built_in.provides[kind]:
                return built_in.provides[kind][name], built_in
            owner, part = self._plain[kind].get(name, name), name
            if owner not in self._plugins and owner not in LIBRARIES:
                raise ConfigError(f"there is no {singular(kind)} {name!r}{self._near(kind, name)}")
        plugin = self.load(owner)
        if reason := _left_out(plugin).get(part) if owner in LIBRARIES else None:
            raise ConfigError(f"{name} has no place in a pipeline: it {reason}")
        if part not in plugin.provides[kind]:
            listed = "" if owner in LIBRARIES else f"; it provides {_provided(plugin)}"
            near = suggest(part, plugin.provides[kind]) or listed
            raise ConfigError(f"{plugin} provides no {singular(kind)} {part!r}{near}")
        return plugin.provides[kind][part], plugin

    def _near(self, kind: ComponentKind, name: str) -> str:
        """The name that was perhaps meant, else all names that there are."""
        known = [*self._built_in(kind).provides[kind], *self._plain[kind], *self._plugins]
        if near := self._in_library(kind, name) or suggest(name, known):
            return near
        return _listed(known if kind == "methods" else self.names(kind))

    def _in_library(self, kind: ComponentKind, name: str) -> str:
        """`; did you mean 'torch/NAdam'?` for `NAdam`; nothing where no library that is here has just that name."""
        if not name[:1].isupper():  # importing libraries takes seconds, and their names begin so
            return ""
        for library in LIBRARIES:
            with suppress(PluginError):
                plugin = self._library(library)
                if name in plugin.provides[kind] or (plugin.provides[kind] and name in _left_out(plugin)):
                    return f"; did you mean {f'{library}/{name}'!r}?"
        return ""


def _left_out(library: Plugin) -> Mapping[str, str]:
    """The names of a library that have no place in a pipeline, and why."""
    names: Mapping[str, str] = getattr(library.module, "LEFT_OUT", {})
    return names


def singular(kind: ComponentKind) -> str:
    """One component of this kind: `loss`, `network`."""
    return "loss" if kind == "losses" else kind.removesuffix("s").replace("_", " ")


def _listed(known: list[str]) -> str:
    return f"; there are {', '.join(sorted(known))}" if known else "; what there is goes by PLUGIN/NAME"


def _provided(plugin: Plugin) -> str:
    parts: list[str] = []
    for kind in KINDS:
        parts += [f"{singular(kind)} {plugin.name}/{name}" for name in plugin.provides[kind]]
    parts += [f"command {plugin.name}/{name}" for name in plugin.commands]
    return ", ".join(parts) or "nothing that a pipeline can name"


def _dotted(problem: Problem) -> str:
    return ".".join(map(str, problem.path)) + ": " if problem.path else ""
