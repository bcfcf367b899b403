"""Further inputs and options of a direction, as a command line has them: `--with NAME=VALUE` and `--set NAME=VALUE`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from translate.contracts import Class, Vector
from translate.errors import ConfigError
from translate.imaging.convert import as_image
from translate.inference.translator import Translator
from translate.pipeline.yamlfile import compose


def direction_inputs(
    translator: Translator, direction: str | None, others: Iterable[str], settings: Iterable[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The further inputs and the options of a direction, by name.

    Inputs that are images are read; classes and numbers may be given by `--set`, too. Errors: ConfigError, DataError.
    """
    types = translator.route(direction).types
    inputs: dict[str, Any] = {}
    for name, value in _pairs("--with", others, "exemplar=hat.png"):
        inputs[name] = value if isinstance(types.get(name), Class | Vector) else as_image(Path(value))
    options: dict[str, Any] = {}
    for name, value in _pairs("--set", settings, "steps=50"):
        if isinstance(types.get(name), Class | Vector):
            inputs[name] = value
        else:
            options[name] = _value(value, name)
    return inputs, options


def _pairs(option: str, texts: Iterable[str], example: str) -> Iterator[tuple[str, str]]:
    """The names and values. Errors: ConfigError for a text without `=`."""
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ConfigError(f"{option} {text}: write NAME=VALUE, such as {option} {example}")
        yield name, value


def _value(text: str, name: str) -> Any:
    """A value as YAML reads it: `50`, `1e-3`, `true`, `[1, 2]`, `blond`. Errors: ConfigError."""
    node = compose(text, f"--set {name}")
    return None if node is None else node.plain()
