"""Row operations that mix rows with weights: resizing, and products with a matrix."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.inference.streaming.op import (
    OpContext,
    RowOp,
    Span,
    UnsupportedOp,
    arguments,
    clipped,
    image_argument,
    pair,
    row_op,
    same_rows,
)
from translate.inference.streaming.ops_spatial import hull, picked
from translate.inference.streaming.trace import Node

RADIUS = {"bilinear": 1, "bicubic": 2, "area": 1}
"""How far a weight reaches from the centre of an output pixel, in pixels of the coarser of both images."""

Resample = Callable[[Tensor, bool, bool], Tensor]
"""`resample(values, rows, columns)` resizes along one of the axes or both."""


@row_op("interpolate", "upsample")
def interpolation(node: Node) -> RowOp:
    """An image in another size. torch resizes its columns; its rows are summed with weights that are found out here."""
    names = ("input", "size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "antialias")
    options = arguments(node, *names)
    source, mode = image_argument(options["input"], node), options["mode"] or "nearest"
    align_corners, antialias = options["align_corners"], bool(options["antialias"])
    scale = options["scale_factor"]
    factors: Any = None if scale is None or options["recompute_scale_factor"] else pair(scale, 1)

    def resample(values: Tensor, rows: bool, columns: bool) -> Tensor:
        settings: dict[str, Any] = {"mode": mode, "align_corners": align_corners, "antialias": antialias}
        if factors is not None:
            # The factor itself, where it was given: it places pixels otherwise than the ratio of the sizes does.
            along = (float(factors[0]) if rows else 1.0, float(factors[1]) if columns else 1.0)
            return F.interpolate(values, scale_factor=along, **settings)
        shape = (node.rows if rows else values.shape[-2], node.shape[-1] if columns else values.shape[-1])
        return F.interpolate(values, shape, **settings)

    if mode in ("nearest", "nearest-exact"):
        return _repeated(node, source, resample)
    ratio = source.rows / node.rows if factors is None else 1 / factors[0]
    # Smoothing widens the weights when the image shrinks.
    reach = RADIUS[mode] * (max(ratio, 1) if antialias or mode == "area" else 1)

    def centre(row: int) -> float:
        """Returns where the centre of an output's row lies in rows of the input."""
        if align_corners:
            return row * (source.rows - 1) / max(node.rows - 1, 1)
        return (row + 0.5) * ratio - 0.5

    def needed(start: int, stop: int) -> Span:
        # One row more at each side covers the rounding of the positions. (A span ends before its second number: + 2.)
        span = (math.floor(centre(start) - reach) - 1, math.ceil(centre(stop - 1) + reach) + 2)
        return clipped(span, source.rows)

    return _mixed(node, source, resample, needed)


def _repeated(node: Node, source: Node, resample: Resample) -> RowOp:
    """Nearest neighbours: each row of the output is a row of the input. Resizing the row numbers tells which."""
    row_numbers = torch.arange(source.rows, dtype=torch.float32).view(1, 1, -1, 1)
    index = resample(row_numbers, True, False).flatten().long()

    def need(start: int, stop: int) -> tuple[Span, ...]:
        return (hull(index[start:stop]),)

    def run(strips: Sequence[Tensor], start: int, stop: int, context: OpContext) -> Tensor:
        wide = resample(strips[0], False, True)
        return picked(wide, hull(index[start:stop]), index[start:stop])

    return RowOp(node, (source,), need, run)


def _mixed(node: Node, source: Node, resample: Resample, needed: Callable[[int, int], Span]) -> RowOp:
    """Weighted sums of rows. torch tells the weights: it resizes an image for each row, which is 1 there and else 0."""

    def run(strips: Sequence[Tensor], start: int, stop: int, context: OpContext) -> Tensor:
        first, last = needed(start, stop)
        dtype = torch.promote_types(strips[0].dtype, torch.float32)
        # Channel n is 1 in row first + n of the first column. There are two columns, since torch's bicubic is wrong for
        # one.
        unit_rows = torch.zeros(1, last - first, source.rows, 2, dtype=dtype)
        unit_rows[0, :, first:last, 0].fill_diagonal_(1)
        weights = resample(unit_rows, True, False)[0, :, start:stop, 0].T
        # Resizing is separable: columns by torch, rows by the matrix of weights.
        wide = resample(strips[0], False, True)
        return torch.matmul(weights.to(wide), wide)

    # An estimate: bicubic has four weights along an axis, the other modes about as many or fewer.
    work = node.numel * 4
    return RowOp(node, (source,), lambda start, stop: (needed(start, stop),), run, work)


@row_op("matmul", "rmatmul")
def product(node: Node) -> RowOp:
    """`matrix @ x` mixes rows, `x @ matrix` columns."""
    left, right = node.args if node.name == "matmul" else reversed(node.args)
    source = left if isinstance(left, Node) else right
    if node.kwargs or len(node.inputs()) != 1 or len(source.shape) < 3 or (left is not source and left.ndim != 2):
        raise UnsupportedOp("a product of tensors")
    if source is left:
        need_same = same_rows(node, (source,))
        return RowOp(node, (source,), need_same, lambda strips, start, stop, context: torch.matmul(strips[0], right))
    # Row r of the output needs the rows of the input from the first to the last weight of row r that is not 0. argmax
    # of zeros and ones is the place of the first one.
    nonzero = left != 0
    firsts = nonzero.int().argmax(1)
    lasts = left.shape[1] - nonzero.flip(1).int().argmax(1)

    def needed(start: int, stop: int) -> Span:
        rows_with_weights = nonzero[start:stop].any(1)
        if not bool(rows_with_weights.any()):
            return 0, 1
        return int(firsts[start:stop][rows_with_weights].min()), int(lasts[start:stop][rows_with_weights].max())

    def run(strips: Sequence[Tensor], start: int, stop: int, context: OpContext) -> Tensor:
        first, last = needed(start, stop)
        return torch.matmul(left[start:stop, first:last], strips[0])

    return RowOp(node, (source,), lambda start, stop: (needed(start, stop),), run)
