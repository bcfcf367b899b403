"""Executes a schedule: pass by pass, strip by strip, op by op."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from translate.inference.streaming.disk_tensors import DiskTensors
from translate.inference.streaming.op import OpContext, RowOp, Span
from translate.inference.streaming.schedule import Pass, Schedule
from translate.inference.streaming.statistics import ChannelStatistics
from translate.inference.streaming.trace import Node

Read = Callable[[int, int], Tensor]
"""Returns the rows [first, last) of an input, 1 x C x rows x W, on the device."""

Write = Callable[[int, Tensor], None]
"""Takes the number of a row of the output, and the rows from there on, 1 x C x rows x W; calls come in their order."""


@torch.inference_mode()
def execute(
    schedule: Schedule,
    inputs: Sequence[tuple[Node, Read]],
    write: Write,
    disk: DiskTensors,
    *,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Computes the output of a schedule, whose inputs are read and whose output is written strip by strip.

    `dtype` is the type of values on disk.
    """
    statistics: dict[Node, ChannelStatistics] = {}
    run = _Run(dict(inputs), write, disk, OpContext(statistics, device))
    for pass_ in schedule.passes:
        # They are incomplete until the pass has ended: later passes alone read them.
        statistics.update({node: ChannelStatistics() for node in pass_.gathers})
        for node in pass_.stores:
            disk.add(node, node.shape, dtype)
        for number in range(pass_.strips):
            run.strip(pass_, number)
        for node in pass_.frees:
            disk.free(node)


@dataclass(frozen=True)
class _Run:
    """Holds what is the same for all strips: where they come from and where they go to."""

    inputs: Mapping[Node, Read]
    write: Write
    disk: DiskTensors
    context: OpContext

    def strip(self, pass_: Pass, number: int) -> None:
        """Computes one strip of a pass. A tensor is dropped after its last reader."""
        own, rows = pass_.spans(number, pass_.strips)
        readers_left, values = pass_.readers(), dict[Node, Tensor]()
        for op in pass_.ops:
            node = op.node if isinstance(op, RowOp) else op
            if node not in rows:
                # Targets of few rows have none in some strips.
                continue
            # `value` has the rows that any reader needs: more than the strip's own at both sides.
            if isinstance(op, RowOp):
                value = self._compute(op, values, rows)
                for source in op.reads:
                    readers_left[source] -= 1
                    if not readers_left[source]:
                        del values[source]
            else:
                value = self._fetch(pass_, node, rows[node])
            if readers_left.get(node):
                values[node] = value
            if node in own:
                first, last = own[node]
                start = rows[node][0]
                self._deliver(pass_, node, first, value[..., first - start : last - start, :])

    def _compute(self, op: RowOp, values: Mapping[Node, Tensor], rows: Mapping[Node, Span]) -> Tensor:
        start, stop = rows[op.node]
        strips = []
        for read, (first, last) in zip(op.reads, op.need(start, stop), strict=True):
            # Another reader may need more rows of the same tensor: an op gets exactly those that it asked for.
            read_start = rows[read][0]
            strips.append(values[read][..., first - read_start : last - read_start, :])
        device = self.context.device.type
        # The caller's autocast holds for all ops but those that the network itself took out of it.
        with torch.autocast(device, enabled=False) if op.node.fp32 else nullcontext():
            return op.run(strips, start, stop, self.context)

    def _fetch(self, pass_: Pass, node: Node, span: Span) -> Tensor:
        """Returns rows that an earlier pass has stored, or rows of an input."""
        if node in pass_.loads:
            return self.disk.read(node, *span).to(self.context.device)
        return self.inputs[node](*span)

    def _deliver(self, pass_: Pass, node: Node, first: int, strip: Tensor) -> None:
        """Passes a target's own rows on. A node may be stored, gathered and the result at once."""
        if node in pass_.stores:
            self.disk.write(node, first, strip)
        if node in pass_.gathers:
            self.context.statistics[node].add(strip)
        if node is pass_.result:
            self.write(first, strip)
