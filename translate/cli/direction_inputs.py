"""Further inputs and options of a direction, as a command line has them: `--with NAME=VALUE` and `--set NAME=VALUE`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from translate.contracts import Class, Image, Vector
from translate.errors import ConfigError
from translate.imaging.convert import as_image
from translate.inference.directions import check_value
from translate.inference.translator import Translator
from translate.pipeline.yamlfile import compose
from translate.storage.plain_text import on_disk_as
from translate.text import suggest

WITH, SET = "exemplar=hat.png", "steps=50"
"""Examples of the two options, for messages."""

Pairs = Sequence[tuple[str, str]]
"""Names and values of a command line, in their order."""


def direction_inputs(
    translator: Translator, direction: str | None, others: Pairs, settings: Pairs
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The further inputs and the options of a direction, by name.

    Inputs that are images are read; classes and numbers may be given by `--set`, too. Errors: ConfigError, DataError.
    """
    route = translator.route(direction)
    types = route.types
    inputs: dict[str, Any] = {}
    for name, value in others:
        if name not in route.others:
            there = suggest(name, route.others) or f"; its further inputs are {', '.join(route.others) or 'none'}"
            raise ConfigError(f"--with {name}={value}: direction {route.name!r} has no further input {name!r}{there}")
        inputs[name] = value if isinstance(types.get(name), Class | Vector) else as_image(on_disk_as(Path(value)))
    options: dict[str, Any] = {}
    for name, value in settings:
        if isinstance(types.get(name), Class | Vector):
            inputs[name] = value
        else:
            options[name] = _value(value, name)
    for name, given in inputs.items():
        check_value(name, types.get(name, Image()), given)
    return inputs, options


def pairs(option: str, texts: Iterable[str], example: str) -> Pairs:
    """The names and values of `--with` or `--set`. Errors: ConfigError for a text without `=`."""
    result = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ConfigError(f"{option} {text}: write NAME=VALUE, such as {option} {example}")
        result.append((name, value))
    return result


def _value(text: str, name: str) -> Any:
    """A value as YAML reads it: `50`, `1e-3`, `true`, `[1, 2]`, `blond`. Errors: ConfigError."""
    node = compose(text, f"--set {name}")
    return None if node is None else node.plain()
