"""PNG files of 8 bits, written fast: rows are filtered by numpy, and libdeflate packs them.

It takes a quarter of Pillow's time at its level 4, and files of photographs are as large. Conversions write so.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import imagecodecs
import numpy as np

from translate.imaging.formats.png_chunks import SIGNATURE, chunk

Array = np.ndarray[Any, Any]

FASTEST = 4
"""Levels from 1 to this one are written here."""
LARGEST = 1 << 24
"""Values of an image that is filtered at once; of larger ones Pillow holds less in memory."""
# Colour types by the number of channels: grey, grey with alpha, RGB, RGBA (RFC 2083, 2.6).
_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def is_fast(array: Array, compression: int) -> bool:
    """Tells whether an image H x W x C is one of those that are written here."""
    return array.dtype == np.uint8 and array.size <= LARGEST and 1 <= compression <= FASTEST


def encode_fast(array: Array, icc: bytes | None = None) -> bytes:
    """The bytes of a PNG of H x W x C uint8, C from 1 to 4, with its profile."""
    height, width, channels = array.shape
    header = struct.pack(">IIBBBBB", width, height, 8, _TYPES[channels], 0, 0, 0)
    packed = imagecodecs.deflate_encode(filtered(array), level=1, raw=False)
    profile = chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)) if icc else b""
    return b"".join([SIGNATURE, chunk(b"IHDR", header), profile, chunk(b"IDAT", bytes(packed)), chunk(b"IEND", b"")])


def filtered(array: Array) -> bytes:
    """The rows of an image, each behind the number of its filter: 0 as it is, 1 less the pixel on the left, 2 less the
    one above. Taken is the one with the least sum of differences, as RFC 2083 advises (9.6)."""
    height, width, channels = array.shape
    values = np.ascontiguousarray(array).reshape(height, width * channels)
    rows = np.empty((3, height, 1 + width * channels), np.uint8)
    rows[:, :, 0] = np.arange(3)[:, None]
    rows[:, :, 1:] = values
    # Differences are modulo 256, and the first pixel and row have nothing before them.
    rows[1, :, 1 + channels :] -= values[:, :-channels]
    rows[2, 1:, 1:] -= values[:-1]
    sizes = np.minimum(rows[:, :, 1:], 0 - rows[:, :, 1:]).sum(2, dtype=np.uint32)
    data: bytes = rows[sizes.argmin(0), np.arange(height)].tobytes()
    return data
