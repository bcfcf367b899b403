"""What there is to know about a method without training it: for `translate methods`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from translate.contracts import SIDES, DataSpec, Method
from translate.errors import TranslateError
from translate.plugins.options import show
from translate.plugins.registry import Registry

CHANNELS = 3
SIZE = 256


def describe_method(registry: Registry, name: str) -> dict[str, Any]:
    """A method as plain data: who provides it, data kind, directions, default networks with trainable parameters (for
    three channels), players, losses with default weights, and options. Errors: ConfigError, PluginError."""
    method = registry.get("methods", name)
    provider = registry.provider("methods", name)
    networks, problem = _networks(method, registry)
    return {
        "name": name,
        "about": (inspect.getdoc(method) or "").partition("\n\n")[0],
        "distribution": provider["distribution"],
        "version": provider["version"],
        "plugin": provider["plugin"],
        "revision": method.revision,
        "data": method.data,
        "directions": {
            key: {"inputs": list(d.inputs), "output": d.output, "scale": d.scale}
            for key, d in method.directions.items()
        },
        "networks": networks,
        "problem": problem,
        "players": {player: list(nets) for player, nets in method.players.items()},
        "losses": dict(method.losses),
        "options": list(_options(method.Config)),
    }


def _networks(method: type[Method[Any]], registry: Registry) -> tuple[dict[str, dict[str, Any]], str | None]:
    """The default networks by name, built without memory for their weights; or why they could not be built."""
    import torch

    from translate.networks import count_parameters

    sides = SIDES[method.data]
    classes, colours = ("background", "object"), ((0, 0, 0), (255, 255, 255))
    spec = DataSpec(method.data, dict.fromkeys(sides, CHANNELS), (SIZE, SIZE), classes, colours)
    try:
        instance = method(method.Config(), spec, dict(method.losses))
        with torch.device("meta"):
            nets = instance.networks(registry.builder())
        counts = {name: (getattr(type(net), "name", ""), count_parameters(net)) for name, net in nets.items()}
    except TranslateError as error:
        return {}, str(error)
    except Exception as error:
        return {}, f"{type(error).__name__}: {error}"
    return {name: {"uses": uses, "parameters": count} for name, (uses, count) in counts.items() if count}, None


def _options(config: type[BaseModel]) -> Iterator[dict[str, Any]]:
    for name, field in config.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        if isinstance(default, BaseModel):
            default = default.model_dump(mode="json")
        yield {
            "name": field.alias or name,
            "type": _kind(field.annotation),
            "required": field.is_required(),
            "default": None if field.is_required() else default if _plain(default) else show(default),
            "about": field.description or "",
        }


def _kind(annotation: Any) -> str:
    """A type as a person would name it: `int`, `batch | instance | none`."""
    if get_origin(annotation) is Literal:
        return " | ".join(map(str, get_args(annotation)))
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join("none" if each is type(None) else _kind(each) for each in get_args(annotation))
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool | dict | list | tuple)
