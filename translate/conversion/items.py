"""What travels through a conversion: an input with its names, what is left to do with it, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from translate.redact import redact

Row = Mapping[str, Any]
"""The results of an input, as a line of `results.jsonl` has them."""
Origin = Literal["new", "kept", "other"]
"""Says whether a row is this conversion's, an earlier one's, or that of an input which is not asked for now."""


@dataclass(frozen=True)
class Item:
    """One input: its `name` below the input folder, its `source`, and its `target` below the output folder.

    `reason` tells why it cannot be converted, known before it is read. `others` are further inputs of its own by name
    that are images, `values` those that are classes and vectors. `sample` is the number of its first answer, where the
    method draws: more than 0 for an input that is asked for again.
    """

    name: str
    source: Path
    target: str = ""
    reason: str = ""
    others: Mapping[str, Path] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    sample: int = 0


@dataclass(frozen=True)
class Entry:
    """An item; `row`: its results, where there is nothing left to do.

    `replace`: its output may take the place of a file that is there. `window`: the number of the group of images among
    which batches are made.
    """

    item: Item
    row: Row | None = None
    replace: bool = False
    origin: Origin = "new"
    window: int = 0


@dataclass(frozen=True)
class Outcome:
    """The row of an entry of a window, and the `files` that wait for their names: (scratch file, target)."""

    row: Row
    files: tuple[tuple[Path, Path], ...] = ()
    replace: bool = False
    origin: Origin = "new"
    window: int = 0


Engine = Callable[[Iterable[Sequence[Entry]]], Iterator[list[Outcome]]]
"""Does the work: an outcome of each entry, in any order within a window, those of a window before those of the next."""


def make_row(item: Item, status: str, reason: str | None = None, **more: Any) -> dict[str, Any]:
    """The results of an input: what is not in `more` is what an input without an output has."""
    return {
        "input": item.name,
        "output": None,
        "status": status,
        "reason": reason and redact(reason),
        "sha256": None,
        "source": None,
        "seconds": 0.0,
        **more,
    }


def listed(value: str | Sequence[str] | None) -> list[str]:
    """The outputs or the hashes of a row, which are one text, a list of several samples, or nothing."""
    return [value] if isinstance(value, str) else list(value or ())
