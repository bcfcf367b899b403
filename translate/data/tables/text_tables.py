"""Tables as text: CSV with a line of names first, and JSON with an object per line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from translate.data.sources.listing import read_text
from translate.data.tables.rows import Row, Rows, flat
from translate.errors import DataError
from translate.storage.plain_text import composed
from translate.text import examples


def read_csv(path: Path, delimiter: str = ",") -> Rows:
    """The rows of a CSV file; an empty cell is None. A row of another number of cells than the header is a fault.

    Errors: DataError for a file that is no such table, with its line.
    """
    lines = _csv_lines(path, read_text(path), delimiter)
    first = next(lines, None)
    if first is None:
        raise DataError(f"{path}: an empty table; its first line names the columns")
    columns = tuple(name.strip() for name in first[1])
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise DataError(f"{path}:1: two columns are called {examples(twice)}")
    rows, faults = [], []
    for line, cells in lines:
        if len(cells) != len(columns):
            faults.append(f"{path}:{line}: {len(cells)} cells, and the header names {len(columns)} columns")
            continue
        values = {column: cell.strip() or None for column, cell in zip(columns, cells, strict=True)}
        rows.append(Row(f"{path}:{line}", values))
    return Rows(path, columns, rows, faults)


def _csv_lines(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, each with the number of the line on which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise DataError(f"{path}:{line}: not a line of CSV: {error}") from None
        if cells is None:
            return
        if cells:
            yield line, cells
        line = reader.line_num + 1


def read_json_lines(path: Path) -> Rows:
    """The rows of a file with a JSON object per line; objects within objects become columns like `box.width`.

    What an object lacks is None. A line that is no object is a fault. Errors: DataError.
    """
    rows: list[Row] = []
    faults: list[str] = []
    columns: dict[str, None] = {}
    for line, text in enumerate(read_text(path).split("\n"), 1):
        if not text.strip():
            continue
        try:
            cells = _object(text)
        except ValueError as error:
            faults.append(f"{path}:{line}: {error}")
            continue
        columns |= dict.fromkeys(cells)
        rows.append(Row(f"{path}:{line}", cells))
    if not rows and not faults:
        raise DataError(f"{path}: an empty table; it holds a JSON object per line")
    complete = [Row(row.place, {column: row.cells.get(column) for column in columns}) for row in rows]
    return Rows(path, tuple(columns), complete, faults)


def _object(text: str) -> dict[str, Any]:
    """Errors: ValueError in words."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a line of JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object is due, and this is a {type(value).__name__}")
    return {composed(name): composed(cell) if isinstance(cell, str) else cell for name, cell in flat(value).items()}
