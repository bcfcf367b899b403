"""Descriptions of plugins and, without training them, of methods: for `plugins` and `methods`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from translate.contracts import Class, DataKind, DataSpec, Method, Side, Sides, Use, Vector
from translate.errors import TranslateError
from translate.plugins.discovery import ENGINE, Plugin, builtins
from translate.plugins.options import models, show
from translate.plugins.ranges import range_of
from translate.plugins.registry import Registry, singular
from translate.plugins.shapes import KINDS
from translate.version import __version__

CHANNELS = 3
SIZE = 256
EXAMPLE_CLASSES = ("background", "object")


def describe_method(registry: Registry, name: str) -> dict[str, Any]:
    """A method as plain data: who provides it, data kind, directions, default networks with trainable parameters (for
    three channels), players, losses with default weights, and options. Errors: ConfigError, PluginError."""
    method = registry.get("methods", name)
    provider = registry.provider("methods", name)
    networks, problem = _networks(method, registry)
    return {
        "name": name,
        "about": about(method),
        "distribution": provider["distribution"],
        "version": provider["version"],
        "plugin": provider["plugin"],
        "revision": method.revision,
        "data": Sides.of(method.data).to_json(),
        "sides": Sides.of(method.data).in_words(),
        "directions": {
            key: {"inputs": list(d.inputs), "output": d.output, "scale": d.scale}
            for key, d in method.directions.items()
        },
        "networks": networks,
        "problem": problem,
        "players": {player: list(nets) for player, nets in method.players.items()},
        "losses": dict(method.losses),
        "options": list(options(method.Config)),
    }


def describe_plugin(registry: Registry, plugin: Plugin) -> dict[str, Any]:
    """A plugin as plain data, once `registry` has tried to load it: who provides it, where its code lies, what it
    provides with the options of each, the hooks that it implements. `error` is left to those who tried."""
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.entry.value,
        "file": _file(plugin),
        "off": plugin.name in registry.off,
        "seconds": None if plugin.seconds is None else round(plugin.seconds, 4),
        "hooks": list(plugin.hooks),
        "provides": _provided(registry, plugin),
    }


def describe_builtins() -> dict[str, Any]:
    """The engine's own components, in the form of `describe_plugin`. Imports all of them."""
    return {
        "name": "translate",
        "distribution": ENGINE,
        "version": __version__,
        "module": "translate",
        "file": str(Path(__file__).parents[1]),
        "off": False,
        "seconds": None,
        "hooks": [],
        "provides": {kind: _components(dict(sorted(builtins(kind).items()))) for kind in KINDS},
    }


def _provided(registry: Registry, plugin: Plugin) -> dict[str, list[dict[str, Any]]]:
    """What a plugin provides by kind, with the names that pipelines and the command line use."""
    provided = {}
    for kind, classes in plugin.provides.items():
        if classes:
            spelt = {registry.spelt(kind, plugin.name, name): each for name, each in sorted(classes.items())}
            provided[str(kind)] = _components(spelt)
    if plugin.commands:
        provided["commands"] = [
            {
                "name": name if name == plugin.name else f"{plugin.name}/{name}",
                "about": command.get_short_help_str(200),
                "class": f"{type(command).__module__}.{type(command).__qualname__}",
                "revision": 1,
                "options": [],
                "options_about": "",
            }
            for name, command in sorted(plugin.commands.items())
        ]
    return provided


def about(component: type[Any]) -> str:
    """The first paragraph of a class's own docstring."""
    return inspect.cleandoc(component.__doc__ or "").partition("\n\n")[0]


def _components(classes: Mapping[str, type[Any]]) -> list[dict[str, Any]]:
    return [_component(name, each) for name, each in classes.items()]


def _component(name: str, component: type[Any]) -> dict[str, Any]:
    return {
        "name": name,
        "about": about(component),
        "class": f"{component.__module__}.{component.__qualname__}",
        "revision": component.revision,
        "options": list(options(component.Config)),
        "options_about": inspect.cleandoc(component.Config.__dict__.get("__doc__") or ""),
    }


def _file(plugin: Plugin) -> str | None:
    """The file of a plugin's module, without importing it or what holds it; None where there is none."""
    package, *rest = plugin.entry.module.split(".")
    with suppress(ImportError, ValueError):
        spec = find_spec(package)
        if spec and spec.origin and not rest:
            return spec.origin
        for place in (spec.submodule_search_locations if spec else None) or ():
            inside = Path(place, *rest)
            for file in (inside.with_suffix(".py"), inside / "__init__.py"):
                if file.is_file():
                    return str(file)
    return None


