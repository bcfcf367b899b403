"""Pixels that hold no data: what networks see in their place, and how they come out.

A file names one value (GDAL_NODATA; in floats often NaN) that stands for none; a pixel holds no data where all its
bands have it. Networks see the nearest pixel that holds some there, so that a border of no data is no edge for them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from translate.imaging.image import Image
from translate.imaging.pixels import top

Array = np.ndarray[Any, Any]


def holds_none(image: Image) -> Array | None:
    """The pixels without data, H x W; None where there are none."""
    value = image.metadata.nodata if image.metadata else None
    if value is None or image.mode == "palette":
        return None
    floats = image.pixels.dtype.kind == "f"
    if np.isnan(value):
        if not floats:
            return None
        equal = np.isnan(image.pixels)
    else:
        with np.errstate(over="ignore"):
            equal = image.pixels == (np.float32(value) if floats else value)
    none: Array = np.all(equal, axis=2)
    return none if none.any() else None


def filled(image: Image) -> Image:
    """The image with the nearest data in the place of none (black where there is nothing else)."""
    none = holds_none(image)
    if none is None:
        return image
    if none.all():
        return replace(image, pixels=np.zeros_like(image.pixels))
    import cv2  # late: few images have pixels without data

    # Labels of the nearest pixel that is 0, here: one with data; each such pixel has a label of its own.
    _, labels = cv2.distanceTransformWithLabels(
        none.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    of_label = np.zeros((labels.max() + 1, 2), np.int64)
    rows, columns = np.nonzero(~none)
    of_label[labels[rows, columns]] = np.stack([rows, columns], axis=1)
    nearest = of_label[labels[none]]
    pixels = image.pixels.copy()
    pixels[none] = image.pixels[nearest[:, 0], nearest[:, 1]]
    return replace(image, pixels=pixels)


def with_none(output: Image, image: Image, scale: int) -> Image:
    """An output of an image, `scale` times as large, with no data where the image has none; nowhere else, where a pixel
    would be taken for that it becomes one step brighter (white: darker)."""
    value = image.metadata.nodata if image.metadata else None
    dtype = output.pixels.dtype
    if value is None or output.mode == "palette" or not _fits(value, dtype):
        return output
    none = holds_none(image)
    none = np.zeros(output.pixels.shape[:2], bool) if none is None else none.repeat(scale, 0).repeat(scale, 1)
    pixels = output.pixels.copy()
    if dtype.kind != "f":
        taken = (pixels == int(value)).all(axis=2) & ~none
        pixels[taken] = int(value) + (1 if value < top(dtype) else -1)
    pixels[none] = value
    return replace(output, pixels=pixels)


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    """Whether a sample type has a value."""
    if dtype.kind == "f":
        return True
    return float(value).is_integer() and 0 <= value <= top(dtype)
