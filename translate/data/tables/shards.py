"""Shards of webdataset: tar files in which the members `KEY.jpg`, `KEY.cls` and `KEY.json` are one sample."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from translate.data.tables.rows import Row, Rows, flat
from translate.errors import DataError
from translate.storage.archives import Archive, archive_at

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_TEXTS = ("cls", "txt", "text")
TEXT = 1 << 20
"""Bytes of a member that is read as text, at most."""
SHARDS = 100_000
"""The most shards that a pattern may stand for."""


def expanded(pattern: str) -> list[str]:
    """The names that a pattern stands for: `s-{000..002}.tar` is `s-000.tar`, `s-001.tar`, `s-002.tar`.

    Errors: DataError for a range that goes down, or stands for too many.
    """
    match = _RANGE.search(pattern)
    if match is None:
        return [pattern]
    first, last = match[1], match[2]
    count = int(last) - int(first) + 1
    if not 1 <= count <= SHARDS:
        raise DataError(f"{pattern}: {{{first}..{last}}} stands for {max(0, count):,} shards; 1 to {SHARDS:,} are read")
    names = [f"{pattern[: match.start()]}{int(first) + n:0{len(first)}}{pattern[match.end() :]}" for n in range(count)]
    return [name for each in names for name in expanded(each)]


def read_shards(shards: Iterable[Path], split: str) -> Rows:
    """A row for each sample; its columns are the suffixes of its members, and `json.NAME` for what a JSON holds.

    The key of a sample is that of its members, after the name of its shard where there are several.

    Errors: DataError for a shard that is absent or no tar archive.
    """
    paths = list(shards)
    rows: list[Row] = []
    faults: list[str] = []
    columns: dict[str, None] = {}
    for path in paths:
        place = archive_at(path) if path.is_file() else None
        if place is None:
            why = "no tar archive by its suffix" if path.is_file() else "no such shard"
            raise DataError(f"{path}: {why} (split {split!r})")
        prefix = f"{path.name.partition('.')[0]}/" if len(paths) > 1 else ""
        for key, members in _samples(place[0]):
            try:
                cells = _cells(place[0], members)
            except ValueError as error:
                faults.append(f"{path}: sample {key!r}: {error}")
                continue
            columns |= dict.fromkeys(cells)
            rows.append(Row(f"{path}: sample {key!r}", cells, prefix + key, split))
    return Rows(paths[0] if len(paths) == 1 else paths[0].parent, tuple(columns), rows, faults)


def _samples(archive: Archive) -> Iterator[tuple[str, dict[str, str]]]:
    """Keys, with the names of their members by suffix: all that follows the first dot of a file's name."""
    samples: dict[str, dict[str, str]] = {}
    for name in archive.members:
        path = PurePosixPath(name)
        stem, _, suffix = path.name.partition(".")
        if stem and suffix:
            samples.setdefault((path.parent / stem).as_posix(), {})[suffix.lower()] = name
    yield from samples.items()


def _cells(archive: Archive, members: dict[str, str]) -> dict[str, Any]:
    """Errors: ValueError in words, for a text that cannot be read."""
    cells: dict[str, Any] = {}
    for suffix, name in members.items():
        try:
            if suffix in _TEXTS:
                cells[suffix] = archive.read(name, TEXT).decode().strip() or None
            elif suffix == "json":
                content = json.loads(archive.read(name, TEXT))
                cells |= flat({"json": content})
            else:
                cells[suffix] = str(archive.path / name)
        except (ValueError, RecursionError, DataError) as error:
            raise ValueError(f"member {name!r}: {error}") from None
    return cells