def _networks(method: type[Method[Any]], registry: Registry) -> tuple[dict[str, dict[str, Any]], str | None]:
    """The default networks of a method by name with their trainable parameters; or why they could not be built."""
    # This brings torch, which most commands do without.
    from translate.networks import network_builder, parameters_by_network

    spec = example_spec(method.data)
    try:
        counts = parameters_by_network(method, spec, network_builder(registry))
    except TranslateError as error:
        return {}, str(error)
    except Exception as error:
        return {}, f"{type(error).__name__}: {error}"
    return {name: {"uses": uses, "parameters": count} for name, (uses, count) in counts.items() if count}, None


def example_spec(data: DataKind | Sides) -> DataSpec:
    """Data of these sides as most have it: images of three channels, two classes, one number."""
    declared = Sides.of(data)
    filled: dict[str, Side] = {}
    for name, side in declared.types.items():
        if isinstance(side, Class) and not side.names:
            filled[name] = Class(EXAMPLE_CLASSES, side.optional)
        elif isinstance(side, Vector) and side.size is None:
            filled[name] = Vector(1, (), side.optional)
    channels = {name: getattr(side, "channels", None) or CHANNELS for name, side in declared.types.items()}
    return DataSpec(declared.filled(**filled), channels, (SIZE, SIZE), EXAMPLE_CLASSES, ((0, 0, 0), (255, 255, 255)))


def options(config: type[BaseModel], prefix: str = "", defaults: BaseModel | None = None) -> Iterator[dict[str, Any]]:
    """Every option with type, range, default and words, those of a nested model after it: `objective.uses`.

    Of models that a file chooses among by their `uses`, those of each stand once, below its name: `steps.blur.sigma`.
    `defaults` has the values that count, where they are not those of the model itself.
    """
    chosen: set[type[BaseModel]] = set()
    for field_name, field in config.model_fields.items():
        if field_name == "uses" and _choice(config):
            continue
        name = f"{prefix}{field.alias or field_name}"
        missing = defaults is None and field.is_required()
        value = _default(field_name, field, defaults)
        plain = _written(value)
        yield {
            "name": name,
            "type": _kind(field.annotation),
            "range": range_of(field),
            "required": missing,
            "default": plain if _plain(plain) else show(plain),
            "about": field.description or "",
        }
        for model in models(field.annotation):
            if issubclass(model, Use) or model is config or model in chosen:
                continue
            if choice := _choice(model):
                chosen.add(model)
                yield from options(model, f"{name}.{choice}.")
            else:
                yield from options(model, f"{name}.", value if isinstance(value, model) else None)


def _choice(model: type[BaseModel]) -> str:
    """What `uses` says where this model is meant among several (`uses: Literal["blur"]`); empty for other models."""
    field = model.model_fields.get("uses")
    return str(get_args(field.annotation)[0]) if field and get_origin(field.annotation) is Literal else ""


def _written(value: Any) -> Any:
    """A default as a file would write it; models within lists with those of their options alone that are given."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple | list) and any(isinstance(item, BaseModel) for item in value):
        return [item.model_dump(mode="json", exclude_unset=True) for item in value]
    return value


def _default(name: str, field: FieldInfo, defaults: BaseModel | None) -> Any:
    """The value of an option that a file leaves out; None where it must not."""
    if defaults is not None:
        return getattr(defaults, name)
    return None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})


def _kind(annotation: Any) -> str:
    """A type as a person would name it: `int`, `batch | instance | none`, `network`, `list of metric`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin in (Union, UnionType):
        return " | ".join("none" if each is type(None) else _kind(each) for each in arguments)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin is tuple and arguments[1:] != (...,):
        return f"[{', '.join(map(_kind, arguments))}]"
    if origin in (tuple, list, set, frozenset):
        return f"list of {_kind(arguments[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping of {_kind(arguments[1])}"
    if not isinstance(annotation, type):
        return str(annotation).replace("typing.", "")
    if issubclass(annotation, Use):
        return singular(annotation.kind)
    if issubclass(annotation, BaseModel):
        return _choice(annotation) or "mapping"
    return annotation.__name__.lower()


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool | dict | list | tuple)
