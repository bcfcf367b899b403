"""The way around the networks: images as the networks see them, and outputs in the values that the image had.

Whole images, batches and strips all pass through here, so that alpha and white are treated alike in them.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from translate.imaging.appearance.handling import Handling
from translate.imaging.appearance.look import Look
from translate.imaging.appearance.transparency import without_paper
from translate.imaging.convert import Array, Ranges, check_unit, resize, to_array, to_tensor
from translate.imaging.io import Image
from translate.imaging.pixels import in_steps, over_white, top

FLOAT = np.dtype(np.float32)


def seen_by_networks(image: Image, handling: Handling, ranges: Ranges | None) -> Tensor:
    """An image as the networks see it, 1 x C x H x W in [-1, 1]; `ranges` are those of the side that plays the input.

    Errors: DataError (floats outside [0, 1] that have no range).
    """
    on_paper = image.alpha is not None and handling.alpha == "over-white"
    look = Look(image, handling)
    if ranges is not None or look.plain:
        return to_tensor(image.over_white() if on_paper else image.pixels, ranges)
    if look.white is None:
        check_unit(image.pixels)
    colours = look.colours(image.pixels)
    if on_paper and image.alpha is not None:
        colours = over_white(colours, _opacity(image.alpha))
    return to_tensor(colours)


class Restorer:
    """Gives an output of the networks the values of the `image` that was translated. The output is `scale` times as
    large, or the image's size repeated `tiles` times down and across.

    `alpha` is the image's in the size of the output, or None.
    """

    def __init__(self, image: Image, handling: Handling, scale: int = 1, tiles: tuple[int, int] = (1, 1)) -> None:
        self._pixels, self._look = image.pixels, Look(image, handling)
        height, width = image.pixels.shape[:2]
        # For each row and column of the output the one of the image that lies there.
        self._rows = np.tile(np.arange(height).repeat(scale), tiles[0])
        self._columns = np.tile(np.arange(width).repeat(scale), tiles[1])
        self.alpha = None if image.alpha is None else np.tile(image.alpha, tiles)
        if self.alpha is not None and scale != 1:
            size = len(self._rows), len(self._columns)
            self.alpha = to_array(resize(to_tensor(self.alpha[..., None]), size), self.alpha.dtype)[..., 0]
        self._paper = self.alpha if handling.alpha == "over-white" else None

    def rows(self, strip: Tensor, first: int = 0) -> Array:
        """Rows of an output from `first` on, 1 x C x rows x W in [-1, 1], as rows x W x C of the image's type."""
        dtype = self._pixels.dtype
        if self._look.plain and self._paper is None:
            return to_array(strip, dtype)
        output = to_array(strip, FLOAT)
        last = first + len(output)
        pixels = self._pixels[self._rows[first:last]][:, self._columns]
        alpha = None if self._paper is None else self._paper[first:last]
        if self._look.plain and alpha is not None:
            return in_steps(without_paper(output, pixels, alpha), dtype)
        if alpha is not None:
            output = without_paper(output, self._look.colours(pixels), _opacity(alpha))
        return self._look.values(output, pixels)


def _opacity(alpha: Array) -> Array:
    """Alpha of any type as float32 in [0, 1]."""
    opacity: Array = (alpha / np.float64(top(alpha.dtype))).astype(FLOAT)
    return opacity
