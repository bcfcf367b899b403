"""Attention within windows of an image (Liu et al. 2021, "Swin Transformer", section 3.2), whole or in strips."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function


def window_attention(qkv: Tensor, bias: Tensor, window: int, shift: int) -> Tensor:
    """Each pixel attends to those of its window: softmax(q k / sqrt(d) + bias) v, for each head.

    `qkv`, N x 3 heads d x H x W, holds queries, keys and values of all heads, one behind the other; H and W are
    multiples of `window`. `bias`, heads x window^2 x window^2, is added for a query (first) and a key. A `shift` above
    0 moves the grid of windows down and to the right by so many pixels; windows at the border are smaller then. Returns
    N x heads d x H x W.

    Large images go in strips of rows, for which a network is recorded: this is one call of the recording.
    """
    if has_torch_function((qkv, bias)):
        recorded: Tensor = handle_torch_function(window_attention, (qkv, bias), qkv, bias, window, shift)
        return recorded
    if not shift:
        return attend(qkv, bias, window)
    # A cyclic shift moves the grid of windows, and joins parts of windows from opposite borders. They are told apart by
    # their labels.
    rows, columns = (shifted_labels(length, window, shift, qkv.device) for length in qkv.shape[-2:])
    rolled = attend(qkv.roll((-shift, -shift), (-2, -1)), bias, window, rows, columns)
    return rolled.roll((shift, shift), (-2, -1))


def shifted_labels(length: int, window: int, shift: int, device: torch.device) -> Tensor:
    """The number of the window in which each row (or column) lies, where rows are rolled up by `shift`."""
    place = torch.arange(length, device=device).roll(-shift, 0)
    return torch.div(place - shift, window, rounding_mode="floor")


def attend(qkv: Tensor, bias: Tensor, window: int, rows: Tensor | None = None, columns: Tensor | None = None) -> Tensor:
    """As `window_attention`, in windows that begin at the first row and column.

    `rows` and `columns` label each row and column: two pixels of a window see each other where both labels are equal.
    Without labels all pixels of a window do.
    """
    images, channels, height, width = qkv.shape
    heads, down, across, area = len(bias), height // window, width // window, window * window
    depth = channels // (3 * heads)
    # To 3 x images x windows x heads x pixels of a window x depth.
    split = qkv.reshape(images, 3, heads, depth, down, window, across, window)
    q, k, v = split.permute(1, 0, 4, 6, 2, 5, 7, 3).reshape(3, images, down * across, heads, area, depth)
    scores = (q * (1 / math.sqrt(depth))) @ k.transpose(-2, -1) + bias
    if rows is not None and columns is not None:
        scores = scores.masked_fill(_apart(rows, columns, window)[:, None], -math.inf)
    joined = (scores.softmax(-1).to(v.dtype) @ v).reshape(images, down, across, heads, window, window, depth)
    output: Tensor = joined.permute(0, 3, 6, 1, 4, 2, 5).reshape(images, heads * depth, height, width)
    return output


def _apart(rows: Tensor, columns: Tensor, window: int) -> Tensor:
    """Says which pixels of a window do not see each other: windows x window^2 x window^2."""
    # Of `shape` an export keeps that it depends on the image; of `len` it would keep a number.
    height, width = rows.shape[0], columns.shape[0]
    both = torch.stack((rows[:, None].expand(height, width), columns.expand(height, width)))
    split = both.reshape(2, height // window, window, width // window, window)
    labels = split.transpose(2, 3).reshape(2, -1, window * window)
    return (labels[..., :, None] != labels[..., None, :]).any(0)
