"""Pads images to sizes that networks take, and cuts the padding off their outputs."""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST = 16
"""Images are padded to at least this many pixels a side: below it the innermost layers have nothing to reflect."""


def reflect_index(length: int, padded: int, device: torch.device) -> Tensor:
    """Returns the index of the pixel at each of `padded` places, by iterated reflection: 0 1 2 1 0 1 2 ..."""
    if length == 1:
        return torch.zeros(padded, dtype=torch.long, device=device)
    # One period runs up and down again; neither end is repeated, so that it has 2 * length - 2 places.
    at = torch.arange(padded, device=device) % (2 * length - 2)
    return torch.minimum(at, 2 * length - 2 - at)


def padded_size(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Returns the next multiples of height and width; each is `SMALLEST` at least."""
    height, width = size
    return _next_multiple(max(height, SMALLEST), multiple), _next_multiple(max(width, SMALLEST), multiple)


def _next_multiple(length: int, multiple: int) -> int:
    # Python's // rounds down, so that the two signs make it round up.
    return -(-length // multiple) * multiple


def pad(images: Tensor, multiple: int) -> Tensor:
    """Pads N x C x H x W at the right and at the bottom to `padded_size`, by reflection."""
    height, width = padded_size((images.shape[-2], images.shape[-1]), multiple)
    if (height, width) == tuple(images.shape[-2:]):
        return images
    rows = reflect_index(images.shape[-2], height, images.device)
    columns = reflect_index(images.shape[-1], width, images.device)
    return images.index_select(-2, rows).index_select(-1, columns)


def crop(sheet: Tensor, size: tuple[int, int], tiles: tuple[int, int] = (1, 1)) -> Tensor:
    """Cuts the padding off and returns N x C x H x W.

    `sheet` has `tiles` pictures in rows and columns. The upper left `size` of each stays, and they are joined again.
    """
    (height, width), (rows, columns) = size, tiles
    n, channels, high, wide = sheet.shape
    parts = sheet.reshape(n, channels, rows, high // rows, columns, wide // columns)
    return parts[:, :, :, :height, :, :width].reshape(n, channels, rows * height, columns * width)
