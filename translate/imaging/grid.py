"""Grids of pictures for people to look at: sample grids of a training, contact sheets of converted images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from translate.errors import ConfigError
from translate.imaging.convert import as_image, match_channels, resize, to_array, to_tensor
from translate.imaging.io import Image, read, write
from translate.imaging.palette import Colour, colourise

Array = np.ndarray[Any, Any]


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


def save_picture(path: Path, pixels: Array) -> None:
    """Writes a grid, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, pixels)
