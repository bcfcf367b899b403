"""The source `table`: a CSV, JSON lines or Parquet file whose columns are sides."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from translate.data.sources.listing import on_disk
from translate.data.tables.columns import CellError
from translate.data.tables.parquet import read_parquet
from translate.data.tables.rows import Row, Rows
from translate.data.tables.source import RowOptions, RowSource, as_split
from translate.data.tables.text_tables import read_csv, read_json_lines
from translate.errors import DataError
from translate.storage.archives import file_exists
from translate.text import suggest

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
"""Suffixes of tables; they say which kind a file is."""


class TableConfig(RowOptions):
    """Options of `table`."""

    path: Path
    """The table: `.csv`, `.tsv`, `.jsonl`, `.ndjson` or `.parquet`, also in an archive."""
    root: Path | None = None
    """Folder or archive that files in the table are relative to; `null`: the table's own folder."""
    split: str | None = None
    """Column that names the split of a row: `train`, `val`, `test` and their synonyms; `null`: all rows are `train`."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """Sign between the cells of a CSV file: `;`, for one. Cells of a `.tsv` are parted by tabs."""


class TableSource(RowSource[TableConfig]):
    """A table with columns of files, classes and numbers, a row for each image or pair.

    Everything that is wrong with rows is collected, and named with file and line, before any image is read.
    """

    name = "table"

    def place(self) -> str:
        return str(self.config.path)

    @property
    def base(self) -> Path:
        return self.config.path.parent if self.config.root is None else self.config.root

    def table(self) -> Rows:
        path = self.config.path
        if not file_exists(path):
            there = [each.name for each in path.parent.glob("*") if each.suffix.lower() in SUFFIXES]
            raise DataError(f"{path}: no such table{suggest(path.name, there)}")
        rows = read_table(path, self.config.delimiter)
        split = self.config.split
        if split is not None and split not in rows.columns:
            hint = suggest(split, rows.columns) or f"; there are {', '.join(rows.columns) or 'none'}"
            raise DataError(f"{path}: no column {split!r} (`split`){hint}")
        if not rows.rows and not rows.faults:
            raise DataError(f"{path}: a table without rows")
        return rows

    def split_of(self, row: Row) -> str:
        if self.config.split is None:
            return "train"
        cell = row.cells.get(self.config.split)
        if cell in (None, ""):
            raise CellError(f"no value in column {self.config.split!r} (`split`)")
        return as_split(cell)

    def table_files(self) -> Iterable[Path]:
        return [self.config.path]


def read_table(path: Path, delimiter: str = ",") -> Rows:
    """The rows of a file by its suffix. Errors: DataError."""
    (file,) = on_disk([path])
    stat = file.stat()
    return _read(path, delimiter, (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))


# A pipeline asks a source for its facts several times before it reads an image.
@lru_cache(maxsize=8)
def _read(path: Path, delimiter: str, version: Any) -> Rows:
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return read_csv(path, "\t" if suffix == ".tsv" else delimiter)
    if suffix in (".jsonl", ".ndjson"):
        return read_json_lines(path)
    if suffix == ".parquet":
        return read_parquet([path])
    raise DataError(f"{path}: not a table by its suffix; tables end in {' '.join(SUFFIXES)}")
