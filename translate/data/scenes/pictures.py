"""The pictures of one key: their sizes, what is wrong with them, and how transforms and tiles take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from translate.contracts import Frames, Image, Labels, Record, Side, SourceFacts
from translate.contracts.sides import side_in_words
from translate.data.label_maps.indices import check as check_indices
from translate.data.loading.resolution import reduced_by
from translate.errors import DataError
from translate.imaging.image import Bands
from translate.imaging.pixels import over_white

Array = np.ndarray[Any, Any]

Group = Mapping[str, Record]
"""The records of one key that are read together, by side: all sides of joined data, or one side."""

Sizes = Mapping[str, tuple[int, int]]
"""(height, width) by side."""


def size_of(array: Array) -> tuple[int, int]:
    """(height, width) of an image H x W x C, of a label map H x W, or of frames F x H x W x C."""
    height, width = array.shape[-3:-1] if array.ndim > 2 else array.shape
    return height, width


def check_loaded(
    arrays: Mapping[str, Array], records: Mapping[str, Record], types: Mapping[str, Side], facts: SourceFacts
) -> None:
    """Errors: DataError for what a source gave that is not of the type of its side."""
    for side, array in arrays.items():
        kind, origin = types[side], records[side].origin
        axes = 4 if isinstance(kind, Frames) else 3
        if not isinstance(array, np.ndarray) or array.ndim != axes:
            raise DataError(
                f"{origin}: side {side!r} is {side_in_words(kind)}, and the source gave {_described(array)}"
            )
        if isinstance(kind, Frames) and len(array) != kind.count:
            raise DataError(f"{origin}: side {side!r} has {kind.count} frames, and these are {len(array)}")
        if isinstance(kind, Labels):
            check_indices(array, len(kind.classes or facts.classes), origin)


def check_sizes(sizes: Sizes, after: Sizes, records: Group, types: Mapping[str, Side]) -> None:
    """Errors: DataError for pictures of one key of several `sizes`, or, where there are transforms, of several sizes
    `after` them. Images of low resolution count as enlarged."""
    if len({*(after or sizes).values()}) == 1:
        return
    said = []
    for side, (height, width) in sizes.items():
        became = ", {1} x {0} after the transforms".format(*after[side]) if after else ""
        if (times := reduced_by(types[side])) > 1:
            became = f", which is {width // times} x {height // times} times {times}{became}"
        said.append(f"{records[side].origin} ({width} x {height}{became})")
    if any(reduced_by(types[side]) > 1 for side in sizes):
        raise DataError(f"a pair of two sizes: {' and '.join(said)}; state another `scale`, or leave such pairs out")
    height, width = min(sizes.values())
    raise DataError(
        f"a pair of two sizes: {' and '.join(said)}; add a resize to `transforms`, such as `{{uses: resize, size: "
        f"[{height}, {width}]}}`, or leave such pairs out"
    )


def _described(value: Any) -> str:
    return f"an array of {value.ndim} axes" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def for_transforms(array: Array, side: Side) -> Array:
    """A label map H x W; an image without transparency, which two or four channels have unless they are bands."""
    if isinstance(side, Labels):
        return array[..., 0]
    bands = isinstance(array, Bands) or (isinstance(side, Image) and side.channels == array.shape[-1])
    if bands or array.ndim != 3 or array.shape[2] not in (2, 4):
        return array.view(np.ndarray)
    return over_white(array[..., :-1], array[..., -1])
