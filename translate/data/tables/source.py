"""What sources of rows share: sides out of columns, splits out of a column, and faults that name their row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from translate.contracts import Class, Image, Labels, Record, Sides, SourceFacts, Vector
from translate.data.sources.folders import SPLITS, FileSource, Picking
from translate.data.sources.listing import SPLIT_NAMES, on_disk
from translate.data.tables.columns import CellError, Column, Loader, NamedColumn, SideColumn, side_of
from translate.data.tables.rows import Row, Rows, raise_faults
from translate.errors import DataError
from translate.text import suggest


class RowOptions(Picking):
    """Options of every source of rows."""

    columns: dict[str, NamedColumn] = {}
    """Sides by name, each a column or what is said of one: `{image: file, class: {column: kind, type: class}}`."""
    key: str | None = None
    """Column that names the images of a row within the dataset; `null` takes the name of the first image's file."""
    group: str | None = None
    """Column of what must not be torn apart by random splits, such as a patient; `null` for none."""
    together: bool = True
    """Whether the columns of one row show the same thing. False: each side is drawn by itself."""


R = TypeVar("R", bound=RowOptions)


@dataclass(frozen=True)
class _Entry:
    """One side of one row: what messages call it, its reader, and the row's group."""

    origin: str
    load: Loader
    group: str


