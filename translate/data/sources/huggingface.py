"""The source `huggingface`: a local folder as the library `datasets` lays it out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from translate.data.sources.listing import SPLIT_NAMES, on_disk, require_folder
from translate.data.sources.table import read_table
from translate.data.tables.columns import Column
from translate.data.tables.parquet import read_parquet
from translate.data.tables.rows import Row, Rows
from translate.data.tables.source import RowOptions, RowSource
from translate.errors import DataError
from translate.imaging.io import readable
from translate.storage.archives import files_below
from translate.storage.plain_text import composed

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_FILE_NAME = "file_name"
_WORDS = re.compile(r"[^a-z]+")


class HuggingFaceConfig(RowOptions):
    """Options of `huggingface`."""

    root: Path
    """Folder of a dataset: images in folders named after classes (`train/cat/1.png`), images beside a `metadata.csv`,
    `.jsonl` or `.parquet` with a column `file_name`, or Parquet files with the images in them."""


class HuggingFace(RowSource[HuggingFaceConfig]):
    """A local copy of a dataset from the Hugging Face Hub, or of one laid out for it. Nothing is downloaded.

    Without `columns` the sides are `image` and, where classes have names, `class`.
    """

    name = "huggingface"

    def place(self) -> str:
        return str(self.config.root)

    @property
    def base(self) -> Path:
        return Path()

    def table(self) -> Rows:
        require_folder(self.config.root)
        files = self._files
        tables = [file for file in files if file.suffix == ".parquet" and file.name not in METADATA]
        metadata = [file for file in files if file.name in METADATA]
        if tables:
            return self._of_parquet(tables)
        if metadata:
            return self._of_metadata(metadata)
        return self._of_folders()

    def columns(self) -> Mapping[str, Column]:
        if self.config.columns:
            return self.config.columns
        rows = self.rows
        images = [name for name in rows.columns if name in rows.images or name in (_FILE_NAME, "image")]
        if not images:
            return {}
        chosen = {"image": Column(column=images[0])}
        if rows.classes:
            chosen["class"] = Column(column=next(iter(rows.classes)))
        used = [name for column in chosen.values() for name in column.columns]
        if rest := [name for name in rows.columns if name not in used]:
            self._note(f"{self.place()}: columns that are not read: {', '.join(rest)}; name them in `columns`")
        return chosen

    def table_files(self) -> Iterable[Path]:
        return on_disk(file for file in self._files if file.suffix == ".parquet" or file.name in METADATA)

    @cached_property
    def _files(self) -> list[Path]:
        passed_over: list[str] = []
        files = list(files_below(self.config.root, passed_over))
        self._note_passed_over(self.config.root, passed_over)
        return files

    def _split(self, file: Path) -> str:
        """The split that a file belongs to, by a folder above it or by the beginning of its name."""
        *folders, name = file.relative_to(self.config.root).parts
        for part in (*folders, _WORDS.split(name.lower())[0]):
            if part.lower() in SPLIT_NAMES:
                return SPLIT_NAMES[part.lower()]
        return "train"

    def _of_parquet(self, files: list[Path]) -> Rows:
        splits: dict[str, list[Path]] = {}
        for file in files:
            splits.setdefault(self._split(file), []).append(file)
        return self._joined({split: read_parquet(of_split) for split, of_split in splits.items()}.items())

    def _of_metadata(self, files: list[Path]) -> Rows:
        tables = []
        for file in files:
            table = read_table(file)
            named = [name for name in table.columns if name.endswith(_FILE_NAME)]
            if not named:
                raise DataError(f"{file}: no column 'file_name'; there are {', '.join(table.columns) or 'none'}")
            rows = [_placed(row, named, file.parent) for row in table.rows]
            tables.append((self._split(file), replace(table, rows=rows)))
        return self._joined(tables)

    def _of_folders(self) -> Rows:
        """A row for each image, with its folder as its class."""
        rows = []
        for file in self._files:
            if file.suffix.lower() in readable():
                cells = {"image": str(file), "label": composed(file.parent.name)}
                *folders, _ = file.relative_to(self.config.root).parts
                inner = [name for name in folders if name.lower() not in SPLIT_NAMES]
                key = Path(*inner, file.stem).as_posix()
                rows.append(Row(str(file), cells, key, self._split(file)))
        if not rows:
            raise DataError(f"{self.place()}: no images, no metadata and no Parquet files")
        labels = sorted({row.cells["label"] for row in rows})
        flat = any(label.lower() in SPLIT_NAMES or label == self.config.root.name for label in labels)
        classes = {} if flat else {"label": tuple(labels)}
        return Rows(self.config.root, ("image",) if flat else ("image", "label"), rows, (), classes)

    def _joined(self, tables: Iterable[tuple[str, Rows]]) -> Rows:
        """The rows of all splits. Errors: DataError for splits of different columns."""
        first: Rows | None = None
        rows: list[Row] = []
        faults: list[str] = []
        for split, table in tables:
            first = first or table
            if set(table.columns) != set(first.columns):
                columns = f"{', '.join(table.columns)}; in {first.path}: {', '.join(first.columns)}"
                raise DataError(f"{table.path}: splits of different columns: {columns}")
            if table.classes != first.classes:
                raise DataError(f"{table.path}: other names of classes than in {first.path}")
            rows += [replace(row, split=split) for row in table.rows]
            faults += table.faults
        assert first is not None
        return Rows(self.config.root, first.columns, rows, faults, first.classes, first.images)


def _placed(row: Row, columns: Iterable[str], folder: Path) -> Row:
    """The row with the folder of its table before the files that it names; they name the row as before."""
    cells, key = dict(row.cells), ""
    for name in columns:
        file = row.cells.get(name)
        if isinstance(file, str):
            cells[name] = str(folder / file)
            key = key or PurePosixPath(file).with_suffix("").as_posix()
    return replace(row, cells=cells, key=key)
