"""Label maps: class indices as pixels, H x W. They are shown in the colours of a palette, and never interpolated."""

from __future__ import annotations

from typing import Any

import numpy as np

from translate.contracts import IGNORE
from translate.errors import DataError

Array = np.ndarray[Any, Any]


def check(labels: Array, classes: int, name: str) -> None:
    """Every pixel is a class below `classes`, or `IGNORE`. Errors: DataError, naming the map and its odd values."""
    values, counts = np.unique(labels, return_counts=True)
    odd = [(int(v), int(n)) for v, n in zip(values, counts, strict=True) if v >= classes and v != IGNORE]
    if odd:
        examples = ", ".join(f"{value} ({n:,} pixels)" for value, n in odd[:5])
        raise DataError(
            f"{name}: there are {classes} classes, 0 to {classes - 1}, and this label map holds {examples}; name all "
            "`classes`, and give the value that means none as `ignore`"
        )
