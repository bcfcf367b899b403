"""One call of a network, computed for some rows of its output alone: which rows of its inputs it reads, and how.

The files `ops_*.py` say this for each torch function that streaming can follow; `op_table.py` lists them by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from translate.inference.streaming.statistics import ChannelStatistics
from translate.inference.streaming.trace import Node, map_leaves

if TYPE_CHECKING:
    import torch

Span = tuple[int, int]
"""Rows from the first to before the second."""


class UnsupportedOp(Exception):  # noqa: N818 (a reason to do something else, which no user sees as an error)
    """An operation that is not known to be local in rows, nor a norm."""


@dataclass(frozen=True)
class OpContext:
    """Things beside its strips that an op may need: statistics of whole tensors, and the device."""

    statistics: Mapping[Node, ChannelStatistics]
    device: torch.device


Need = Callable[[int, int], tuple[Span, ...]]
"""`need(start, stop)`, see `RowOp`."""

Run = Callable[[Sequence[Tensor], int, int, OpContext], Tensor]
"""`run(strips, start, stop, context)`, see `RowOp`."""


@dataclass(frozen=True)
class RowOp:
    """A node that can be computed for some of its rows.

    `need(start, stop)` returns, for each of `reads`, the rows that the rows [start, stop) of the node depend on.
    `run(strips, start, stop, context)` computes the rows [start, stop) from exactly those rows, one strip for each of
    `reads`. `work` counts multiplications for the whole tensor, where there are many. `statistics_of` is a node whose
    mean and variance over the whole image have to be complete before any row of this one.
    """

    node: Node
    reads: tuple[Node, ...]
    need: Need
    run: Run
    work: int = 0
    statistics_of: Node | None = None


@dataclass(frozen=True)
class RowRule:
    """How calls of the functions with these `names` become row operations. `make` raises UnsupportedOp."""

    names: tuple[str, ...]
    make: Callable[[Node], RowOp]


def row_op(*names: str) -> Callable[[Callable[[Node], RowOp]], RowRule]:
    """Turns a function from a node to its row operation into the rule for torch functions of these names.

    A rule takes effect once it stands in the table of `op_table.py`.
    """
    return lambda make: RowRule(names, make)


def arguments(node: Node, *names: str) -> dict[str, Any]:
    """Returns the arguments of a call by name; None where they are left out.

    `names` are those of the parameters in order. They are needed for functions in C++, which have no signature.
    """
    assert node.function is not None
    # Without a signature, places are matched with the names that the caller knows.
    by_place = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    try:
        by_name = inspect.signature(node.function).bind(*node.args, **node.kwargs).arguments
    except (TypeError, ValueError):
        by_name = by_place
    # A signature of *args and **kwargs alone says nothing: torch wraps some of its functions like that.
    uninformative = "args" in by_name or "kwargs" in by_name
    return {**dict.fromkeys(names), **(by_place if uninformative else by_name)}


def image_argument(value: Any, node: Node) -> Node:
    """Returns an argument that has to be an N x C x H x W tensor which depends on the image. Errors: UnsupportedOp."""
    if not isinstance(value, Node) or len(value.shape) != 4:
        raise UnsupportedOp(f"{node.name} of something else than N x C x H x W")
    return value


def weight_argument(value: Any, node: Node) -> Tensor:
    """Returns an argument that has to be a constant tensor. Errors: UnsupportedOp."""
    if not isinstance(value, Tensor):
        raise UnsupportedOp(f"{node.name} with weights that depend on the image")
    return value


def pair(value: Any, default: int) -> tuple[Any, Any]:
    """Returns an option of a layer as (its value along rows, that along columns); torch also takes one for both."""
    if value is None:
        return default, default
    # A sequence of one number stands for both, like a number.
    if isinstance(value, (tuple, list)):
        return value[0], value[-1]
    return value, value


def clipped(span: Span, rows: int) -> Span:
    """Returns the part of a span that lies inside an image of `rows` rows, and at least one row."""
    # A span wholly above or below the image gives its first or last row, so that no strip is empty.
    return min(max(span[0], 0), rows - 1), max(min(span[1], rows), 1)


def same_rows(node: Node, reads: Sequence[Node]) -> Need:
    """Returns `need` for an op whose row r depends on row r of each input, or on the only row that an input has."""
    for read in reads:
        # One row is broadcast to all rows of the output.
        if len(read.shape) < 2 or read.rows not in (1, node.rows):
            raise UnsupportedOp(f"{node.name} of {read.shape} to {node.shape}")

    def need(start: int, stop: int) -> tuple[Span, ...]:
        return tuple((start, stop) if read.rows == node.rows else (0, 1) for read in reads)

    return need


def on_rows(node: Node, function: Callable[..., Any] | None = None, **changed: Any) -> RowOp:
    """Returns an op that makes the node's own call, on strips instead of whole tensors.

    This is right for every function that treats each row alone. `function` is called in place of the node's own, and
    the keyword arguments `changed` replace the node's. Errors: UnsupportedOp where rows do not correspond.
    """
    reads = node.inputs()
    need = same_rows(node, reads)
    call = function or node.function
    assert call is not None

    def run(strips: Sequence[Tensor], start: int, stop: int, context: OpContext) -> Tensor:
        strip_of = dict(zip(reads, strips, strict=True))

        def local(leaf: Any) -> Any:
            if isinstance(leaf, Node):
                return strip_of[leaf]
            # A constant with a value for each row, such as a grid of coordinates, is cut like the image.
            if isinstance(leaf, Tensor) and leaf.ndim > 1 and node.rows > 1 and leaf.shape[-2] == node.rows:
                return leaf[..., start:stop, :]
            return leaf

        args = map_leaves(node.args, local)
        kwargs = {**map_leaves(node.kwargs, local), **changed}
        returned = call(*args, **kwargs)
        output: Tensor = returned if node.part is None else returned[node.part]
        return output

    return RowOp(node, reads, need, run)
