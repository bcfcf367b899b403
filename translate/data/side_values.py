"""Classes and vectors as records give them, checked against what their side declares."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from translate.contracts import Class, Record, Side, Vector
from translate.errors import DataError
from translate.text import suggest


def checked_value(side: Side, record: Record) -> int | list[float]:
    """The index of a class, or the numbers of a vector. Errors: DataError naming the record's origin."""
    value = record.load()
    if isinstance(side, Class):
        return _class(side, value, record)
    assert isinstance(side, Vector)
    return _vector(side, value, record)


def _class(side: Class, value: Any, record: Record) -> int:
    names = side.names
    if isinstance(value, str):
        if value not in names:
            there = suggest(value, names) or f"; there are {', '.join(names)}"
            raise DataError(f"{record.origin}: side {record.side!r} has no class {value!r}{there}")
        return names.index(value)
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise DataError(f"{record.origin}: side {record.side!r} takes a class by name or by index, not {value!r}")
    index = int(value)
    if not 0 <= index < len(names):
        raise DataError(
            f"{record.origin}: class {index} on side {record.side!r}, which has {len(names)} classes, "
            f"0 to {len(names) - 1}: {', '.join(names)}"
        )
    return index


def _vector(side: Vector, value: Any, record: Record) -> list[float]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise DataError(f"{record.origin}: side {record.side!r} takes a row of numbers, not {value!r}")
    numbers = list(value)
    if wrong := [each for each in numbers if not isinstance(each, Real) or not math.isfinite(each)]:
        raise DataError(f"{record.origin}: side {record.side!r} takes finite numbers, and one is {wrong[0]!r}")
    if side.size is not None and len(numbers) != side.size:
        raise DataError(f"{record.origin}: {len(numbers)} numbers on side {record.side!r}, which takes {side.size}")
    return [float(each) for each in numbers]
