"""The source `webdataset`: shards of samples, read where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from pydantic import field_validator

from translate.data.tables.columns import Column
from translate.data.tables.rows import Row, Rows
from translate.data.tables.shards import expanded, read_shards
from translate.data.tables.source import RowOptions, RowSource
from translate.errors import DataError
from translate.imaging.io import readable

Patterns = tuple[str, ...]


class WebDatasetConfig(RowOptions):
    """Options of `webdataset`."""

    shards: dict[str, Patterns]
    """Shards of each split: `{train: "shards-{0000..0009}.tar", val: [a.tar, b.tar]}`; without names of splits all are
    `train`: `"shards-{0000..0009}.tar"`."""

    @field_validator("shards", mode="before")
    @classmethod
    def _by_split(cls, value: object) -> object:
        splits = value if isinstance(value, dict) else {"train": value}
        return {split: [of] if isinstance(of, str) else of for split, of in splits.items()}


class WebDataset(RowSource[WebDatasetConfig]):
    """Tar shards as the library `webdataset` writes them: members of one name and several suffixes are a sample.

    A column is called like the suffix: `{image: jpg, class: cls, age: {column: json.age, type: vector}}`. Without
    `columns` the sides are `image` and, where samples have a `cls`, `class`.
    """

    name = "webdataset"

    def place(self) -> str:
        return next((patterns[0] for patterns in self.config.shards.values() if patterns), "webdataset")

    @property
    def base(self) -> Path:
        return Path()

    def table(self) -> Rows:
        tables = [read_shards(paths, split) for split, paths in self._shards.items()]
        rows: list[Row] = []
        faults: list[str] = []
        columns: dict[str, None] = {}
        for table in tables:
            rows += table.rows
            faults += table.faults
            columns |= dict.fromkeys(table.columns)
        if not rows and not faults:
            raise DataError(f"{self.place()}: the shards hold no samples")
        return Rows(tables[0].path, tuple(columns), rows, faults)

    def columns(self) -> Mapping[str, Column]:
        if self.config.columns:
            return self.config.columns
        images = [name for name in self.rows.columns if f".{name}".endswith(readable())]
        chosen = {"image": Column(column=images[0])} if images else {}
        if "cls" in self.rows.columns:
            chosen["class"] = Column(column="cls", type="class")
        return chosen

    def table_files(self) -> Iterable[Path]:
        return [path for paths in self._shards.values() for path in paths]

    @cached_property
    def _shards(self) -> Mapping[str, list[Path]]:
        """Errors: DataError for a split without shards."""
        shards = {}
        for split, patterns in self.config.shards.items():
            shards[split] = [Path(name) for pattern in patterns for name in expanded(pattern)]
            if not shards[split]:
                raise DataError(f"split {split!r} has no shards")
        return shards
