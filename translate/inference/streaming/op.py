"""One call of a network as it is made for some rows of its output: which rows it reads, and what it does with them.

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
    """What a call may need beside its strips: statistics of whole images, the device, and the seed of dropout."""

    statistics: Mapping[Node, ChannelStatistics]
    device: torch.device
    seed: int = 0


Need = Callable[[int, int], tuple[Span, ...]]
Run = Callable[[Sequence[Tensor], int, int, OpContext], Tensor]


@dataclass(frozen=True)
class RowOp:
    """A node, made for some of its rows.

    `need(start, stop)`: the rows of each of `reads` that the rows [start, stop) of the node depend on.
    `run(strips, start, stop, context)`: makes these rows from exactly those rows of its inputs.
    `work`: multiplications for the whole tensor, where they count. `gathers`: a node whose statistics over the whole
    image must be there first.
    """

    node: Node
    reads: tuple[Node, ...]
    need: Need
    run: Run
    work: int = 0
    gathers: Node | None = None


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

    `names`: of the parameters, for functions written in C++, which do not tell theirs.
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
    """Returns an option of a layer as (of rows, of columns); torch takes one number for both, too."""
    if value is None:
        return default, default
    # A sequence of one number stands for both, like a number.
    if isinstance(value, (tuple, list)):
        return value[0], value[-1]
    return value, value


def clipped(span: Span, rows: int) -> Span:
    """Returns the part of a span that an image of `rows` rows has: at least one row."""
    # A span wholly above or below the image gives its first or last row, so that no strip is empty.
    return min(max(span[0], 0), rows - 1), max(min(span[1], rows), 1)


def same_rows(node: Node, reads: Sequence[Node]) -> Need:
    """Returns `need` for an op whose row depends on the same row of each input, or on the only row that it has."""
    for read in reads:
        # One row is broadcast to all rows of the output.
        if len(read.shape) < 2 or read.rows not in (1, node.rows):
            raise UnsupportedOp(f"{node.name} of {read.shape} to {node.shape}")

    def need(start: int, stop: int) -> tuple[Span, ...]:
        return tuple((start, stop) if read.rows == node.rows else (0, 1) for read in reads)

    return need


def on_rows(node: Node, function: Callable[..., Any] | None = None, **changed: Any) -> RowOp:
    """Returns the call itself with strips for its tensors: for whatever treats each row alone.

    `function`: to be called instead of the node's. `changed`: keyword arguments instead of the node's.
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

        # The call as the network made it, but on strips.
        args = map_leaves(node.args, local)
        kwargs = {**map_leaves(node.kwargs, local), **changed}
        returned = call(*args, **kwargs)
        output: Tensor = returned if node.part is None else returned[node.part]
        return output

    return RowOp(node, reads, need, run)
