"""Small pictures that go into a page of HTML."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np

from translate.imaging.io import encode, read
from translate.imaging.pixels import rounded

Array = np.ndarray[Any, Any]

QUALITY = 82


def data_uri(path: Path, longest: int) -> str:
    """An image file as a JPEG data URI, its longer side at most `longest` pixels. Errors: DataError."""
    pixels = shrink(read(path).shown(), longest)
    # WebP would take a tenth less room and ten times as long, a tenth of the time of a small folder.
    return "data:image/jpeg;base64," + base64.b64encode(encode(pixels, ".jpg", quality=QUALITY)).decode()


def shrink(pixels: Array, longest: int) -> Array:
    """H x W x C uint8, shrunk by a whole factor to at most `longest` pixels: each pixel the mean of a block."""
    height, width = pixels.shape[:2]
    factor = min(-(-max(height, width) // longest), height, width)
    if factor <= 1:
        return pixels
    rows, columns = height // factor, width // factor
    blocks = pixels[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, pixels.shape[2])
    return rounded(blocks.mean(axis=(1, 3)))
