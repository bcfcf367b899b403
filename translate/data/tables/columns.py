"""Columns of a table as sides of data: their types, declared or found out, and how a cell becomes an image, a class or
numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, field_validator

from translate.contracts import IGNORE, Class, Frames, Image, Labels, Side, Vector
from translate.data.label_maps.options import LabelOptions, check_codes
from translate.data.label_maps.reading import decode_labels, read_labels
from translate.data.tables.rows import Embedded, Row, Rows
from translate.errors import DataError
from translate.imaging.io import as_samples, decode, read, readable
from translate.imaging.palette import default_palette
from translate.storage.archives import archive_at, file_exists
from translate.storage.plain_text import composed, on_disk_as
from translate.text import examples, suggest

Loader = Callable[[], Any]
Scalar = str | int | float | bool

SAMPLE = 1000
"""Cells that are looked at to find out what a column holds."""


class Column(LabelOptions):
    """A column of a table, or several, as a side of the data."""

    column: str | tuple[str, ...]
    """Name of the column; for a vector or frames also several: `[left, right]`."""
    type: Literal["image", "labels", "class", "vector", "frames"] | None = None
    """Type of the side; `null` finds it out from the cells: names of image files, words (a class), lists of numbers (a
    vector). Plain numbers may be either, and need it stated."""
    names: tuple[str, ...] = ()
    """Classes in the order of their index, of a class or of a label map; empty takes those of a class from its column,
    sorted."""
    optional: bool = False
    """Whether cells may be empty: of a class, a vector or a label map."""
    where: dict[str, Scalar] = {}
    """Rows that belong to this side, by the value of other columns: `{species: horse}`; empty: all rows."""

    @field_validator("names", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return [composed(str(each)) for each in value] if isinstance(value, list | tuple) else value

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns."""
        return (self.column,) if isinstance(self.column, str) else self.column


def _as_column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


NamedColumn = Annotated[Column, BeforeValidator(_as_column, json_schema_input_type=str | Column)]
"""A column as options name it: its name alone, or all that is said of it."""


class CellError(Exception):
    """What is wrong with a cell, in words that follow the place of its row."""


