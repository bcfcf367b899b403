"""TIFF of any number of channels, 8, 16 and 32 bits and float32, read and written without loss (by tifffile)."""

from __future__ import annotations

import logging
from io import BytesIO
from typing import Any

import numpy as np

from translate.errors import DataError
from translate.imaging.formats.tiff_directory import Directory
from translate.imaging.image import Image
from translate.imaging.pixels import top, unmultiplied

Array = np.ndarray[Any, Any]


def decode_tiff(data: bytes, tiff: Directory, name: str) -> tuple[Array, Array | None]:
    """The pixels, H x W x C as they are stored (not turned upright), and the alpha, H x W, of a `plain` TIFF.

    Errors: DataError for float samples outside [0, 1]; nearly anything for damaged files.
    """
    import tifffile  # late: it takes a tenth of a second, and most images are no TIFF

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it has to say, it raises as well
    height, width, samples = tiff.one("height"), tiff.one("width"), tiff.samples
    planar = tiff.one("planar", 1)  # 1: pixel after pixel; 2: channel after channel
    with tifffile.TiffFile(BytesIO(data)) as file:
        page = file.pages.first
        tiled = "tile_" * ("tile_offsets" in tiff.tags)
        stated = tuple(tiff.tags[f"{tiled}{tag}"] for tag in ("offsets", "counts"))
        shape = (page.imagelength, page.imagewidth, page.samplesperpixel, int(page.planarconfig))
        # The checks were made with our reading of the directory. Where tifffile reads another, parts of the array would
        # stay as the memory was.
        if stated != (page.dataoffsets, page.databytecounts) or shape != (height, width, samples, planar):
            raise ValueError("its directory can be read in two ways")
        stored = page.asarray(maxworkers=1)
    if planar == 2:
        stored = np.moveaxis(stored.reshape(samples, height, width), 0, 2)
    array = stored.reshape(height, width, samples)
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    if tiff.float:
        _check_range(array, name)
    base = samples - len(tiff.extras)
    if tiff.one("photometric") == 0:  # 0 is white
        array[..., :base] = top(array.dtype) - array[..., :base] if tiff.float else ~array[..., :base]
    if tiff.alpha is None:
        return array, None
    alpha = np.ascontiguousarray(array[..., tiff.alpha])
    pixels = np.delete(array, tiff.alpha, axis=2)
    if tiff.extras[tiff.alpha - base] == 1:  # associated alpha: the colours are stored times it
        pixels[..., :base] = unmultiplied(pixels[..., :base], alpha)
    return pixels, alpha


def _check_range(array: Array, name: str) -> None:
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise DataError(f"{name}: float samples that are NaN or infinite; they must lie in [0, 1]: replace them")
    if low < 0 or high > 1:
        raise DataError(
            f"{name}: float samples from {low:g} to {high:g}; they must lie in [0, 1]: divide by the largest value "
            "that your data can have, the same for all images"
        )


def encode_tiff(image: Image) -> bytes:
    """The bytes of a TIFF of the image's own sample type, deflated; bands are stored as grey and further samples."""
    import tifffile

    array, channels = image.array, image.pixels.shape[2]
    colour = channels == 3 and image.mode != "bands"
    extras = [0] * (channels - (3 if colour else 1)) + ([2] if image.alpha is not None else [])
    out = BytesIO()
    with tifffile.TiffWriter(out, byteorder="<") as file:
        file.write(
            array if array.shape[2] > 1 else array[..., 0],
            photometric="rgb" if colour else "minisblack",
            planarconfig="contig" if array.shape[2] > 1 else None,
            extrasamples=extras or None,
            compression="zlib",
            predictor=True,
            iccprofile=image.icc,
            metadata=None,
            software=False,
        )
    return out.getvalue()
