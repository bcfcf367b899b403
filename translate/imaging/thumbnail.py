"""Small pictures that go into a page of HTML."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from translate.imaging.io import encode, read
from translate.imaging.pixels import rounded

Array = np.ndarray[Any, Any]

QUALITY = 82
SMALL = 128
"""Pixels of the longer side up to which a picture is a PNG: it is shown enlarged, where JPEG's blocks would show."""


@dataclass(frozen=True)
class Thumbnail:
    """An encoded picture, and its size in pixels."""

    data: bytes
    suffix: str
    width: int
    height: int

    @property
    def uri(self) -> str:
        """The picture as a `data:` address."""
        kind = {".png": "png", ".jpg": "jpeg"}[self.suffix]
        return f"data:image/{kind};base64," + base64.b64encode(self.data).decode()

    @property
    def is_small(self) -> bool:
        """Whether a page shows it enlarged."""
        return max(self.width, self.height) <= SMALL


def data_uri(path: Path, longest: int) -> str:
    """An image file as a JPEG data URI, its longer side at most `longest` pixels. Errors: DataError."""
    return _encoded(shrink(read(path).shown(), longest), ".jpg").uri


def thumbnail(path: Path, longest: int) -> Thumbnail:
    """An image file, its longer side at most `longest` pixels; a small one without loss. Errors: DataError."""
    pixels = shrink(read(path).shown(), longest)
    return _encoded(pixels, ".png" if max(pixels.shape[:2]) <= SMALL else ".jpg")


def _encoded(pixels: Array, suffix: str) -> Thumbnail:
    height, width = pixels.shape[:2]
    # WebP would take a tenth less room and ten times as long, a tenth of the time of a small folder.
    return Thumbnail(encode(pixels, suffix, quality=QUALITY), suffix, width, height)


def shrink(pixels: Array, longest: int) -> Array:
    """H x W x C uint8, shrunk by a whole factor to at most `longest` pixels: each pixel the mean of a block."""
    height, width = pixels.shape[:2]
    factor = min(-(-max(height, width) // longest), height, width)
    if factor <= 1:
        return pixels
    rows, columns = height // factor, width // factor
    blocks = pixels[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, pixels.shape[2])
    return rounded(blocks.mean(axis=(1, 3)))
