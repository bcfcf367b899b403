"""Arithmetic on arrays of pixels, of any sample type: turning them upright, alpha over white, bit depth, channels."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G, B in grey, ITU-R BT.601, the ones that image decoders use."""


def upright(array: Array, orientation: int) -> Array:
    """Turns and mirrors H x W (x C) as EXIF orientation 1 to 8 asks (EXIF 2.32, tag 0x0112)."""
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, 0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return array


def top(dtype: Any) -> float:
    """White in a sample type: 255, 65535, 4294967295, and 1.0 of float32."""
    return 1.0 if np.dtype(dtype).kind == "f" else float(np.iinfo(dtype).max)


def within_unit(array: Array) -> bool:
    """False for floats that leave [0, 1], which say nothing of what is white in them."""
    return array.dtype.kind != "f" or bool(array.min() >= 0 and array.max() <= 1)


def stretched(array: Array) -> Array:
    """Samples of any range as floats, with their smallest value at 0 and their largest at 1; 0 where all are equal."""
    low = np.float64(array.min())  # the width of a range of float32 may be no float32
    width = np.float64(array.max()) - low
    scaled: Array = ((array - low) / (width or 1.0)).astype(np.float32)
    return scaled


def rounded(values: Array) -> Array:
    """Numbers on the scale 0 to 255, clipped to it and rounded to the nearest (halves to even), as uint8."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def to8(array: Array) -> Array:
    """Samples of any type as uint8, rounded to the nearest (65535 / 255 = 257)."""
    if array.dtype == np.uint8:
        return array
    return ((to16(array).astype(np.uint32) + 128) // 257).astype(np.uint8)


def to16(array: Array) -> Array:
    """Samples of any type as uint16, rounded to the nearest (4294967295 / 65535 = 65537); 8 bits exactly 257 times."""
    if array.dtype == np.uint16:
        return array
    if array.dtype == np.uint8:
        return array.astype(np.uint16) * 257
    if array.dtype == np.uint32:
        return ((array.astype(np.uint64) + 32768) // 65537).astype(np.uint16)
    wide: Array = np.rint(array.clip(0, 1) * np.float64(65535)).astype(np.uint16)
    return wide


def in_steps(values: Array, dtype: np.dtype[Any]) -> Array:
    """Values in [0, 1] in a sample type, rounded to the nearest."""
    if dtype.kind == "f":
        return values.astype(dtype)
    steps: Array = np.rint(values * np.float64(top(dtype))).astype(dtype)
    return steps


def luma(pixels: Array) -> Array:
    """H x W x 3 to H x W x 1 of the same type, rounded to the nearest; grey stays as it is."""
    if pixels.shape[2] == 1:
        return pixels
    grey: Array = (pixels.astype(np.float64) @ np.array(LUMA))[..., None]
    grey = grey if pixels.dtype.kind == "f" else np.rint(grey)
    return grey.astype(pixels.dtype)


def filled(array: Array, bits: int) -> Array:
    """Unsigned samples of `bits` (1 to 16) that do not fill their type, spread over all of uint8 or uint16, rounded to
    the nearest: 4095 of 12 bits becomes 65535."""
    dtype = np.dtype(np.uint8 if bits <= 8 else np.uint16)
    if bits in (8, 16):
        return array.astype(dtype, copy=False)
    white, highest = int(top(dtype)), (1 << bits) - 1
    values = np.minimum(array, highest).astype(np.uint32)
    return ((values * white + highest // 2) // highest).astype(dtype)


def over_white(pixels: Array, alpha: Array) -> Array:
    """Composites `pixels` H x W x C with `alpha` H x W, both of one type, over white; rounded to the nearest."""
    if pixels.dtype.kind == "f":
        blend: Array = (1 - alpha[..., None] * (1 - pixels)).astype(pixels.dtype)
        return blend
    white = int(top(pixels.dtype))
    weight = alpha[..., None].astype(np.uint64)
    mixed = pixels.astype(np.uint64) * weight + white * (white - weight)
    return ((mixed + white // 2) // white).astype(pixels.dtype)


def unmultiplied(pixels: Array, alpha: Array) -> Array:
    """Pixels that were stored times their alpha as they were before, rounded to the nearest; black where alpha is 0."""
    white = top(pixels.dtype)
    weight = alpha[..., None].astype(np.float64)
    plain = np.divide(pixels * white, weight, out=np.zeros(pixels.shape), where=weight > 0).clip(0, white)
    return (plain if pixels.dtype.kind == "f" else np.rint(plain)).astype(pixels.dtype)


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
    white = int(top(pixels.dtype))
    samples = np.frombuffer(key, ">u2").astype(np.int64)
    if len(samples) != pixels.shape[2]:
        return np.full(pixels.shape[:2], white, pixels.dtype)
    scale = 255 // ((1 << bits) - 1) if bits < 8 else 1
    return np.where((pixels != samples * scale).any(axis=2), white, 0).astype(pixels.dtype)


def unit_floats(array: Array) -> Array:
    """Samples as float32: integers in [0, 1], floats as they are."""
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    scaled: Array = (array / np.float64(np.iinfo(array.dtype).max)).astype(np.float32)
    return scaled
