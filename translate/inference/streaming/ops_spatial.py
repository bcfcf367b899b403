"""Rows of what looks at several rows: convolutions, pooling, padding, resampling, products with a matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.inference.fast_kernels import fast_conv2d
from translate.inference.streaming.ops_pointwise import (
    Context,
    Span,
    Step,
    Unknown,
    arguments,
    clipped,
    lowers,
    same_rows,
    tensor,
)
from translate.inference.streaming.trace import Node


def extended(strip: Tensor, have: Span, want: Span, value: float = 0.0) -> Tensor:
    """A strip of the rows `have` as the rows `want`, with `value` in those that are not there."""
    if have == want:
        return strip
    first, last = max(have[0], want[0]), min(have[1], want[1])
    if first >= last:
        return strip.new_full((*strip.shape[:-2], want[1] - want[0], strip.shape[-1]), value)
    inside = strip[..., first - have[0] : last - have[0], :]
    return F.pad(inside, (0, 0, first - want[0], want[1] - last), value=value)


@lowers("conv2d", "fast_conv2d")
def _convolution(node: Node) -> Step:
    a = arguments(node, "input", "weight", "bias", "stride", "padding", "dilation", "groups")
    x, weight = tensor(a["input"], node), _weight(a["weight"], node)
    (s, sw), (d, dw) = _pair(a["stride"], 1), _pair(a["dilation"], 1)
    if isinstance(a["padding"], str):
        if a["padding"] == "same" and not weight.shape[-1] % 2:
            raise Unknown("conv2d that pads more at one side")
        same = a["padding"] == "same"
        p, pw = (d * (weight.shape[-2] - 1) // 2 * same, dw * (weight.shape[-1] - 1) // 2 * same)
        if same and not weight.shape[-2] % 2:
            raise Unknown("conv2d that pads more at one side")
    else:
        p, pw = _pair(a["padding"], 0)
    reach, groups = d * (weight.shape[-2] - 1) + 1, a["groups"] or 1

    def want(a: int, b: int) -> Span:
        return a * s - p, (b - 1) * s - p + reach

    def run(strips: Sequence[Tensor], a_: int, b: int, context: Context) -> Tensor:
        rows = want(a_, b)
        strip = extended(strips[0], clipped(rows, x.rows), rows)
        if node.name == "fast_conv2d":
            return fast_conv2d(strip, weight, a["bias"], (0, pw))
        return F.conv2d(strip, weight, a["bias"], (s, sw), (0, pw), (d, dw), groups)

    work = node.numel * math.prod(weight.shape[1:])
    return Step(node, (x,), lambda a, b: (clipped(want(a, b), x.rows),), run, work)


@lowers("conv_transpose2d")
def _transposed_convolution(node: Node) -> Step:
    names = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
    a = arguments(node, *names)
    x, weight = tensor(a["input"], node), _weight(a["weight"], node)
    (s, sw), (p, pw), (d, dw) = _pair(a["stride"], 1), _pair(a["padding"], 0), _pair(a["dilation"], 1)
    more = (max(s, d) - 1, _pair(a["output_padding"], 0)[1])  # rows that only the bias reaches, for what may be cut off
    reach, groups = d * (weight.shape[-2] - 1), a["groups"] or 1

    def want(a: int, b: int) -> Span:
        return min(-((reach - a - p) // s), (a + p) // s), (b - 1 + p) // s + 1

    def run(strips: Sequence[Tensor], a_: int, b: int, context: Context) -> Tensor:
        rows = want(a_, b)
        strip = extended(strips[0], clipped(rows, x.rows), rows)
        made = F.conv_transpose2d(strip, weight, a["bias"], (s, sw), (0, pw), more, groups, (d, dw))
        first = rows[0] * s - p
        return made[:, :, a_ - first : b - first]

    work = x.numel * math.prod(weight.shape[1:])
    return Step(node, (x,), lambda a, b: (clipped(want(a, b), x.rows),), run, work)


@lowers("avg_pool2d", "max_pool2d")
def _pool(node: Node) -> Step:
    names = ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
    largest = node.name == "max_pool2d"
    a = arguments(node, *(("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode") if largest else names))
    x, (k, kw) = tensor(a["input"], node), _pair(a["kernel_size"], 1)
    (s, sw), (p, pw), (d, dw) = _pair(a["stride"] or (k, kw), 1), _pair(a["padding"], 0), _pair(a.get("dilation"), 1)
    reach = d * (k - 1) + 1
    apart = not largest and a["count_include_pad"] is False and max(p, pw) > 0
    if apart or node.rows != (x.rows + 2 * p - reach) // s + 1:
        raise Unknown(f"{node.name} that counts the border's pixels apart")

    def want(a: int, b: int) -> Span:
        return a * s - p, (b - 1) * s - p + reach

    def run(strips: Sequence[Tensor], a_: int, b: int, context: Context) -> Tensor:
        rows = want(a_, b)
        strip = extended(strips[0], clipped(rows, x.rows), rows, -math.inf if largest else 0.0)
        if largest:
            made: Tensor = F.max_pool2d(strip, (k, kw), (s, sw), (0, pw), (d, dw), bool(a["ceil_mode"]))
            return made
        return F.avg_pool2d(
            strip, (k, kw), (s, sw), (0, pw), bool(a["ceil_mode"]), divisor_override=a["divisor_override"]
        )

    return Step(node, (x,), lambda a, b: (clipped(want(a, b), x.rows),), run)


# ----------------------------------------------------------------------------------------- which row stands at which


def _gathered(strip: Tensor, have: Span, index: Tensor) -> Tensor:
    """The rows `index` of an image, of which the strip is `have`."""
    index = index - have[0]
    plain = len(index) == strip.shape[-2] and bool((index == torch.arange(len(index))).all())
    return strip if plain else strip.index_select(-2, index.to(strip.device))


def _hull(index: Tensor) -> Span:
    return int(index.min()), int(index.max()) + 1


@lowers("pad")
def _pad(node: Node) -> Step:
    a = arguments(node, "input", "pad", "mode", "value")
    x, mode = tensor(a["input"], node), a["mode"] or "constant"
    left, right, top, _ = (*a["pad"], 0, 0)[:4]
    if len(a["pad"]) > 4:
        raise Unknown("pad of channels")
    columns = (left, right, 0, 0)
    if mode == "constant":

        def extend(strips: Sequence[Tensor], a_: int, b: int, context: Context) -> Tensor:
            rows = (a_ - top, b - top)
            strip = extended(strips[0], clipped(rows, x.rows), rows, a["value"] or 0.0)
            return F.pad(strip, columns, value=a["value"] or 0.0)

        return Step(node, (x,), lambda a, b: (clipped((a - top, b - top), x.rows),), extend)

    def index(a: int, b: int) -> Tensor:
        at = torch.arange(a - top, b - top)
        if mode == "replicate":
            return at.clamp(0, x.rows - 1)
        if mode == "circular":
            return at % x.rows
        return x.rows - 1 - (x.rows - 1 - at.abs()).abs()

    def run(strips: Sequence[Tensor], a_: int, b: int, context: Context) -> Tensor:
        at = index(a_, b)
        return F.pad(_gathered(strips[0], _hull(at), at), columns, mode=mode)

    return Step(node, (x,), lambda a, b: (_hull(index(a, b)),), run)


@lowers("pixel_shuffle")
def _shuffle(node: Node) -> Step:
    a = arguments(node, "input", "upscale_factor")
    x, r = tensor(a["input"], node), a["upscale_factor"]

    def run(strips: Sequence[Tensor], a: int, b: int, context: Context) -> Tensor:
        first = a // r * r
        return F.pixel_shuffle(strips[0], r)[:, :, a - first : b - first]

    return Step(node, (x,), lambda a, b: ((a // r, -(-b // r)),), run)


@lowers("pixel_unshuffle")
def _unshuffle(node: Node) -> Step:
    a = arguments(node, "input", "downscale_factor")
    x, r = tensor(a["input"], node), a["downscale_factor"]
    return Step(
        node, (x,), lambda a, b: ((a * r, b * r),), lambda strips, a, b, context: F.pixel_unshuffle(strips[0], r)
    )


# ------------------------------------------------------------------------------------------------------- resampling


@lowers("interpolate", "upsample")
def _interpolation(node: Node) -> Step:
    a = arguments(node, "input", "size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "antialias")
    x, mode = tensor(a["input"], node), a["mode"] or "nearest"
    size, scale = a["size"], a["scale_factor"]
    how = {"mode": mode, "align_corners": a["align_corners"], "antialias": bool(a["antialias"])}
    factors: Any = None if scale is None or a["recompute_scale_factor"] else _pair(scale, 1)
    if factors is None and size is None:
        size = node.shape[-2:]

    def resample(values: Tensor, rows: bool, columns: bool) -> Tensor:
        """Along one of the axes or both."""
        if factors is not None:
            both = (float(factors[0]) if rows else 1.0, float(factors[1]) if columns else 1.0)
            return F.interpolate(values, scale_factor=both, **how)
        shape = (node.rows if rows else values.shape[-2], node.shape[-1] if columns else values.shape[-1])
        return F.interpolate(values, shape, **how)

    if mode in ("nearest", "nearest-exact"):
        places = torch.arange(x.rows, dtype=torch.float32).view(1, 1, -1, 1)
        index = resample(places, True, False).flatten().long()

        def repeat(strips: Sequence[Tensor], a_: int, b: int, context: Context) -> Tensor:
            wide = resample(strips[0], False, True)
            return _gathered(wide, _hull(index[a_:b]), index[a_:b])

        return Step(node, (x,), lambda a, b: (_hull(index[a:b]),), repeat)

    ratio = x.rows / node.rows if factors is None else 1 / factors[0]
    reach = {"bilinear": 1, "bicubic": 2, "area": 1}[mode] * (max(ratio, 1) if a["antialias"] or mode == "area" else 1)

    def centre(row: int) -> float:
        if a["align_corners"]:
            return row * (x.rows - 1) / max(node.rows - 1, 1)
        return (row + 0.5) * ratio - 0.5

    def need(a: int, b: int) -> Span:
        return clipped((math.floor(centre(a) - reach) - 1, math.ceil(centre(b - 1) + reach) + 2), x.rows)

    def run(strips: Sequence[Tensor], a_: int, b: int, context: Context) -> Tensor:
        first, last = need(a_, b)
        dtype = torch.promote_types(strips[0].dtype, torch.float32)
        ones = torch.zeros(1, last - first, x.rows, 2, dtype=dtype)  # torch's bicubic is wrong for one column
        ones[0, :, first:last, 0].fill_diagonal_(1)
        weights = resample(ones, True, False)[0, :, a_:b, 0].T
        wide = resample(strips[0], False, True)
        return torch.matmul(weights.to(wide), wide)

    return Step(node, (x,), lambda a, b: (need(a, b),), run, work=node.numel * 4)


@lowers("matmul", "rmatmul")
def _product(node: Node) -> Step:
    """`matrix @ x` mixes rows, `x @ matrix` columns."""
    left, right = node.args if node.name == "matmul" else reversed(node.args)
    x = left if isinstance(left, Node) else right
    if node.kwargs or len(node.inputs()) != 1 or len(x.shape) < 3 or (left is not x and left.ndim != 2):
        raise Unknown("a product of tensors")
    if x is left:
        return Step(node, (x,), same_rows(node, (x,)), lambda strips, a, b, context: torch.matmul(strips[0], right))
    used = left != 0
    firsts = used.int().argmax(1)
    lasts = left.shape[1] - used.flip(1).int().argmax(1)

    def need(a: int, b: int) -> Span:
        some = used[a:b].any(1)
        if not bool(some.any()):
            return 0, 1
        return int(firsts[a:b][some].min()), int(lasts[a:b][some].max())

    def run(strips: Sequence[Tensor], a: int, b: int, context: Context) -> Tensor:
        first, last = need(a, b)
        return torch.matmul(left[a:b, first:last], strips[0])

    return Step(node, (x,), lambda a, b: (need(a, b),), run)


def _weight(value: Any, node: Node) -> Tensor:
    if not isinstance(value, Tensor):
        raise Unknown(f"{node.name} with weights that depend on the image")
    return value


def _pair(value: Any, default: int) -> tuple[Any, Any]:
    if value is None:
        return default, default
    if isinstance(value, (tuple, list)):
        return (value[0], value[-1])
    return value, value
