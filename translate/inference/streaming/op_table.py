"""The table of all torch functions that can be computed row by row, by name.

A network that calls any other function is computed in overlapping bands instead (`approximate.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from translate.inference.streaming import ops_attention, ops_norm, ops_pointwise, ops_resample, ops_spatial
from translate.inference.streaming.op import RowOp, RowRule, UnsupportedOp
from translate.inference.streaming.trace import Node

RULES: tuple[RowRule, ...] = (
    # each row alone
    ops_pointwise.pixelwise,
    ops_pointwise.joined,
    ops_pointwise.along_an_axis,
    ops_pointwise.reduced,
    ops_pointwise.reshaped,
    ops_pointwise.indexed,
    # statistics of the whole image
    ops_norm.image_norm,
    ops_norm.group_norm,
    ops_norm.global_pool,
    ops_norm.dropout,
    # neighbouring rows
    ops_spatial.convolution,
    ops_spatial.transposed_convolution,
    ops_spatial.pool,
    ops_spatial.padded,
    ops_spatial.shuffle,
    ops_spatial.unshuffle,
    ops_attention.windows,
    # weighted sums of rows
    ops_resample.interpolation,
    ops_resample.product,
)


def _by_name(rules: tuple[RowRule, ...]) -> Mapping[str, RowRule]:
    table: dict[str, RowRule] = {}
    for rule in rules:
        # Two rules for one name would depend on the order of the table.
        for name in rule.names:
            assert name not in table, f"two rules for {name}"
            table[name] = rule
    return table


TABLE = _by_name(RULES)


def lower(node: Node) -> RowOp:
    """Returns the row operation that computes a node. Errors: UnsupportedOp, for a function that has no rule here."""
    if node.name not in TABLE:
        raise UnsupportedOp(node.name)
    if len(node.shape) < 3:
        raise UnsupportedOp(f"{node.name} of a tensor without rows")
    return TABLE[node.name].make(node)
