"""Images as datasets hold them: plain arrays of the colours that networks see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from translate.errors import DataError
from translate.imaging.appearance.handling import of_data
from translate.imaging.appearance.look import as_training_image
from translate.imaging.appearance.nodata import holds_none
from translate.imaging.formats.samples import exact_floats
from translate.imaging.guarded import read
from translate.imaging.image import Bands, Image

Array = np.ndarray[Any, Any]


def read_samples(path: Path) -> Array:
    """An image as datasets hold them: H x W x C, uint8, uint16 or float32; C is 1 (grey), 3 (RGB), 2 or 4, whose last
    channel is alpha, or any number of `Bands`, over white where the file has alpha. Errors: DataError.

    uint32 becomes float32 as far as that is exact.
    """
    return as_samples(read(path), str(path))


def as_samples(image: Image, name: str) -> Array:
    """The array of an image that was read, as `read_samples` gives it; `name` is what errors call it."""
    if image.pixels.dtype.kind == "f" and (none := holds_none(image)) is not None:
        raise DataError(
            f"{name}: {int(none.sum()):,} of {none.size:,} pixels hold no data (GDAL_NODATA), which no loss knows what "
            "to do with: fill them in (gdal_fillnodata), or cut the image to where there is data"
        )
    image = as_training_image(image, of_data())
    if image.bits == 32 and image.pixels.dtype.kind == "u":
        image = replace(image, pixels=exact_floats(image.over_white(), name), alpha=None)
    return image.over_white().view(Bands) if image.mode == "bands" else image.array
