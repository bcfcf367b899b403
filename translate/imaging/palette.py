"""Palettes: the colours in which maps of classes are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from translate.contracts import IGNORE

Array = np.ndarray[Any, Any]

Colour = tuple[int, int, int]

VOID: Colour = (255, 255, 255)
"""The colour of `IGNORE`."""


def default_palette(classes: int) -> tuple[Colour, ...]:
    """Colours for classes that bring none: those of PASCAL VOC (Everingham et al. 2010).

    Colour i takes the bits of i in turn as the highest bits of red, green and blue, then as the next highest, ...
    """

    def channel(index: int, first: int) -> int:
        return sum((index >> 3 * place + first & 1) << 7 - place for place in range(3))

    return tuple((channel(i, 0), channel(i, 1), channel(i, 2)) for i in range(classes))


def full_palette(palette: Sequence[Colour]) -> list[Colour]:
    """A palette of 256 colours: that of the classes (default colours where there are none), and `VOID` as the last."""
    colours = [(int(r), int(g), int(b)) for r, g, b in palette[:IGNORE]] or list(default_palette(IGNORE))
    return [*colours, *[VOID] * (256 - len(colours))]


def colourise(labels: Array, palette: Sequence[Colour]) -> Array:
    """H x W of class indices to H x W x 3 uint8 in the colours of the palette."""
    coloured: Array = np.array(full_palette(palette), np.uint8)[labels]
    return coloured
