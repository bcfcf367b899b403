"""Rows of a table, and the faults of rows, which are collected so that one message shows them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from translate.errors import DataError

SHOWN = 10
"""Faults that a message lists; it counts the rest."""


@dataclass(frozen=True)
class Embedded:
    """An image that lies in the table itself: what messages call it, and how its bytes are read (from any thread)."""

    origin: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Row:
    """A row: its `place` for messages (`data.csv:17`), its `cells` by column, and its `key` and `split`, where these do
    not follow from the cells.

    A cell is a text, a number, a list of these, an `Embedded` image, or None where it is empty.
    """

    place: str
    cells: Mapping[str, Any]
    key: str = ""
    split: str = ""


@dataclass(frozen=True)
class Rows:
    """A table: its file (or folder), the names of its columns, its rows in order, and the faults of rows that cannot be
    read. `classes` names the values of columns that hold numbers of classes; `images` are columns of images."""

    path: Path
    columns: tuple[str, ...]
    rows: Sequence[Row]
    faults: Sequence[str] = ()
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    images: frozenset[str] = frozenset()


def raise_faults(path: Path, faults: Sequence[str], rows: int) -> None:
    """Errors: DataError that lists the faults of a table of so many rows, where there are any."""
    if not faults:
        return
    more = f"\n  and {len(faults) - SHOWN:,} more" if len(faults) > SHOWN else ""
    listed = "".join(f"\n  {fault}" for fault in faults[:SHOWN])
    noun = "fault" if len(faults) == 1 else "faults"
    raise DataError(f"{path}: {len(faults):,} {noun} in {rows:,} rows:{listed}{more}")


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A mapping without mappings in it: `{"a": {"b": 1}}` becomes `{"a.b": 1}`."""
    cells: dict[str, Any] = {}
    for key, cell in value.items():
        if isinstance(cell, Mapping):
            cells |= flat(cell, f"{prefix}{key}.")
        else:
            cells[f"{prefix}{key}"] = cell
    return cells
