"""The values of a side that become -1 and 1, taken from its images: percentiles, exact and in bounded memory.

A percentile is the value of one rank among all sorted samples of a band, and sorting needs them all at once. Radix
selection does not: it reads the images once for each group of digits, the highest first. A histogram of the digits says
in which of its bins the rank lies; the next reading looks at the samples of that bin alone. After the last digit the
value is known exactly.

| samples | bits of a rank | readings, up to 64 bands | above |
| --- | --- | --- | --- |
| uint8 | 8 | 1 | 1 |
| uint16 | 16 | 1 | 2 |
| float32 | 32, put in order | 2 | 4 |

Histograms take at most 64 MiB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import ceil, floor
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_MANY = 64
"""Bands beyond which digits have 8 bits and not 16."""

Range = tuple[float, float]


def ranges_of(images: Callable[[], Iterable[Array]], percentiles: tuple[float, float]) -> list[Range]:
    """The (low, high) percentiles of each band over all images, as values that occur.

    `images` begins to read anew each time it is called: H x W x C of one type (uint8, uint16, float32) and one C. Where
    no sample lies exactly at a percentile, the low one is the next lower and the high one the next higher. There is at
    least one image.
    """
    if percentiles == (0, 100):
        return _extremes(images())
    return _selected(images, percentiles)


def _extremes(images: Iterable[Array]) -> list[Range]:
    lows, highs = [], []
    for image in images:
        lows.append(image.min(axis=(0, 1)))
        highs.append(image.max(axis=(0, 1)))
    low, high = np.min(lows, axis=0), np.max(highs, axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _selected(images: Callable[[], Iterable[Array]], percentiles: tuple[float, float]) -> list[Range]:
    first = next(iter(images()))
    dtype, bands = first.dtype, first.shape[2]
    remaining = 8 * dtype.itemsize  # bits that are not known yet
    digit = min(remaining, 16 if bands <= _MANY else 8)
    bins = np.zeros((2, bands), np.uint64)  # the digits that are known, of both ends of each band
    ranks: Array | None = None  # how many samples that share these digits lie below the wanted one
    while remaining:
        counts = np.zeros((2, bands, 1 << digit), np.int64)
        for image in images():
            _count(counts, image, bins, remaining, digit)
        if ranks is None:
            last = int(counts[0, 0].sum()) - 1
            low, high = (percentile * last / 100 for percentile in percentiles)
            ranks = np.repeat([[floor(low)], [ceil(high)]], bands, axis=1)
        # The digit of a rank is the first up to which, itself included, there are more samples than lie below the rank.
        upto = counts.cumsum(axis=2)
        chosen = (upto <= ranks[..., None]).sum(axis=2)
        below = np.take_along_axis(upto - counts, chosen[..., None], axis=2)[..., 0]
        ranks, bins = ranks - below, bins << np.uint64(digit) | chosen.astype(np.uint64)
        remaining -= digit
    lows, highs = _values(bins, dtype).tolist()
    return list(zip(lows, highs, strict=True))


def _count(counts: Array, image: Array, bins: Array, remaining: int, digit: int) -> None:
    """Adds the next digit of those samples whose digits before it are those of `bins`, by end and band."""
    rest = remaining - digit
    for band in range(image.shape[2]):
        keys = _keys(image[..., band].ravel())
        for end in range(2):
            inside = keys[keys >> np.uint64(remaining) == bins[end, band]]
            digits = (inside >> np.uint64(rest)) & np.uint64((1 << digit) - 1)
            counts[end, band] += np.bincount(digits.astype(np.int64), minlength=1 << digit)


def _keys(values: Array) -> Array:
    """Unsigned integers in the order of the values.

    The bits of positive floats are in their order as they are; those of negative ones run backwards and lie above, as
    their sign is the highest bit. So the bits of negative ones are inverted, and of others the sign alone.
    """
    if values.dtype.kind == "u":
        return values.astype(np.uint64)
    bits = values.view(np.uint32)
    negative = bits >> 31 == 1
    return np.where(negative, ~bits, bits | np.uint32(1 << 31)).astype(np.uint64)


def _values(keys: Array, dtype: np.dtype[Any]) -> Array:
    """The inverse of `_keys`, as Python's numbers can hold them."""
    if dtype.kind == "u":
        return keys.astype(dtype)
    bits = keys.astype(np.uint32)
    negative = bits >> 31 == 0
    return np.where(negative, ~bits, bits & np.uint32((1 << 31) - 1)).view(np.float32)