class RowSource(FileSource[R]):
    """A source whose images, classes and numbers are the cells of rows."""

    @abstractmethod
    def table(self) -> Rows:
        """All rows of all splits. Errors: DataError."""

    @property
    @abstractmethod
    def base(self) -> Path:
        """The folder that files are relative to."""

    def columns(self) -> Mapping[str, Column]:
        """The sides by name, as the options have them. Errors: DataError where there is none."""
        return self.config.columns

    def split_of(self, row: Row) -> str:
        """The split of a row. Errors: CellError."""
        return row.split or "train"

    @cached_property
    def rows(self) -> Rows:
        """The table, read once."""
        return self.table()

    @cached_property
    def sides(self) -> Mapping[str, SideColumn]:
        """The sides by name, with their types. Errors: DataError."""
        columns = self.columns()
        if not columns:
            raise DataError(f"{self.place()}: name the `columns`: {{image: file}}; there are {self._names()}")
        try:
            return {
                name: SideColumn(name, side_of(name, each, self.rows), each, self.base)
                for name, each in columns.items()
            }
        except DataError:
            # What a side lacks may stand in a row that cannot be read: that is the mistake then.
            self._raise_faults(self.rows.faults)
            raise

    @cached_property
    def entries(self) -> Mapping[str, Mapping[str, Mapping[str, _Entry]]]:
        """Everything by split, side and key. Errors: DataError that lists the faults of rows."""
        for option in ("key", "group"):
            column = getattr(self.config, option)
            if column is not None and column not in self.rows.columns:
                hint = suggest(column, self.rows.columns) or f"; there are {self._names()}"
                raise DataError(f"{self.place()}: no column {column!r} (`{option}`){hint}")
        faults = list(self.rows.faults)
        entries: dict[str, dict[str, dict[str, _Entry]]] = {}
        places: dict[tuple[str, str, str], str] = {}
        for row in self.rows.rows:
            try:
                split, key, of_row = self._read(row)
            except CellError as error:
                faults.append(f"{row.place}: {error}")
                continue
            for side, entry in of_row.items():
                first = places.setdefault((split, side, key), row.place)
                if first != row.place:
                    faults.append(f"{row.place}: the name {key!r} again, as in {first}; give a column of `key`s")
                    break
                entries.setdefault(split, {}).setdefault(side, {})[key] = entry
        self._raise_faults(faults)
        return entries

    def _raise_faults(self, faults: Sequence[str]) -> None:
        """Errors: DataError that lists the faults, where there are any."""
        raise_faults(self.place_of_rows(), faults, len(self.rows.rows) + len(self.rows.faults))

    def place_of_rows(self) -> Path:
        """The file or folder that faults are said to be in."""
        return self.rows.path

    def available(self) -> tuple[str, ...]:
        named = [split for split in SPLITS if split in self.entries]
        return (*named, *(split for split in self.entries if split not in SPLITS))

    def facts(self) -> SourceFacts:
        splits = self.splits()
        types = {name: each.side for name, each in self.sides.items()}
        together = self._together()
        label = next((side for side in types.values() if isinstance(side, Labels)), Labels())
        pictures = {name for name, side in types.items() if not isinstance(side, Class | Vector)}
        whole = any(len(pictures) > 1 and pictures <= set(group) for group in together)
        pairs = frozenset(splits) if whole else frozenset()
        return SourceFacts(Sides(types, together), splits, pairs, label.classes, label.palette)

    def records(self, split: str) -> Iterator[Record]:
        for side in self.sides:
            of_side = self.entries[split].get(side, {})
            for key in self._pick(split, of_side):
                entry = of_side[key]
                yield Record(key, side, entry.origin, entry.load, entry.group)

    def inputs(self) -> Iterable[Path]:
        files: dict[Path, None] = dict.fromkeys(self.table_files())
        for row in self.rows.rows:
            for side in self.sides.values():
                if side.has(row):
                    files |= dict.fromkeys(side.files(row))
        return on_disk(files)

    @abstractmethod
    def table_files(self) -> Iterable[Path]:
        """The files that the rows come from."""

    def _names(self) -> str:
        return ", ".join(self.rows.columns) or "none"

    def _together(self) -> tuple[tuple[str, ...], ...]:
        """The sides that are about the same rows."""
        groups: dict[str, list[str]] = {}
        for name, side in self.sides.items():
            groups.setdefault(repr(sorted(side.column.where.items(), key=str)), []).append(name)
        if not self.config.together:
            return ()
        return tuple(tuple(group) for group in groups.values() if len(group) > 1)

    def _read(self, row: Row) -> tuple[str, str, dict[str, _Entry]]:
        """Split, key and entries by side of a row. Errors: CellError."""
        split = self.split_of(row)
        sides = [side for side in self.sides.values() if side.has(row)]
        key = self._key(row, sides) if sides else ""
        group = ""
        if self.config.group is not None:
            group = str(row.cells.get(self.config.group) or "")
            if not group:
                raise CellError(f"no value in column {self.config.group!r} (`group`)")
        entries = {}
        for side in sides:
            if cell := side.entry(row):
                origin, load = cell
                entries[side.name] = _Entry(origin, load, group)
        return split, key, entries

    def _key(self, row: Row, sides: Iterable[SideColumn]) -> str:
        if self.config.key is not None:
            cell = row.cells.get(self.config.key)
            if cell in (None, ""):
                raise CellError(f"no value in column {self.config.key!r} (`key`)")
            text = str(cell)
        elif row.key:
            text = row.key
        else:
            text = _name_of_file(row, sides)
        # Text, not paths: a table may have a million rows.
        parts = [part for part in text.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        if not parts:
            raise CellError(f"{text!r} cannot be the name of an image")
        return "/".join(parts)


def _name_of_file(row: Row, sides: Iterable[SideColumn]) -> str:
    """The path of the first image of a row without its suffix. Errors: CellError."""
    for side in sides:
        cell = row.cells.get(side.column.columns[0])
        if isinstance(side.side, Image | Labels) and isinstance(cell, str):
            folder, slash, name = cell.rpartition("/")
            stem = name.rpartition(".")[0] or name
            return f"{folder}{slash}{stem}"
    place = row.place.rpartition(":")[2].strip()
    return f"row-{place}" if place.isdigit() else place


def as_split(word: object) -> str:
    """The split that a word means: `validation` and `dev` are `val`. Errors: CellError for any other."""
    name = SPLIT_NAMES.get(str(word).strip().lower())
    if name is None:
        known = ", ".join(SPLIT_NAMES)
        raise CellError(f"no split {str(word)!r}{suggest(word, SPLIT_NAMES) or f'; splits are called {known}'}")
    return name
