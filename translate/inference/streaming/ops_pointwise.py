"""Row operations that treat each row alone: pixel by pixel, or along channels and columns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from translate.inference.streaming.op import (
    OpContext,
    RowOp,
    Span,
    UnsupportedOp,
    arguments,
    on_rows,
    row_op,
    same_rows,
)
from translate.inference.streaming.ops_norm import mean_of_all
from translate.inference.streaming.trace import Node

# ------------------------------------------------------------------------------------------------------ pixel by pixel

IN_PLACE = {"iadd": "add", "isub": "sub", "imul": "mul", "itruediv": "div", "ipow": "pow"}
"""Operators that write into their left side, with the function that makes a new tensor instead."""

ARITHMETIC = (
    *("add", "radd", "sub", "rsub", "subtract", "mul", "rmul", "multiply", "div", "truediv", "divide", "rtruediv"),
    *("neg", "abs", "pow", "rpow", "square", "sqrt", "rsqrt", "reciprocal", "exp", "log", "sin", "cos", "sign"),
    *("clamp", "clip", "clamp_min", "clamp_max", "minimum", "maximum", "round", "floor", "ceil", "lerp", "addcmul"),
)
COMPARISONS = (
    *("gt", "lt", "ge", "le", "eq", "ne", "logical_and", "logical_or", "logical_not", "and", "or", "invert"),
    *("where", "masked_fill", "nan_to_num"),
)
ACTIVATIONS = (
    *("relu", "relu6", "leaky_relu", "prelu", "elu", "celu", "selu", "gelu", "silu", "mish", "hardtanh", "hardswish"),
    *("hardsigmoid", "sigmoid", "logsigmoid", "tanh", "softplus", "softsign"),
)
CHANNELS = ("layer_norm_2d",)
"""Functions of all channels of a pixel."""

COPIES = (
    *("to", "type_as", "float", "half", "bfloat16", "double", "bool", "contiguous", "clone", "detach"),
    *("zeros_like", "ones_like", "full_like"),
)


@row_op(*IN_PLACE, *ARITHMETIC, *COMPARISONS, *ACTIVATIONS, *CHANNELS, *COPIES)
def pixelwise(node: Node) -> RowOp:
    """Functions of single pixels, or of pixels at the same place in several tensors."""
    # Strips of one tensor may be read by several ops, so that no call may write into its input.
    base = IN_PLACE.get(node.name, node.name)
    title = getattr(node.function, "__name__", "")
    method_in_place = title.endswith("_") and not title.startswith("__")
    if node.name in IN_PLACE or method_in_place:
        return on_rows(node, getattr(torch, base, None) or getattr(Tensor, base))
    if any(value is True for value in node.args[1:]) and "relu" in node.name:
        # relu(x, True): the flag has no name by which it could be switched off.
        raise UnsupportedOp(f"{node.name} with an unnamed `inplace`")
    return on_rows(node, inplace=False) if node.kwargs.get("inplace") else on_rows(node)


# --------------------------------------------------------------------------------------- along other axes than the rows


@row_op("cat", "concat", "stack")
def joined(node: Node) -> RowOp:
    """Tensors that are joined along channels or columns."""
    options = arguments(node, "tensors", "dim")
    # For `stack`, `dim` is an axis of the output. A new last axis (-1) pushes the columns to where the rows were.
    along_rows = (-2, -1) if node.name == "stack" else (-2,)
    if _from_end(options["dim"] or 0, len(node.shape)) in along_rows:
        raise UnsupportedOp(f"{node.name} along the rows")
    return on_rows(node)


@row_op("chunk", "split", "unbind", "narrow", "softmax", "log_softmax")
def along_an_axis(node: Node) -> RowOp:
    """Parts of a tensor, or weights that add up to 1, along channels or columns."""
    names = {"chunk": ("input", "chunks", "dim"), "split": ("tensor", "split_size", "dim")}
    options = arguments(node, *names.get(node.name, ("input", "dim")))
    source = node.inputs()[0]
    axis = _from_end(options["dim"] or 0, len(source.shape))
    # `unbind` removes its axis: without columns the rows would become the last axis, and not the last but one.
    loses_columns = node.name == "unbind" and axis == -1
    if axis == -2 or loses_columns or len(source.shape) < 3:
        raise UnsupportedOp(f"{node.name} along the rows")
    return on_rows(node)


@row_op("mean", "sum", "amax", "amin", "argmax")
def reduced(node: Node) -> RowOp:
    """Sums and their like over channels or columns; the mean over the whole image."""
    options = arguments(node, "input", "dim", "keepdim")
    source, keepdim = node.inputs()[0], bool(options["keepdim"])
    dims = options["dim"] if isinstance(options["dim"], (tuple, list)) else [options["dim"]]
    if None in dims:
        raise UnsupportedOp(f"{node.name} of everything")
    axes = {_from_end(dim, len(source.shape)) for dim in dims}
    # The mean over rows and columns is one of the statistics that norms need: it is gathered like theirs.
    if node.name == "mean" and axes == {-1, -2} and keepdim and len(source.shape) == 4:
        return mean_of_all(node, source)
    if -2 in axes or (-1 in axes and not keepdim):
        raise UnsupportedOp(f"{node.name} along the rows")
    return on_rows(node)


@row_op("reshape", "view", "flatten", "unflatten", "unsqueeze", "squeeze", "expand", "expand_as")
def reshaped(node: Node) -> RowOp:
    """Changes of the axes before rows and columns, such as channels that are split in groups."""
    source = node.inputs()[0]
    if len(source.shape) < 3 or source.shape[-2:] != node.shape[-2:]:
        raise UnsupportedOp(f"{node.name} of rows")

    def run(strips: Sequence[Tensor], start: int, stop: int, context: OpContext) -> Tensor:
        # The shape in the call is that of the whole image; a strip has fewer rows.
        shape = (*node.shape[:-2], stop - start, node.shape[-1])
        return strips[0].expand(shape) if "expand" in node.name else strips[0].reshape(shape)

    return RowOp(node, (source,), same_rows(node, (source,)), run)


@row_op("getitem")
def indexed(node: Node) -> RowOp:
    """Slices; those of the rows have to take neighbouring rows (step 1)."""
    source, index = node.args
    if len(node.inputs()) > 1 or not isinstance(source, Node):
        raise UnsupportedOp("indexing with a tensor on the way")
    entries = list(index) if isinstance(index, tuple) else [index]
    if any(isinstance(entry, (Tensor, list, bool)) for entry in entries):
        raise UnsupportedOp("indexing with a tensor or a list")
    # Written out, an index has one entry for each axis, and None where it adds one: `...` becomes as many `:` as fit.
    indexed_axes = sum(entry is not None and entry is not Ellipsis for entry in entries)
    place = entries.index(Ellipsis) if Ellipsis in entries else len(entries)
    entries[place : place + 1] = [slice(None)] * (len(source.shape) - indexed_axes)
    if not all(isinstance(entry, slice) for entry in entries[-2:]):
        raise UnsupportedOp("indexing that takes the rows away")
    first, _, step = entries[-2].indices(source.rows)
    if step != 1:
        raise UnsupportedOp("every other row")
    # The rows are cut by `need`, so that the index takes all rows of the strip.
    on_strip = (*entries[:-2], slice(None), entries[-1])

    def need(start: int, stop: int) -> tuple[Span, ...]:
        return ((start + first, stop + first),)

    def run(strips: Sequence[Tensor], start: int, stop: int, context: OpContext) -> Tensor:
        return strips[0][on_strip]

    return RowOp(node, (source,), need, run)


def _from_end(dim: int, axes: int) -> int:
    """Returns an axis counted from the end, as rows (-2) and columns (-1) are."""
    return dim if dim < 0 else dim - axes
