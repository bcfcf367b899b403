"""Runs a plan: pass by pass, strip by strip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from translate.inference.streaming.disk_tensors import Scratch
from translate.inference.streaming.ops_pointwise import Context, Span, Step
from translate.inference.streaming.schedule import Part, Plan
from translate.inference.streaming.statistics import Moments
from translate.inference.streaming.trace import Node

Read = Callable[[int, int], Tensor]
"""Rows [a, b) of an input, 1 x C x rows x W, on the device."""

Write = Callable[[int, Tensor], None]
"""Takes the rows of the output from the first one given on, in order."""


@torch.inference_mode()
def run(
    plan: Plan,
    inputs: Sequence[tuple[Node, Read]],
    write: Write,
    scratch: Scratch,
    *,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> None:
    """Makes the output of a plan, whose inputs are read and whose output is written strip by strip.

    `dtype`: of what is kept in scratch. `seed`: of dropout that is on.
    """
    moments: dict[Node, Moments] = {}
    context = Context(moments, device, seed)
    read = dict(inputs)
    for part in plan.parts:
        moments.update({node: Moments() for node in part.gathers})
        for node in part.stores:
            scratch.add(node, node.shape, dtype)
        for number in range(part.strips):
            _strip(part, number, read, write, scratch, context)
        for node in part.frees:
            scratch.free(node)


def _strip(part: Part, number: int, read: dict[Node, Read], write: Write, scratch: Scratch, context: Context) -> None:
    own, rows = part.spans(number, part.strips)
    left, values = part.readers(), dict[Node, Tensor]()
    for step in part.steps:
        node = step.node if isinstance(step, Step) else step
        if node not in rows:
            continue
        a, b = rows[node]
        if isinstance(step, Step):
            value = _make(step, values, rows, context)
            for source in step.reads:
                left[source] -= 1
                if not left[source]:
                    del values[source]
        elif node in part.loads:
            value = scratch.read(node, a, b).to(context.device)
        else:
            value = read[node](a, b)
        if left.get(node):
            values[node] = value
        if node in own:
            first, last = own[node]
            mine = value[..., first - a : last - a, :]
            if node in part.stores:
                scratch.write(node, first, mine)
            if node in part.gathers:
                context.moments[node].add(mine)
            if node is part.result:
                write(first, mine)


def _make(step: Step, values: Mapping[Node, Tensor], rows: Mapping[Node, Span], context: Context) -> Tensor:
    a, b = rows[step.node]
    strips = []
    for read, (first, last) in zip(step.reads, step.need(a, b), strict=True):
        start = rows[read][0]
        strips.append(values[read][..., first - start : last - start, :])
    with torch.autocast(context.device.type, enabled=False) if step.node.fp32 else nullcontext():
        return step.run(strips, a, b, context)
