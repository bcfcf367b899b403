"""Tells whether the values of images fill the range that networks see as -1 to 1, or a small part of it: counts of 12
bits in 16, temperatures, decibels beside a value that means no data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from translate.data.ranges.percentiles import Range
from translate.text import examples

Array = np.ndarray[Any, Any]

LITTLE = 1 / 8
"""The share of a range below which its values are said to fill little of it."""
BULK = 1 / 16
"""The share of a range in which nine tenths of all floats lie where a few others widen it."""
OUTER, INNER = (0.1, 99.9), (5.0, 95.0)
"""Percentiles of the values that count, and those of nine tenths."""
LOOKED_AT = 32
"""Images of a side that are looked at."""
SAMPLES = 1 << 16
"""Pixels of an image that are looked at, more or less."""
COUNTS = 14
"""Bits that cameras count at most."""
_DISTINCT = 64
"""So many different values make nine tenths a spread, and no paper under a drawing."""


def sampled(image: Array) -> Array:
    """Some of the pixels of an image, H x W x C, from all over it, N x C."""
    step = max(1, int((image.shape[0] * image.shape[1] / SAMPLES) ** 0.5))
    pixels: Array = image[::step, ::step].reshape(-1, image.shape[-1])
    return pixels


def fill_remark(side: str, images: Iterable[Array], ranges: Sequence[Range] | None) -> str | None:
    """A sentence where the values of some images, H x W x C, fill little of the range of their side.

    `ranges` are the values that become -1 and 1, of all bands or of each; None: those of the integer type. Grey and
    colour are judged as a whole, other bands by themselves: the sentence comes where all of them fill little, or names
    those that do.
    """
    pixels = [sampled(image) for image in images]
    if not pixels:
        return None
    values = np.concatenate(pixels)
    whole = ranges or [(0.0, float(np.iinfo(values.dtype).max))]
    if values.shape[1] in (1, 3) and len(whole) == 1:
        part = _part(values.ravel(), whole[0])
        return None if part is None else _sentence(side, values, part, whole[0], stated=ranges is not None)
    parts = [_part(band, whole[i if len(whole) > 1 else 0]) for i, band in enumerate(values.T)]
    narrow = [i for i, part in enumerate(parts) if part is not None]
    if not narrow:
        return None
    first = narrow[0]
    part = parts[first]
    assert part is not None
    sentence = _sentence(side, values, part, whole[first if len(whole) > 1 else 0], stated=True)
    if len(narrow) == len(parts):
        return sentence
    bands = examples([f"{i + 1:,}" for i in narrow])
    return f"{sentence}; so it is with {len(narrow)} of {len(parts)} bands ({bands}), of which these are the first's"


def _part(values: Array, whole: Range) -> Range | None:
    """The ends of the values of a band, where they fill little of its range."""
    low, high = whole
    # Lower and higher, as interpolation would make values that do not occur.
    outer = np.percentile(values, OUTER, method="nearest")
    if (outer[1] - outer[0]) < LITTLE * (high - low):
        return float(outer[0]), float(outer[1])
    if values.dtype.kind != "f":
        return None
    inner = np.percentile(values, INNER, method="nearest")
    within = values[(values >= inner[0]) & (values <= inner[1])]
    if inner[1] - inner[0] < BULK * (high - low) and len(np.unique(within[:: max(1, len(within) >> 14)])) > _DISTINCT:
        return float(inner[0]), float(inner[1])
    return None


def _sentence(side: str, values: Array, part: Range, whole: Range, *, stated: bool) -> str:
    low, high = part
    share = (high - low) / (whole[1] - whole[0])
    largest = float(values.max())
    ways = [f"`normalise: {{{side}: {{percentiles: [1, 99]}}}}` of the stage"]
    counts = values.dtype == np.uint16 and not stated and values.shape[1] in (1, 3)
    if counts and 255 < largest < 1 << COUNTS and low < high / 2:
        bits = int(largest).bit_length()
        ways.insert(0, f"`white: {(1 << bits) - 1}` (counts of {bits} bits)")
    return (
        f"side {side}: nearly all values lie between {low:,g} and {high:,g}, {100 * share:.2g} % of the range from "
        f"{whole[0]:,g} to {whole[1]:,g}, so that networks see hardly any contrast: state {' or '.join(ways)}"
    )
