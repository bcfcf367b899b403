"""Row operations of attention within windows: rows of the output depend on those of their windows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.inference.streaming.op import (
    OpContext,
    RowOp,
    Span,
    arguments,
    clipped,
    image_argument,
    row_op,
    weight_argument,
)
from translate.inference.streaming.trace import Node
from translate.networks.restoration.window_attention import attend, shifted_labels

OUTSIDE = -2
"""The label of rows above and below the image. Windows have labels from -1 on."""


@row_op("window_attention")
def windows(node: Node) -> RowOp:
    """Pixels that attend to those of their window."""
    options = arguments(node, "qkv", "bias", "window", "shift")
    source, bias = image_argument(options["qkv"], node), weight_argument(options["bias"], node)
    window, shift = options["window"], options["shift"]

    def whole_windows(start: int, stop: int) -> Span:
        """Returns the rows of all windows that these rows lie in; those at the border hang over the image."""
        # Windows begin at rows `shift` + a multiple of `window`. Rounded down, and up: -(-a // b) is ceil(a / b).
        return (start - shift) // window * window + shift, -((shift - stop) // window) * window + shift

    def need(start: int, stop: int) -> tuple[Span, ...]:
        return (clipped(whole_windows(start, stop), source.rows),)

    def run(strips: Sequence[Tensor], start: int, stop: int, context: OpContext) -> Tensor:
        first, last = whole_windows(start, stop)
        top, bottom = clipped((first, last), source.rows)
        strip = F.pad(strips[0], (0, 0, top - first, last - bottom))
        place = torch.arange(first, last, device=strip.device)
        # Rows that hang over fill windows up; nothing in the image may attend to them.
        rows = torch.where((place < top) | (place >= bottom), OUTSIDE, 0)
        # Rows begin with a window already; columns are shifted as for the whole image.
        columns = shifted_labels(strip.shape[-1], window, shift, strip.device)
        output = attend(strip.roll(-shift, -1), bias, window, rows, columns).roll(shift, -1)
        return output[:, :, start - first : stop - first]

    return RowOp(node, (source,), need, run, work=2 * window * window * node.numel)
