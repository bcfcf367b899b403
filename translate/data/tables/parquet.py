"""Parquet tables, with the images that Hugging Face keeps in them (`{bytes, path}`) and the names of its classes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from translate.data.tables.rows import Embedded, Row, Rows, flat
from translate.errors import DataError


def read_parquet(files: Sequence[Path]) -> Rows:
    """The rows of one Parquet file, or of several with the same columns, one after the other.

    Images stay in the file until they are read. Rows are counted from 1 in messages. The key of a row is its place:
    `train-00000-of-00002/000017`, and `000017` in a single file.

    Errors: DataError for a file that is no Parquet, or whose columns differ from those of the first.
    """
    tables = [_table(file) for file in files]
    first = tables[0]
    rows: list[Row] = []
    for file, table in zip(files, tables, strict=True):
        if table.columns != first.columns or table.classes != first.classes:
            raise DataError(f"{file}: its columns ({', '.join(table.columns)}) differ from those of {files[0]}")
        prefix = f"{file.stem}/" if len(files) > 1 else ""
        rows += [Row(row.place, row.cells, prefix + row.key) for row in table.rows]
    return Rows(files[0] if len(files) == 1 else files[0].parent, first.columns, rows, (), first.classes, first.images)


def _table(file: Path) -> Rows:
    try:
        opened = _opened(file)
        schema = opened.schema_arrow
        images = frozenset(field.name for field in schema if _is_image(field.type))
        plain = [field.name for field in schema if field.name not in images]
        columns = opened.read(columns=plain).to_pydict()
        groups = [opened.metadata.row_group(number).num_rows for number in range(opened.num_row_groups)]
    except (OSError, ValueError, NotImplementedError) as error:  # pyarrow's own errors are kinds of these
        raise DataError(f"{file}: cannot be read as Parquet: {error}") from None
    rows = []
    for number, (group, index) in enumerate(_places(groups)):
        place = f"{file}: row {number + 1}"
        cells: dict[str, Any] = {}
        for name in schema.names:
            if name in images:
                cells[name] = _embedded(file, group, index, name, f"{place}, column {name!r}")
            else:
                cells |= flat({name: columns[name][number]})
        rows.append(Row(place, cells, f"{number:06d}"))
    # Structs have become several columns; those of the first row are those of all.
    names = tuple(rows[0].cells) if rows else tuple(schema.names)
    return Rows(file, names, rows, (), _classes(schema.metadata or {}), images)


def _opened(file: Path) -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise DataError(f"{file}: Parquet needs the package pyarrow: `pip install pyarrow`") from None
    return parquet.ParquetFile(file)


def _is_image(kind: Any) -> bool:
    """Whether a column holds images: bytes, or a struct of bytes and path."""
    from pyarrow import types

    if types.is_struct(kind):
        return any(kind.field(n).name == "bytes" for n in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _classes(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """The names of classes by column, as the library `datasets` writes them into the schema; none where it did not."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        named = {name: feature["names"] for name, feature in features.items() if feature.get("_type") == "ClassLabel"}
        return {name: tuple(str(each) for each in names) for name, names in named.items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _places(groups: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Row group and place within it, of every row."""
    for group, count in enumerate(groups):
        for index in range(count):
            yield group, index


def _embedded(file: Path, group: int, index: int, column: str, origin: str) -> Embedded:
    def read() -> bytes:
        try:
            cell = _column_of_group(file, file.stat().st_mtime_ns, group, column)[index].as_py()
        except (OSError, ValueError) as error:
            raise DataError(f"{origin}: {error}") from None
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if not data:
            named = cell.get("path") if isinstance(cell, dict) else None
            where = f"; it only names {named!r}" if named else ""
            raise DataError(f"{origin}: the table holds no bytes of this image{where}")
        return bytes(data)

    return Embedded(origin, read)


# Keys are in the order of rows, so that threads that read ahead ask for the same group or its neighbour.
@lru_cache(maxsize=4)
def _column_of_group(file: Path, version: int, group: int, column: str) -> Any:
    return _opened(file).read_row_group(group, columns=[column]).column(0)