@dataclass(frozen=True)
class SideColumn:
    """A side of a table: its `name` and type, the option behind it, and the folder that files are relative to."""

    name: str
    side: Side
    column: Column
    base: Path

    def has(self, row: Row) -> bool:
        """Whether a row is one of those that the side is about."""
        return _chosen(self.column, row)

    def entry(self, row: Row) -> tuple[str, Loader] | None:
        """What messages call the cell of a row, and its reader; None for an empty cell where that may be.

        Errors: CellError.
        """
        cells = [row.cells.get(column) for column in self.column.columns]
        unknown = isinstance(self.side, Class) and cells[0] == -1  # how Hugging Face writes a class that is not known
        if unknown or all(cell is None or cell == "" for cell in cells):
            if self.side.optional:
                return None
            raise CellError(f"no value in column {examples(self.column.columns)} (side {self.name!r})")
        if isinstance(self.side, Class):
            index = self._class(cells[0], self.side.names)
            return row.place, lambda: index
        if isinstance(self.side, Vector):
            numbers = self._numbers(cells, self.side)
            return row.place, lambda: numbers
        if isinstance(self.side, Frames):
            files = cells[0] if len(cells) == 1 else cells
            return row.place, self._frames(files, self.side.count, row.place)
        return self._picture(cells[0])

    def files(self, row: Row) -> Iterator[Path]:
        """The files that the cells of a row name."""
        if isinstance(self.side, Class | Vector):
            return
        for column in self.column.columns:
            cell = row.cells.get(column)
            for part in cell if isinstance(cell, list) else [cell]:
                if isinstance(part, str):
                    yield self._place(part)

    def _class(self, cell: Any, names: Sequence[str]) -> int:
        word = _word(cell)
        if word in names:
            return names.index(word)
        if word.isdigit() and int(word) < len(names):
            return int(word)
        if word.lstrip("-").isdigit():
            raise CellError(f"class {word} in column {self.column.columns[0]!r}; there are {len(names)}, from 0")
        hint = suggest(word, names) or f"; there are {', '.join(names)}"
        raise CellError(f"no class {word!r} for side {self.name!r}{hint}")

    def _numbers(self, cells: Sequence[Any], side: Vector) -> list[float]:
        parts = _list(cells[0]) if len(cells) == 1 else cells
        numbers = [self._number(part) for part in parts]
        if len(numbers) != side.size:
            raise CellError(f"{len(numbers)} numbers for side {self.name!r}, where the first row has {side.size}")
        return numbers

    def _number(self, cell: Any) -> float:
        try:
            number = float("x" if cell is None or isinstance(cell, bool) else cell)
        except (TypeError, ValueError):
            raise CellError(f"{_word(cell)!r} in column {examples(self.column.columns)} is no number") from None
        if not math.isfinite(number):
            raise CellError(f"{number} in column {examples(self.column.columns)} is no finite number")
        return number

    def _picture(self, cell: Any) -> tuple[str, Loader]:
        labels = isinstance(self.side, Labels)
        if isinstance(cell, Embedded):
            return cell.origin, lambda: self._decoded(cell)
        path = self._path(cell)
        if labels:
            return str(path), lambda: read_labels(path, self.column, len(self.column.names))
        return str(path), lambda: as_samples(read(path), str(path))

    def _decoded(self, cell: Embedded) -> Any:
        if isinstance(self.side, Labels):
            return decode_labels(cell.read(), cell.origin, self.column, len(self.column.names))
        return as_samples(decode(cell.read(), cell.origin), cell.origin)

    def _path(self, cell: Any) -> Path:
        """Errors: CellError for a file that is not there."""
        if not isinstance(cell, str):
            raise CellError(f"{cell!r} for side {self.name!r} names no file")
        if "://" in cell:
            raise CellError(f"{cell!r} is an address; download the files, and give their paths")
        path = self._place(cell)
        if file_exists(path):
            return path
        if place := archive_at(path):
            archive, name = place
            raise CellError(f"archive {archive.path} has no member {name!r}{suggest(name, archive.members)}")
        raise CellError(f"no file {path}")

    def _place(self, cell: str) -> Path:
        """Where the file of a cell lies, also where the cell has the backslashes of Windows, or é as one letter and the
        disk as two."""
        path = on_disk_as(self.base / cell)
        if "\\" in cell and not file_exists(path):
            return on_disk_as(self.base / cell.replace("\\", "/"))
        return path

    def _frames(self, files: Any, count: int, place: str) -> Loader:
        if not isinstance(files, list) or len(files) != count:
            number = len(files) if isinstance(files, list) else 1
            raise CellError(f"{number} frames for side {self.name!r}, where the first row has {count}")
        loaders = [self._picture(file)[1] for file in files]

        def load() -> Any:
            frames = [load_one() for load_one in loaders]
            shapes = sorted({frame.shape for frame in frames})
            if len(shapes) > 1:
                raise DataError(f"{place}: frames of one row differ in size or channels: {shapes[0]} and {shapes[-1]}")
            return np.stack(frames)

        return load


def side_of(name: str, column: Column, rows: Rows) -> Side:
    """The type of a side, with the names of its classes or its size. Errors: DataError."""
    for wanted in (*column.columns, *column.where):
        if wanted not in rows.columns:
            hint = suggest(wanted, rows.columns) or f"; there are {', '.join(rows.columns) or 'none'}"
            raise DataError(f"{rows.path}: no column {wanted!r} (side {name!r}){hint}")
    _check_chosen(name, column, rows)
    cells = _cells(column, rows)
    kind = column.type or _kind(name, column, rows, cells)
    if kind not in ("vector", "frames") and len(column.columns) > 1:
        raise DataError(
            f"{rows.path}: side {name!r} of type {kind} has one column, and {len(column.columns)} are given"
        )
    if column.optional and kind in ("image", "frames"):
        raise DataError(f"{rows.path}: side {name!r} holds images, which cannot be `optional`")
    if kind == "labels":
        return _labels(name, column, rows)
    if kind == "class":
        names = column.names or rows.classes.get(column.columns[0], ()) or _found_names(cells)
        if len(names) < 2 or len(set(names)) < len(names):
            listed = ", ".join(names) or "none"
            raise DataError(f"{rows.path}: side {name!r} needs two or more classes of different names, not: {listed}")
        return Class(names, column.optional)
    if kind == "vector":
        several = len(column.columns) > 1
        size = len(column.columns) if several else len(_list(cells[0])) if cells else 1
        return Vector(size, column.columns if several else (), column.optional)
    if kind == "frames":
        return Frames(len(column.columns) if len(column.columns) > 1 else len(_list(cells[0])) if cells else 1)
    return Image()


