"""The signature of a model for MLflow: columns of a request and of its answer, and parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic.errors import PydanticUserError

from translate.contracts import Config, Image, Route

IMAGE = "image"
"""The column of the image that is converted, and of the image that it becomes, whatever a method calls them."""
OUTPUT = "output"
"""The column of an answer that is no picture: the name of a class, or numbers."""
PICTURES = ("image", "labels")
_TYPES: Mapping[str, str] = {"number": "double", "integer": "long", "boolean": "boolean", "string": "string"}
"""The parameters that MLflow knows, by the types of JSON."""


def signature(routes: Mapping[str, Route], options: Mapping[str, type[Config]]) -> dict[str, list[dict[str, Any]]]:
    """`inputs`, `outputs` and `params` as MLflow writes them. `options` are those of each direction."""
    outputs = {output_column(routes[name]): True for name in list(routes)[:1]}
    for route in routes.values():
        for name in (output_column(route), *route.further):
            outputs.setdefault(name, False)
    return {
        "inputs": [_column(name, needed) for name, needed in _inputs(routes).items()],
        "outputs": [_column(name, needed and len(routes) == 1) for name, needed in outputs.items()],
        "params": list(_params(routes, options)),
    }


def output_column(route: Route) -> str:
    """The column of the main output of a direction."""
    return IMAGE if route.output in PICTURES else OUTPUT


def _inputs(routes: Mapping[str, Route]) -> dict[str, bool]:
    """The columns of all directions, with True for those that every direction needs; `image` comes first."""
    columns = {IMAGE: all(route.main for route in routes.values())}
    names = dict.fromkeys(name for route in routes.values() for name in route.others)
    for name in names:
        columns[name] = all(name in route.others for route in routes.values())
    return columns


def _column(name: str, needed: bool) -> dict[str, Any]:
    # Text may be absent, and may be bytes or an array in Python: MLflow looks at the type of the column alone.
    return {"type": "string", "name": name, "required": needed}


def _params(routes: Mapping[str, Route], options: Mapping[str, type[Config]]) -> Iterator[dict[str, Any]]:
    yield _param("direction", "string", next(iter(routes)))
    yield _param("seed", "long", 0)
    found: dict[str, dict[str, Any]] = {}
    for kind in options.values():
        for name, entry in _schema(kind).items():
            if name in ("direction", "seed") or entry.get("type") not in _TYPES:
                continue
            param = _param(name, _TYPES[entry["type"]], entry.get("default"))
            if found.setdefault(name, param)["default"] != param["default"]:
                found[name]["default"] = None  # each direction has its own
    yield from found.values()


def _schema(options: type[Config]) -> Mapping[str, Any]:
    """What JSON knows of the options of a direction; nothing where a plugin's own type has no words in it."""
    try:
        properties: Mapping[str, Any] = options.model_json_schema().get("properties", {})
    except PydanticUserError:
        return {}
    return properties


def _param(name: str, kind: str, default: Any) -> dict[str, Any]:
    return {"name": name, "default": default, "shape": None, "type": kind}


def is_picture(route: Route, name: str) -> bool:
    """Whether an input is given as the file of an image: it is no class and no row of numbers."""
    return route.types.get(name, Image()).type not in ("class", "vector")
