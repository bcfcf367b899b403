"""Images with known values, and readers of other libraries: nothing here is read or written by `translate`."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

Array = np.ndarray[Any, Any]

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def noise(height: int = 48, width: int = 64, channels: int = 3, dtype: type = np.uint8, seed: int = 0) -> Array:
    """An image of random values over the whole range of its type, [0, 1] for floats."""
    values = np.random.default_rng(seed).random((height, width, channels))
    if np.issubdtype(dtype, np.integer):
        values = values * np.iinfo(dtype).max
    return values.astype(dtype)[..., 0] if channels == 1 else values.astype(dtype)


def waves(height: int = 64, width: int = 64, seed: int = 0) -> Array:
    """A smooth colour image, 8 bits."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    planes = []
    for _ in range(3):
        a, b, c = draw.random(3)
        planes.append(127.5 + 100 * np.sin(5 * (1 + a) * x + 4 * (1 + b) * y + 6 * c))
    return np.stack(planes, -1).astype(np.uint8)


def plain(value: int, height: int = 48, width: int = 48) -> Array:
    """An image of one grey."""
    return np.full((height, width, 3), value, np.uint8)


def save(path: Path, pixels: Array, **options: Any) -> Path:
    """Writes 8-bit pixels by PIL, and its folder where that is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def read(path: Path) -> Array:
    """The pixels of a file as its own library gives them: tifffile, imagecodecs for PNG, or PIL."""
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        return np.asarray(tifffile.imread(path))
    if suffix == ".png":
        return np.asarray(imagecodecs.png_decode(path.read_bytes()))
    if suffix == ".npy":
        return np.asarray(np.load(path))
    with Image.open(path) as image:
        return np.asarray(image)


def chunk(kind: bytes, body: bytes, wrong: int = 0) -> bytes:
    """A chunk of a PNG; `wrong` spoils its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ wrong)


def png(pixels: Array, *chunks: bytes) -> bytes:
    """A PNG with chunks behind its header."""
    data = bytes(imagecodecs.png_encode(pixels))
    return data[:33] + b"".join(chunks) + data[33:]


def over_white(colours: Array, alpha: Array, white: float = 255) -> Array:
    """Colours laid on white paper, as real numbers."""
    share = alpha[..., None].astype(np.float64) / white
    return colours * share + white * (1 - share)