def _chosen(column: Column, row: Row) -> bool:
    """Whether `where` chooses a row."""
    return all(_word(row.cells.get(key)) == _word(value) for key, value in column.where.items())


def _check_chosen(name: str, column: Column, rows: Rows) -> None:
    """Errors: DataError where `where` chooses no row at all."""
    if not column.where or not rows.rows or any(_chosen(column, row) for row in rows.rows):
        return
    for key, value in column.where.items():
        words = sorted({_word(row.cells.get(key)) for row in rows.rows})
        if _word(value) not in words:
            hint = suggest(_word(value), words) or f"; there are {examples(words)}"
            raise DataError(f"{rows.path}: column {key!r} has no {_word(value)!r} (`where` of side {name!r}){hint}")
    wanted = " and ".join(f"{_word(value)!r} in {key!r}" for key, value in column.where.items())
    raise DataError(f"{rows.path}: no row has {wanted} (`where` of side {name!r})")


def _labels(name: str, column: Column, rows: Rows) -> Labels:
    if not 2 <= len(column.names) <= IGNORE:
        raise DataError(
            f"{rows.path}: side {name!r} is a label map and needs the names of its classes, `names: [sky, road]`"
        )
    if column.palette and len(column.palette) < len(column.names):
        raise DataError(f"{rows.path}: {len(column.palette)} colours for {len(column.names)} classes of side {name!r}")
    check_codes(column, len(column.names), f"{rows.path}: side {name!r}")
    palette = (column.palette or default_palette(len(column.names)))[: len(column.names)]
    return Labels(column.names, palette, column.optional)


def _cells(column: Column, rows: Rows) -> list[Any]:
    """The cells of the first column that are not empty."""
    first = column.columns[0]
    return [row.cells[first] for row in rows.rows if row.cells.get(first) not in (None, "")]


def _kind(name: str, column: Column, rows: Rows, cells: Sequence[Any]) -> str:
    """What a column holds. Errors: DataError where its cells do not tell."""
    first = column.columns[0]
    if first in rows.images:
        return "image"
    if first in rows.classes:
        return "class"
    sample = cells[:SAMPLE]
    if not sample:
        raise DataError(f"{rows.path}: column {first!r} of side {name!r} is empty")
    if len(column.columns) > 1 or any(isinstance(cell, list) for cell in sample):
        named = all(_names_image(part) for cell in sample for part in (cell if isinstance(cell, list) else [cell]))
        return "frames" if named else "vector"
    if any(_names_image(cell) for cell in sample):
        return "image"
    if any(_is_number(cell) for cell in sample):
        raise DataError(
            f"{rows.path}: column {first!r} holds numbers; state `type: vector` or `type: class` for side {name!r}"
        )
    return "class"


def _found_names(cells: Sequence[Any]) -> tuple[str, ...]:
    words = {_word(cell) for cell in cells}
    if all(word.isdigit() for word in words):
        return tuple(sorted(words, key=int))
    return tuple(sorted(words))


def _names_image(cell: Any) -> bool:
    return isinstance(cell, str) and cell.lower().endswith(readable())


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return not isinstance(cell, bool)


def _word(cell: Any) -> str:
    """A cell as text: whole numbers without a point, truth values as JSON has them."""
    if isinstance(cell, bool):
        return str(cell).lower()
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else composed(str(cell))


def _list(cell: Any) -> list[Any]:
    """The parts of a cell: a list, also one written as JSON, or the cell alone."""
    if isinstance(cell, str) and cell.startswith("["):
        try:
            cell = json.loads(cell)
        except ValueError:
            return [cell]
    return list(cell) if isinstance(cell, list | tuple) else [cell]
