"""Grids of pictures for people to look at: sample grids of a training, contact sheets of converted images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow, ImageDraw, ImageFont
from torch import Tensor

from translate.errors import ConfigError
from translate.imaging.convert import as_image, match_channels, resize, to_array, to_tensor
from translate.imaging.io import Image, read, write
from translate.imaging.palette import Colour, colourise

Array = np.ndarray[Any, Any]

LEGIBLE = 128
"""Pixels of a picture's longer side from which on it is shown as it is; smaller ones are enlarged."""
HEAD, TEXT = 18, 12
"""Pixels of the line of names above a column, and of the letters in it."""
BETWEEN = 16
"""Pixels between two blocks of rows."""


def picture(image: Tensor, palette: Sequence[Colour]) -> Array:
    """An image C x H x W in [-1, 1], or a label map H x W in the colours of `palette`, as H x W x 3 uint8: of bands the
    first three, or of two the first."""
    if image.ndim == 2:
        return colourise(image.numpy(), palette)
    pixels = to_array(image[None], np.dtype(np.uint8))
    return pixels[:, :, :3] if pixels.shape[2] >= 3 else np.repeat(pixels[:, :, :1], 3, axis=2)


def sheet(rows: Sequence[Any], palette: Sequence[Colour] = ()) -> Image:
    """Pictures in rows on one white page, which a notebook shows: `translate.sheet([[photo, model(photo)]])`.

    A picture is a tensor C x H x W in [-1, 1], a label map H x W in the colours of `palette`, an array H x W or
    H x W x C, a PIL image or a path; `rows` are lists of them, or one such list for a single row. Errors: ConfigError
    (nothing to show, or not of these forms), DataError (an unreadable file).
    """
    grid = [row if isinstance(row, list | tuple) else [row] for row in rows]
    if rows and not any(isinstance(row, list | tuple) for row in rows):
        grid = [list(rows)]
    if not any(grid):
        raise ConfigError("a sheet of no pictures")
    return Image(mosaic([[_cell(picture, palette) for picture in row] for row in grid if row]))


def _cell(given: Any, palette: Sequence[Colour]) -> Array:
    """One picture as H x W x 3 uint8."""
    if isinstance(given, Tensor):
        if given.ndim not in (2, 3):
            raise ConfigError(f"a picture is a tensor C x H x W or H x W, not of shape {tuple(given.shape)}")
        given = given.detach().cpu()
        return picture(given if given.ndim == 2 else given.float().clamp(-1, 1), palette)
    image = as_image(given)
    if image.palette:
        return colourise(image.pixels[..., 0], image.palette)
    pixels = image.shown()
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def picture_of(path: Path, longest: int) -> Array:
    """An image file as H x W x 3 uint8, no side longer than `longest` pixels. Errors: DataError."""
    image = match_channels(to_tensor(read(path).shown()), 3)
    height, width = image.shape[-2:]
    scale = longest / max(height, width)
    if scale < 1:
        image = resize(image, (max(1, round(height * scale)), max(1, round(width * scale))))
    return to_array(image, np.dtype(np.uint8))


def enlarged(pixels: Array, times: int) -> Array:
    """H x W x C with every pixel repeated, so that an input has the size of its output."""
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def mosaic(rows: Sequence[Sequence[Array]], gap: int = 4) -> Array:
    """Pictures H x W x 3 on one white page: rows as high and columns as wide as their largest picture, `gap` apart."""
    heights = []
    for row in rows:
        heights.append(max(cell.shape[0] for cell in row) + gap)
    widths = []
    for x in range(max(map(len, rows))):
        column = [row[x] for row in rows if x < len(row)]
        widths.append(max(cell.shape[1] for cell in column) + gap)
    page = np.full((sum(heights) - gap, sum(widths) - gap, 3), 255, dtype=np.uint8)
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            top, left = sum(heights[:y]), sum(widths[:x])
            page[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return page


def titled(rows: Sequence[Sequence[Array]], names: Sequence[str], gap: int = 4) -> Array:
    """Pictures H x W x 3 uint8 in rows, below the names of their columns, on one white page that is nearly square.

    The rows stand in as many blocks side by side as that takes, with the names above each. Small pictures are enlarged
    by a whole factor, so that their pixels stay sharp.
    """
    longest = max(max(cell.shape[:2]) for row in rows for cell in row)
    times = max(1, math.ceil(LEGIBLE / longest))
    larger = [[enlarged(cell, times) for cell in row] for row in rows]
    height = max(cell.shape[0] for row in larger for cell in row) + gap
    width = max(cell.shape[1] for row in larger for cell in row) + gap
    columns = max(map(len, larger))
    per_block = _rows_per_block(len(rows), height, columns * width)
    blocks = []
    for start in range(0, len(rows), per_block):
        blocks.append(_named_block(larger[start : start + per_block], names, (height, width), gap))
    page = np.full((blocks[0].shape[0], len(blocks) * (blocks[0].shape[1] + BETWEEN) - BETWEEN, 3), 255, np.uint8)
    for place, block in enumerate(blocks):
        left = place * (block.shape[1] + BETWEEN)
        page[: block.shape[0], left : left + block.shape[1]] = block
    return page


def _rows_per_block(count: int, height: int, width: int) -> int:
    """Rows of a block of so many rows that the whole page is nearest to a square; `height` and `width` of a row."""

    def shape(blocks: int) -> float:
        return abs(math.log((blocks * (width + BETWEEN)) / (math.ceil(count / blocks) * height + HEAD)))

    return math.ceil(count / min(range(1, count + 1), key=shape))


def _named_block(rows: Sequence[Sequence[Array]], names: Sequence[str], cell: tuple[int, int], gap: int) -> Array:
    """Rows in cells of one size, which include the gap, below the names of the columns."""
    height, width = cell
    columns = max(len(names), *map(len, rows))
    block = np.full((HEAD + len(rows) * height - gap, columns * width - gap, 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, pixels in enumerate(row):
            top, left = HEAD + y * height, x * width
            block[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    for x, name in enumerate(names):
        label = _label(name, width - gap)
        block[: label.shape[0], x * width : x * width + label.shape[1]] = label
    return block


@cache
def _label(name: str, width: int) -> Array:
    """A name in dark letters on white, HEAD x W x 3 uint8, cut where it is wider than `width`."""
    font = ImageFont.load_default(TEXT)
    page = Pillow.new("RGB", (width, HEAD), "white")
    ImageDraw.Draw(page).text((0, 1), name, fill=(40, 50, 65), font=font)
    return np.asarray(page)


def save_picture(path: Path, pixels: Array) -> None:
    """Writes a grid, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, pixels)
