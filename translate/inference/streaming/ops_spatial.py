"""Row operations that look at several rows of their input: convolutions, pooling, padding, shuffles.

Zeros, reflections and the like stand at the borders of the image alone, never at those of a strip. So a strip is
extended explicitly where it meets the image's border, and the torch function runs without padding of rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.inference.fast_kernels import fast_conv2d
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
    weight_argument,
)
from translate.inference.streaming.trace import Node


def extended(strip: Tensor, have: Span, want: Span, value: float = 0.0) -> Tensor:
    """Returns the rows `want` of an image, of which the strip is the rows `have`; rows outside hold `value`."""
    if have == want:
        return strip
    first, last = max(have[0], want[0]), min(have[1], want[1])
    if first >= last:
        return strip.new_full((*strip.shape[:-2], want[1] - want[0], strip.shape[-1]), value)
    common = strip[..., first - have[0] : last - have[0], :]
    return F.pad(common, (0, 0, first - want[0], want[1] - last), value=value)


def picked(strip: Tensor, have: Span, index: Tensor) -> Tensor:
    """Returns the rows `index` of an image, of which the strip is the rows `have`."""
    index = index - have[0]
    unchanged = len(index) == strip.shape[-2] and bool((index == torch.arange(len(index))).all())
    return strip if unchanged else strip.index_select(-2, index.to(strip.device))


def hull(index: Tensor) -> Span:
    """Returns the smallest span that holds all of these rows."""
    return int(index.min()), int(index.max()) + 1


@row_op("conv2d", "fast_conv2d")
def convolution(node: Node) -> RowOp:
    """Weighted sums over a window of rows, which moves down by `stride` rows from one row of the output to the next."""
    options = arguments(node, "input", "weight", "bias", "stride", "padding", "dilation", "groups")
    source, weight = image_argument(options["input"], node), weight_argument(options["weight"], node)
    bias, groups = options["bias"], options["groups"] or 1
    stride, column_stride = pair(options["stride"], 1)
    dilation, column_dilation = pair(options["dilation"], 1)
    if options["padding"] == "same":
        height, width = weight.shape[-2:]
        if not height % 2 or not width % 2:
            # An even kernel needs one row or column more at one side than at the other.
            raise UnsupportedOp("conv2d that pads more at one side")
        padding, column_padding = dilation * (height - 1) // 2, column_dilation * (width - 1) // 2
    elif options["padding"] == "valid":
        padding = column_padding = 0
    else:
        padding, column_padding = pair(options["padding"], 0)
    reach = dilation * (weight.shape[-2] - 1) + 1

    def want(start: int, stop: int) -> Span:
        # Row r of the output sees `reach` rows of the input from r * stride - padding on. Outside the image are zeros.
        return start * stride - padding, (stop - 1) * stride - padding + reach

    def need(start: int, stop: int) -> tuple[Span, ...]:
        return (clipped(want(start, stop), source.rows),)

    def run(strips: Sequence[Tensor], start: int, stop: int, context: OpContext) -> Tensor:
        rows = want(start, stop)
        strip = extended(strips[0], clipped(rows, source.rows), rows)
        if node.name == "fast_conv2d":
            # It has a stride and a dilation of 1 alone.
            return fast_conv2d(strip, weight, bias, (0, column_padding))
        strides, dilations = (stride, column_stride), (dilation, column_dilation)
        return F.conv2d(strip, weight, bias, strides, (0, column_padding), dilations, groups)

    work = node.numel * math.prod(weight.shape[1:])
    return RowOp(node, (source,), need, run, work)


@row_op("conv_transpose2d")
def transposed_convolution(node: Node) -> RowOp:
    """Each row of the input is spread over a window of rows of the output; two such windows lie `stride` apart."""
    names = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
    options = arguments(node, *names)
    source, weight = image_argument(options["input"], node), weight_argument(options["weight"], node)
    bias, groups = options["bias"], options["groups"] or 1
    stride, column_stride = pair(options["stride"], 1)
    padding, column_padding = pair(options["padding"], 0)
    dilation, column_dilation = pair(options["dilation"], 1)
    reach = dilation * (weight.shape[-2] - 1)
    # Rows of the output below the last that the strip reaches hold the bias alone. As many as torch allows (fewer than
    # the larger of stride and dilation) are asked for, and cut off below where they are too many.
    output_padding = (max(stride, dilation) - 1, pair(options["output_padding"], 0)[1])

    def want(start: int, stop: int) -> Span:
        # Row i of the input is spread over the output from i * stride - padding on, up to `reach` rows further. So the
        # first i is ceil((start + padding - reach) / stride), and the last one floor((stop - 1 + padding) / stride).
        first = -((reach - start - padding) // stride)
        at_start = (start + padding) // stride  # where no row reaches `start`: the nearest above it, for the bias
        return min(first, at_start), (stop - 1 + padding) // stride + 1

    def need(start: int, stop: int) -> tuple[Span, ...]:
        return (clipped(want(start, stop), source.rows),)

    def run(strips: Sequence[Tensor], start: int, stop: int, context: OpContext) -> Tensor:
        rows = want(start, stop)
        strip = extended(strips[0], clipped(rows, source.rows), rows)
        # Padding cuts rows off at the image's borders; here the slice below does that.
        strides, paddings, dilations = (stride, column_stride), (0, column_padding), (dilation, column_dilation)
        output = F.conv_transpose2d(strip, weight, bias, strides, paddings, output_padding, groups, dilations)
        first = rows[0] * stride - padding  # the row of the whole output that the strip's output begins with
        return output[:, :, start - first : stop - first]

    work = source.numel * math.prod(weight.shape[1:])
    return RowOp(node, (source,), need, run, work)


@row_op("avg_pool2d", "max_pool2d")
def pool(node: Node) -> RowOp:
    """The mean or the largest value of each window."""
    largest = node.name == "max_pool2d"
    further = ("dilation", "ceil_mode") if largest else ("ceil_mode", "count_include_pad", "divisor_override")
    options = arguments(node, "input", "kernel_size", "stride", "padding", *further)
    source, ceil_mode = image_argument(options["input"], node), bool(options["ceil_mode"])
    kernel = pair(options["kernel_size"], 1)
    strides = pair(options["stride"] or kernel, 1)
    padding, column_padding = pair(options["padding"], 0)
    dilations = pair(options.get("dilation"), 1)
    reach = dilations[0] * (kernel[0] - 1) + 1
    # Averages that leave the padding out of their count, and windows that hang over the lower border, depend on where
    # the image ends, which a strip cannot tell torch.
    excludes_padding = not largest and options["count_include_pad"] is False and max(padding, column_padding) > 0
    overhangs = node.rows != (source.rows + 2 * padding - reach) // strides[0] + 1
    if excludes_padding or overhangs:
        raise UnsupportedOp(f"{node.name} that counts the border's pixels apart")

    def want(start: int, stop: int) -> Span:
        return start * strides[0] - padding, (stop - 1) * strides[0] - padding + reach

    def need(start: int, stop: int) -> tuple[Span, ...]:
        return (clipped(want(start, stop), source.rows),)

    def run(strips: Sequence[Tensor], start: int, stop: int, context: OpContext) -> Tensor:
        rows = want(start, stop)
        # Padding never wins a maximum.
        strip = extended(strips[0], clipped(rows, source.rows), rows, -math.inf if largest else 0.0)
        paddings = (0, column_padding)
        if largest:
            output: Tensor = F.max_pool2d(strip, kernel, strides, paddings, dilations, ceil_mode)
            return output
        divisor = options["divisor_override"]
        return F.avg_pool2d(strip, kernel, strides, paddings, ceil_mode, divisor_override=divisor)

    return RowOp(node, (source,), need, run)


@row_op("pad")
def padded(node: Node) -> RowOp:
    """Rows and columns added around the image, or cut off."""
    options = arguments(node, "input", "pad", "mode", "value")
    source, mode = image_argument(options["input"], node), options["mode"] or "constant"
    # torch counts from the last axis: left, right, top, bottom. Negative numbers cut off.
    left, right, top, _ = (*options["pad"], 0, 0)[:4]
    if len(options["pad"]) > 4:
        raise UnsupportedOp("pad of channels")
    if mode == "constant":
        return _padded_with_a_value(node, source, top, (left, right, 0, 0), options["value"] or 0.0)
    bottom_row = source.rows - 1

    def index(start: int, stop: int) -> Tensor:
        """Returns the row of the input that stands at each of these rows of the output."""
        places = torch.arange(start - top, stop - top)
        if mode == "replicate":
            return places.clamp(0, bottom_row)
        if mode == "circular":
            return places % source.rows
        # Reflection at the first row, |p|, and at the last one, last - |last - p|; neither row is repeated.
        return bottom_row - (bottom_row - places.abs()).abs()

    def need(start: int, stop: int) -> tuple[Span, ...]:
        return (hull(index(start, stop)),)

    def run(strips: Sequence[Tensor], start: int, stop: int, context: OpContext) -> Tensor:
        rows = index(start, stop)
        return F.pad(picked(strips[0], hull(rows), rows), (left, right, 0, 0), mode=mode)

    return RowOp(node, (source,), need, run)


def _padded_with_a_value(node: Node, source: Node, top: int, columns: tuple[int, ...], value: float) -> RowOp:
    def need(start: int, stop: int) -> tuple[Span, ...]:
        return (clipped((start - top, stop - top), source.rows),)

    def run(strips: Sequence[Tensor], start: int, stop: int, context: OpContext) -> Tensor:
        rows = (start - top, stop - top)
        strip = extended(strips[0], clipped(rows, source.rows), rows, value)
        return F.pad(strip, columns, value=value)

    return RowOp(node, (source,), need, run)


@row_op("pixel_shuffle")
def shuffle(node: Node) -> RowOp:
    """Channels become rows and columns: N x C r^2 x H x W to N x C x H r x W r."""
    options = arguments(node, "input", "upscale_factor")
    source, factor = image_argument(options["input"], node), options["upscale_factor"]

    def need(start: int, stop: int) -> tuple[Span, ...]:
        # A row of the input becomes `factor` rows: the first is rounded down, the last up (-(-a // b) is ceil(a / b)).
        return ((start // factor, -(-stop // factor)),)

    def run(strips: Sequence[Tensor], start: int, stop: int, context: OpContext) -> Tensor:
        first = start // factor * factor
        return F.pixel_shuffle(strips[0], factor)[:, :, start - first : stop - first]

    return RowOp(node, (source,), need, run)


@row_op("pixel_unshuffle")
def unshuffle(node: Node) -> RowOp:
    """Rows and columns become channels: N x C x H r x W r to N x C r^2 x H x W."""
    options = arguments(node, "input", "downscale_factor")
    source, factor = image_argument(options["input"], node), options["downscale_factor"]

    def need(start: int, stop: int) -> tuple[Span, ...]:
        return ((start * factor, stop * factor),)

    def run(strips: Sequence[Tensor], start: int, stop: int, context: OpContext) -> Tensor:
        return F.pixel_unshuffle(strips[0], factor)

    return RowOp(node, (source,), need, run)
