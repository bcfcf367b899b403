"""The classes and vectors that outputs were asked for, kept beside them for metrics: `values.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from translate.contracts import Class, Route
from translate.inference.directions import class_index
from translate.storage.atomic import write_json

VALUES = "values.json"


def write_values(folder: Path, route: Route, by_key: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes what the output of each key was asked for: by input and key, a class as its index. Nothing: no file."""
    values: dict[str, dict[str, Any]] = {}
    for key, inputs in by_key.items():
        for name, value in inputs.items():
            kind = route.types[name]
            plain = class_index(name, kind, value) if isinstance(kind, Class) else list(value)
            values.setdefault(name, {})[key] = plain
    if values:
        write_json(folder / VALUES, values)


def read_values(folder: Path) -> dict[str, dict[str, Any]]:
    """What `write_values` wrote: by input and key; empty where nothing was asked for."""
    path = folder / VALUES
    values: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return values
