"""Draws the sheets of the results: pictures to the pixel, below the names of their columns.

A picture is shown 1:1. A small one is enlarged by a whole factor, each pixel becoming a square; a large one is cropped
around its centre. Nothing is resampled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Array = np.ndarray[Any, Any]

WIDE = 1024
"""Pixels of a sheet's width, which a page shows without shrinking it."""
LEGIBLE, AMONG_MANY, TALL = 192, 128, 256
"""Pixels of a picture's height below which it is enlarged, the same where there are several blocks, and above which it
is cropped."""
NARROW = 96
"""Pixels to which a picture's width is cropped at most."""
HEAD, LINE, TEXT = 20, 17, 13
"""Pixels of the line of names, of a line beside a row, and of their letters."""
GAP, APART, EDGE = 4, 24, 6
"""Pixels between pictures, between blocks, and around all of them."""
INK = (40, 50, 65)


@dataclass(frozen=True)
class Row:
    """What stands beside a row, line by line, and for each column its pictures, H x W x 3 uint8."""

    label: Sequence[str]
    columns: Sequence[Sequence[Array]]


@dataclass(frozen=True)
class Block:
    """Rows below the names of their columns; `title` stands above the names."""

    names: Sequence[str]
    rows: Sequence[Row]
    title: str = ""


def draw(blocks: Sequence[Block], wide: int = WIDE) -> Array:
    """The blocks on one white page, H x W x 3 uint8, side by side as far as `wide` pixels hold them."""
    wide, legible = wide - 2 * EDGE, LEGIBLE if len(blocks) == 1 else AMONG_MANY
    drawn = [_drawn(block, wide, legible) for block in blocks]
    lines: list[list[Array]] = [[]]
    for block in drawn:
        if lines[-1] and sum(each.shape[1] + APART for each in [*lines[-1], block]) - APART > wide:
            lines.append([])
        lines[-1].append(block)
    page = _joined([_joined(line, 1, APART) for line in lines], 0, APART)
    return np.pad(page, ((EDGE, EDGE), (EDGE, EDGE), (0, 0)), constant_values=255)


# ------------------------------------------------------------------------------------------------------------ pictures


def enlarged(pixels: Array, times: int) -> Array:
    """H x W x C with a square of `times` by `times` pixels for each."""
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def cropped(pixels: Array, height: int, width: int) -> Array:
    """The middle of a picture, at most `height` x `width` pixels."""
    top, left = (max(0, (pixels.shape[axis] - most) // 2) for axis, most in enumerate((height, width)))
    return pixels[top : top + height, left : left + width]


def _of_one_scale(row: Row) -> Row:
    """The row with pictures whose height is a whole fraction of the tallest one's enlarged to it: an input of super
    resolution shows what its output shows."""
    tallest = max(pixels.shape[0] for pixels in _pictures([row]))

    def scaled(pixels: Array) -> Array:
        times, rest = divmod(tallest, pixels.shape[0])
        return pixels if rest else enlarged(pixels, times)

    return _changed(row, scaled)


def _fitted(block: Block, wide: int, legible: int) -> Block:
    """The block with its pictures as they are shown: as large as `wide` lets them be."""
    block = replace(block, rows=[_of_one_scale(row) for row in block.rows])
    tallest = max(pixels.shape[0] for pixels in _pictures(block.rows))
    widest = max(pixels.shape[1] for pixels in _pictures(block.rows))
    changes: list[Callable[[Array], Array]] = [
        *(partial(enlarged, times=times) for times in range(math.ceil(legible / tallest), 1, -1)),
        *(partial(cropped, height=TALL, width=width) for width in range(max(widest, NARROW), NARROW - 1, -1)),
    ]
    for change in changes:
        fitted = replace(block, rows=[_changed(row, change) for row in block.rows])
        if _width(fitted) <= wide:
            break
    return fitted


def _changed(row: Row, change: Callable[[Array], Array]) -> Row:
    return replace(row, columns=[[change(pixels) for pixels in column] for column in row.columns])


def _pictures(rows: Sequence[Row]) -> list[Array]:
    return [pixels for row in rows for column in row.columns for pixels in column]


# ---------------------------------------------------------------------------------------------------------------- page


def _drawn(block: Block, wide: int, legible: int) -> Array:
    block = _fitted(block, wide, legible)
    widths, margin = _widths(block), _margin(block)
    head = HEAD * (2 if block.title else 1)
    heights = [_height(row) for row in block.rows]
    page = np.full((head + sum(heights) + GAP * (len(heights) - 1), _width(block), 3), 255, np.uint8)
    if block.title:
        _paste(page, _text(block.title), 0, margin)
    for place, name in enumerate(block.names):
        left = margin + sum(widths[:place]) + GAP * place
        _paste(page, _text(name), head - HEAD, left)
        for number, row in enumerate(block.rows):
            top = head + sum(heights[:number]) + GAP * number
            _paste(page, _joined(row.columns[place], 1, GAP), top, left)
    for number, row in enumerate(block.rows):
        for line, words in enumerate(row.label):
            _paste(page, _text(words), head + sum(heights[:number]) + GAP * number + LINE * line, 0)
    return page


def _paste(page: Array, pixels: Array, top: int, left: int) -> None:
    height, width = pixels.shape[:2]
    page[top : top + height, left : left + width] = pixels[: page.shape[0] - top, : page.shape[1] - left]


def _height(row: Row) -> int:
    return max(*(pixels.shape[0] for pixels in _pictures([row])), LINE * len(row.label))


def _widths(block: Block) -> list[int]:
    """The widths of the columns, whose names are never cut."""
    widths = []
    for place, name in enumerate(block.names):
        pictures = [sum(pixels.shape[1] + GAP for pixels in row.columns[place]) - GAP for row in block.rows]
        widths.append(max(_text(name).shape[1], *pictures))
    return widths


def _margin(block: Block) -> int:
    """The width of what stands beside the rows."""
    words = [_text(line).shape[1] for row in block.rows for line in row.label]
    return max(words) + 2 * GAP if words else 0


def _width(block: Block) -> int:
    widths = _widths(block)
    pictures = _margin(block) + sum(widths) + GAP * (len(widths) - 1)
    return max(pictures, _margin(block) + _text(block.title).shape[1]) if block.title else pictures


def _joined(parts: Sequence[Array], axis: int, gap: int) -> Array:
    """Pictures one after the other along an axis, white between them and around smaller ones."""
    other = 1 - axis
    size = max(part.shape[other] for part in parts)
    length = sum(part.shape[axis] + gap for part in parts) - gap
    page = np.full((*((length, size) if axis == 0 else (size, length)), 3), 255, np.uint8)
    start = 0
    for part in parts:
        top, left = (start, 0) if axis == 0 else (0, start)
        page[top : top + part.shape[0], left : left + part.shape[1]] = part
        start += part.shape[axis] + gap
    return page


@cache
def _text(words: str) -> Array:
    """A line of text in dark letters on white, as wide as it is."""
    font = ImageFont.load_default(TEXT)
    page = Image.new("RGB", (math.ceil(font.getlength(words)) + 1, LINE), "white")
    ImageDraw.Draw(page).text((0, 0), words, fill=INK, font=font)
    return np.asarray(page)
