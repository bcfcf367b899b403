"""Arithmetic on arrays of pixels, uint8 or uint16: turning them upright, alpha over white, bit depth, channels."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def upright(array: Array, orientation: int) -> Array:
    """Turns and mirrors H x W (x C) as EXIF orientation 1 to 8 asks (EXIF 2.32, tag 0x0112)."""
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, 0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return array


def to8(array: Array) -> Array:
    """uint16 to uint8, rounded to the nearest (65535 / 255 = 257)."""
    return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)


def over_white(pixels: Array, alpha: Array) -> Array:
    """Composites `pixels` H x W x C with `alpha` H x W, both of one type, over white; rounded to the nearest."""
    top = int(np.iinfo(pixels.dtype).max)
    weight = alpha[..., None].astype(np.uint64)
    mixed = pixels.astype(np.uint64) * weight + top * (top - weight)
    return ((mixed + top // 2) // top).astype(pixels.dtype)


def match(array: Array, channels: int, bits: int) -> Array:
    """H x W x C in another number of channels (1 to 3: grey repeated) and bit depth (8 to 16: exactly 257 times)."""
    if array.shape[2] < channels:
        array = np.repeat(array, channels, axis=2)
    if bits == 16 and array.dtype == np.uint8:
        array = array.astype(np.uint16) * 257
    return array


def colour_key(pixels: Array, key: bytes, bits: int) -> Array:
    """The alpha that a PNG states by naming one transparent colour in its chunk tRNS (PNG specification, 11.3.2.1).

    `pixels` H x W x C; `key` one big-endian uint16 per channel, of `bits` before grey was spread over 8.
    """
    top = np.iinfo(pixels.dtype).max
    samples = np.frombuffer(key, ">u2").astype(np.int64)
    if len(samples) != pixels.shape[2]:
        return np.full(pixels.shape[:2], top, pixels.dtype)
    scale = 255 // ((1 << bits) - 1) if bits < 8 else 1
    return np.where((pixels != samples * scale).any(axis=2), top, 0).astype(pixels.dtype)
