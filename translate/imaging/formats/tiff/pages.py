"""Pages of a TIFF that are one image: the bands of microscopes, and of arrays that were saved as they came.

Pages alone do not tell bands from a stack of scans or a film. Three writers say it in the tag ImageDescription:

| writer | says | image |
| --- | --- | --- |
| ImageJ | `channels=6`, without slices and frames | a band a page |
| OME | `SizeC="6"`, SizeZ and SizeT 1 | a band a page |
| tifffile | the shape of the array, `{"shape": [6, 64, 48]}` | a band a page |
| tifffile | `{"shape": [64, 48, 6]}` | a row a page: 48 x 6 samples |

Of a shape alone the smaller one of the first and the last number counts the bands; `axes` beside it say it outright.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_PAGES = 1 << 16
"""The most pages of one image: rows of the highest."""

_CHANNELS = {"CYX": False, "SYX": False, "YXC": True, "YXS": True}
"""Axes of arrays that are images of bands, and whether a page holds a row."""


@dataclass(frozen=True)
class Stack:
    """So many pages that are one image: each is one band, or, `by_rows`, one row (pixels x bands)."""

    pages: int
    by_rows: bool = False


def announced_stack(description: str, width: int, height: int) -> Stack | None:
    """Reads a description of a file whose pages are of this size; None where it announces no image of several pages."""
    stack = None
    if description.startswith("ImageJ="):
        stack = _of_imagej(description)
    elif description.startswith('{"shape": ['):
        stack = _of_tifffile(description, width, height)
    elif "<OME" in description[:2000]:
        stack = _of_ome(description)
    return stack if stack and 1 < stack.pages <= _PAGES else None


def _of_imagej(description: str) -> Stack | None:
    values = dict(line.split("=", 1) for line in description.splitlines() if "=" in line)
    channels = values.get("channels", "")
    alone = values.get("images") == channels and values.get("slices", "1") == values.get("frames", "1") == "1"
    return Stack(int(channels)) if alone and re.fullmatch(r"\d{1,5}", channels) else None


def _of_ome(description: str) -> Stack | None:
    pixels = re.findall(r"<(?:\w+:)?Pixels\s[^>]*>", description)
    if len(pixels) != 1:
        return None
    sizes = dict(re.findall(r'\bSize([CZT])="(\d{1,5})"', pixels[0]))
    return Stack(int(sizes["C"])) if sizes.get("Z") == sizes.get("T") == "1" and "C" in sizes else None


def _of_tifffile(description: str, width: int, height: int) -> Stack | None:
    try:
        said = json.loads(description)
    except (ValueError, RecursionError):
        return None
    shape = said["shape"]
    if len(shape) != 3 or shape[1:] != [height, width] or not isinstance(shape[0], int):
        return None
    axes = str(said.get("axes", "QYX"))
    if axes == "QYX":  # its own word for axes that nobody named
        return Stack(shape[0], by_rows=width < shape[0])
    return Stack(shape[0], _CHANNELS[axes]) if axes in _CHANNELS else None
