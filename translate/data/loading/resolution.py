"""Images of low resolution beside those of high: they go through the transforms as large ones.

Each pixel becomes a square, so that a crop or a flip is one geometry for both, and what the transforms leave is made
small again exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from translate.contracts import Image, Side
from translate.errors import DataError

Array = np.ndarray[Any, Any]


def reduced_by(side: Side) -> int:
    """How many times smaller the images of a side are than those that they belong with."""
    return (side.reduced or 1) if isinstance(side, Image) else 1


def repeated(image: Array, times: int) -> Array:
    """An image H x W x C in which every pixel is a square of `times` x `times`."""
    # No interpolation: pixels that a filter had mixed could not be told apart again.
    return image if times == 1 else image.repeat(times, 0).repeat(times, 1)


def reduced(image: Array, times: int) -> Array:
    """The image that `repeated` was given. Errors: DataError where some square is not of one colour, since a transform
    cut through it or blended it."""
    if times == 1:
        return image
    height, width = image.shape[:2]
    small = image[::times, ::times]
    # The first pixel of each square stands for it only where all of the square are equal.
    if height % times or width % times or not np.array_equal(repeated(small, times), image):
        raise DataError(
            f"the transforms do not keep pixels of the low resolution whole, each of which is {times} x {times} pixels "
            f"of the high one: crop by `{{uses: random-crop, size: ..., multiple: {times}}}` to a multiple of {times}, "
            "and leave out what resizes, turns by angles, or adds noise"
        )
    return small
