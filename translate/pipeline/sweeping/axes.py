"""The keys of a sweep with their values, `--sweep train.with.optimizer.lr=1e-4,2e-4`, and their combinations."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from translate.errors import ConfigError
from translate.pipeline.overlay import CHANGEABLE
from translate.text import suggest

MAX_CHILDREN = 200
"""The most runs of one sweep."""
_OPENING, _CLOSING, _QUOTES = "[{", "]}", "\"'"


@dataclass(frozen=True)
class Axis:
    """One key of a sweep as it was `written`, its `path` in the file, and its values as text."""

    written: str
    path: str
    values: tuple[str, ...]

    @property
    def last(self) -> str:
        """The last part of its name."""
        return self.written.rpartition(".")[2]


@dataclass(frozen=True)
class Child:
    """One run of a sweep: its values by key, and as texts for `--set`."""

    values: tuple[tuple[str, str], ...]
    sets: tuple[str, ...]

    @property
    def name(self) -> str:
        """`train.with.optimizer.lr=1e-4, seed=2`"""
        return ", ".join(f"{key}={value}" for key, value in self.values)


def axes_of(texts: Sequence[str], stages: Collection[str]) -> list[Axis]:
    """The axes of a sweep, from texts KEY=VALUE,VALUE. A key is a path as for `--set`, or one that begins with the name
    of a stage. Errors: ConfigError."""
    axes: list[Axis] = []
    for text in texts:
        key, equals, values = text.partition("=")
        key = key.strip()
        if not equals or not all(key.split(".")):
            raise ConfigError(
                f"--sweep {text}: write KEY=VALUE,VALUE, such as --sweep train.with.optimizer.lr=1e-4,2e-4"
            )
        first = key.partition(".")[0]
        if first not in CHANGEABLE and first not in stages:
            near = suggest(first, [*stages, *CHANGEABLE]) or f"; there are {', '.join(stages)}"
            raise ConfigError(f"--sweep {key}: there is no stage {first!r}{near}")
        axis = Axis(key, key if first in CHANGEABLE else f"stages.{key}", tuple(split(values)))
        if any(axis.path == other.path for other in axes):
            raise ConfigError(f"--sweep {key} is given twice; write all of its values behind one")
        if not all(axis.values):
            raise ConfigError(f"--sweep {text}: a value is missing")
        if twice := next((value for value in axis.values if axis.values.count(value) > 1), None):
            raise ConfigError(f"--sweep {text}: {twice} stands there twice")
        axes.append(axis)
    count = prod(len(axis.values) for axis in axes)
    if count > MAX_CHILDREN:
        raise ConfigError(f"--sweep: these are {count} runs; at most {MAX_CHILDREN} are allowed")
    return axes


def children(axes: Sequence[Axis]) -> list[Child]:
    """The combinations of all values; those of the last key change fastest."""
    runs = []
    for values in product(*(axis.values for axis in axes)):
        pairs = list(zip(axes, values, strict=True))
        named = tuple((axis.written, value) for axis, value in pairs)
        runs.append(Child(named, tuple(f"{axis.path}={value}" for axis, value in pairs)))
    return runs


def split(text: str) -> Iterator[str]:
    """The values between commas; those in brackets, braces and quotes belong to one value."""
    depth, quote, start = 0, "", 0
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in _QUOTES:
            quote = letter
        elif letter in _OPENING:
            depth += 1
        elif letter in _CLOSING:
            depth -= 1
        elif letter == "," and depth == 0:
            yield text[start:place].strip()
            start = place + 1
    yield text[start:].strip()
