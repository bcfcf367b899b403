"""The order of work on an image that is larger than memory: passes over its rows, and what stays between them.

A norm needs statistics of the whole image before the first of its outputs. So a trace is cut into passes: each goes
over the image strip by strip, computes as much as the statistics of earlier passes allow, gathers new statistics and
stores on disk what later passes read. What costs less to compute again than to store and load is computed again.
A long chain without a norm is cut, too, where strips would have to compute too many of their neighbours' rows again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from translate.inference.streaming.op import RowOp, Span, UnsupportedOp
from translate.inference.streaming.op_table import lower
from translate.inference.streaming.trace import Node, Trace, leaves

MACS_PER_BYTE = {"cpu": 64, "cuda": 2048}
"""How many multiplications of a convolution take about as long as one byte that goes to or from the disk."""

MOST_RECOMPUTED = 0.25
"""A pass is cut where a strip would compute more rows of its neighbours than this share of its own."""


@dataclass(frozen=True)
class Pass:
    """One pass over the image, in so many `strips`.

    `ops` compute its nodes in order; a bare node among them is an input or one of `loads`. The pass reads `loads` from
    disk and writes `stores` there, takes statistics of `gathers`, and is the last one to read `frees`. `result` is the
    output, where this pass computes it.
    """

    ops: tuple[RowOp | Node, ...]
    loads: frozenset[Node]
    stores: frozenset[Node]
    gathers: frozenset[Node]
    frees: frozenset[Node]
    result: Node | None
    strips: int = 1

    @cached_property
    def targets(self) -> frozenset[Node]:
        """The nodes that the pass is there for: all others are computed on the way to them."""
        return self.stores | self.gathers | (frozenset([self.result]) if self.result else frozenset())

    def spans(self, number: int, strips: int) -> tuple[dict[Node, Span], dict[Node, Span]]:
        """Returns, for one of so many strips, the rows of each target that are its own, and all rows that it computes.

        Strips share the rows of a target among them, but overlap in what these rows depend on.
        """
        own = {n: (n.rows * number // strips, n.rows * (number + 1) // strips) for n in self.targets}
        own = {node: span for node, span in own.items() if span[0] < span[1]}
        rows = dict(own)
        # Backwards: when an op is reached, all of its readers have said which rows they need.
        for op in reversed(self.ops):
            if isinstance(op, RowOp) and op.node in rows:
                for read, (first, last) in zip(op.reads, op.need(*rows[op.node]), strict=True):
                    wanted = rows.get(read, (first, last))
                    rows[read] = (min(first, wanted[0]), max(last, wanted[1]))
        return own, rows

    def readers(self) -> dict[Node, int]:
        """Returns how many ops of the pass read each node."""
        counts: dict[Node, int] = {}
        for op in self.ops:
            for read in op.reads if isinstance(op, RowOp) else ():
                counts[read] = counts.get(read, 0) + 1
        return counts

    def memory(self, strips: int, itemsize: int = 4) -> int:
        """Returns the bytes that one of so many strips, from the middle, takes at the worst moment."""
        _, rows = self.spans(strips // 2, strips)
        size = {node: node.numel // node.rows * (last - first) * itemsize for node, (first, last) in rows.items()}
        readers_left, alive, peak = self.readers(), 0, 0
        for op in self.ops:
            node = op.node if isinstance(op, RowOp) else op
            if node not in rows:
                continue
            alive += size[node]
            reads = op.reads if isinstance(op, RowOp) else ()
            # Convolutions keep copies of their input and output while they run.
            peak = max(peak, alive + sum(size[read] for read in reads) + size[node])
            for read in reads:
                readers_left[read] -= 1
                if not readers_left[read]:
                    alive -= size[read]
            if not readers_left.get(node):
                # A target that nobody reads is gone once it is stored or written.
                alive -= size[node]
        return peak


@dataclass(frozen=True)
class Schedule:
    """Passes in order, and the bytes on disk that they take at the worst moment."""

    passes: tuple[Pass, ...]
    output: Node
    disk_bytes: int


def make_schedule(
    trace: Trace, *, strips: int | None = None, budget: int, itemsize: int = 4, device: str = "cpu"
) -> Schedule:
    """Cuts a trace into passes, whose strips take at most about `budget` bytes each.

    With `strips`, each pass has so many strips instead. `itemsize` is the bytes of a value on disk. Errors:
    UnsupportedOp, for an operation that cannot be made row by row.
    """
    scheduler = _Scheduler(trace, strips or _estimated_strips(trace, budget), itemsize, MACS_PER_BYTE[device])
    passes = [_in_strips(pass_, strips, budget) for pass_ in scheduler.passes()]
    used = most = 0
    for pass_ in passes:
        # A pass needs what it frees until its end: for a while that and its own stores are both on disk.
        used += sum(node.numel for node in pass_.stores) * itemsize
        most = max(most, used)
        used -= sum(node.numel for node in pass_.frees) * itemsize
    return Schedule(tuple(passes), trace.output, most)


def work(trace: Trace) -> tuple[int, int]:
    """Returns the multiplications with weights in all convolutions that are known, and how many weights these have."""
    multiplications, weights = 0, dict[int, int]()
    for node in trace.nodes:
        if node.function is None or "conv" not in node.name:
            continue
        with suppress(UnsupportedOp):
            multiplications += lower(node).work
            # By id: a layer that is called twice has its weights once.
            constants = (leaf for leaf in leaves((node.args, node.kwargs)) if isinstance(leaf, Tensor))
            weights.update((id(tensor), tensor.numel()) for tensor in constants)
    return multiplications, sum(weights.values())


def _estimated_strips(trace: Trace, budget: int) -> int:
    """Returns about how many strips there will be: four tensors of the largest size have to fit, 4 bytes a value."""
    return max(1, -(-16 * max(node.numel for node in trace.nodes) // budget))


def _in_strips(pass_: Pass, strips: int | None, budget: int) -> Pass:
    """Returns a pass with the number of strips that was asked for, or the smallest one (nearly) within the budget."""
    tallest = max(node.rows for node in pass_.targets)
    number = min(strips or 1, tallest)
    while strips is None and number < tallest and pass_.memory(number) > budget:
        # A quarter more at a time: to try every number would take long where there are hundreds of strips.
        number = min(tallest, max(number + 1, number * 5 // 4))
    return replace(pass_, strips=number)


class _Scheduler:
    """Decides in which pass each node is computed first (its level), and which nodes are stored."""

    def __init__(self, trace: Trace, strips: int, itemsize: int, macs_per_byte: int) -> None:
        self.output, self.strips, self.itemsize, self.macs_per_byte = trace.output, strips, itemsize, macs_per_byte
        self.ops = _needed_ops(trace)
        self.order = [node for node in trace.nodes if node in self.ops or node in trace.inputs]
        self.halos = {node: _halos(op) for node, op in self.ops.items()}
        self.level = dict.fromkeys(trace.inputs, 0)
        # How far a node looks beyond a strip's own rows within its pass, in shares of the image's height.
        self.reach = dict.fromkeys(trace.inputs, 0.0)
        # Nodes that are stored in order to end a pass behind them.
        self.cuts: set[Node] = set()
        self._find_levels()
        self.stored = set(self.cuts)
        self._choose_stores()

    def _find_levels(self) -> None:
        nodes = [node for node in self.order if node in self.ops]
        number = 0
        while number < len(nodes):
            node = nodes[number]
            self._place(node)
            # A strip is 1 / strips of the height, and computes `reach` more of it at both of its sides.
            reaches_too_far = self.reach[node] * 2 * self.strips > MOST_RECOMPUTED
            cuts = self._nearest_with_work(self.ops[node].reads, node) if reaches_too_far else set()
            if cuts - self.cuts:
                self.cuts |= cuts
                # Nodes that read the new cuts move to later passes: all nodes behind the first cut are placed again.
                number = min(n for n, other in enumerate(nodes) if other in cuts)
            number += 1

    def _place(self, node: Node) -> None:
        """Sets the level and the reach of a node, from those of what it reads."""
        op = self.ops[node]
        levels = [self.level[read] + (read in self.cuts) for read in op.reads]
        if op.statistics_of:
            # Statistics are complete once the pass that gathers them has ended.
            levels.append(self.level[op.statistics_of] + 1)
        self.level[node] = level = max(levels)
        self.reach[node] = 0.0
        for read, halo in zip(op.reads, self.halos[node], strict=True):
            # Reach adds up along a chain within one pass; what comes from disk begins at 0.
            same_pass = self.level[read] == level and read not in self.cuts
            self.reach[node] = max(self.reach[node], halo + (self.reach[read] if same_pass else 0.0))

    def _nearest_with_work(self, nodes: Iterable[Node], reader: Node) -> set[Node]:
        """Returns, on each way back from `reader` within its pass, the first node with `work` (such as a convolution).

        Behind it is the place to cut: what is stored there saves the most work.
        """
        nearest: set[Node] = set()
        for node in nodes:
            if node in self.ops and self.level[node] == self.level[reader] and node not in self.cuts:
                nearest |= {node} if self.ops[node].work else self._nearest_with_work(self.ops[node].reads, reader)
        return nearest

    def _choose_stores(self) -> None:
        """Stores a node that later passes read, where computing it again in each of them costs more than the disk."""
        later_uses = self._later_uses()
        for node in self.order:
            uses = len(later_uses[node])
            if not uses or node in self.stored or node not in self.ops:
                continue
            computed, read = self._region([node], self.stored)
            # Both costs in bytes of disk: to compute it again for each use, with what that loads, against to store it
            # once and to load it for each use.
            multiplications = sum(self.ops[other].work for other in computed)
            recompute = multiplications / self.macs_per_byte + sum(other.numel for other in read) * self.itemsize
            if recompute * uses >= node.numel * self.itemsize * (1 + uses):
                self.stored.add(node)

    def _later_uses(self) -> dict[Node, set[int]]:
        """Returns the later levels at which a node may be read, directly or by what is cheap to compute from it."""
        uses: dict[Node, set[int]] = {node: set() for node in self.order}
        for node in reversed(self.order):
            op = self.ops.get(node)
            if op is None:
                continue
            levels = {self.level[node]} | (set() if op.work else uses[node])
            for read in op.reads:
                uses[read] |= {level for level in levels if level > self.level[read]}
        return uses

    def _region(self, nodes: Iterable[Node], ready: set[Node]) -> tuple[set[Node], set[Node]]:
        """Returns what has to be computed for `nodes`, and the inputs and `ready` nodes it is computed from."""
        computed: set[Node] = set()
        read: set[Node] = set()
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            if node in ready or node not in self.ops:
                read.add(node)
            elif node not in computed:
                computed.add(node)
                waiting += self.ops[node].reads
        return computed, read

    def passes(self) -> list[Pass]:
        """Returns the passes in order. They are found from the last to the first, since a pass stores only what later
        ones load."""
        loaded_later: set[Node] = set()
        gathered = {op.statistics_of for op in self.ops.values() if op.statistics_of}
        passes: list[Pass] = []
        for level in range(self.level[self.output], -1, -1):
            ready = {node for node in self.stored if self.level[node] < level}
            stores = {node for node in loaded_later if self.level[node] == level}
            gathers = {node for node in gathered if self.level[node] == level}
            result = self.output if self.level[self.output] == level else None
            targets = stores | gathers | ({result} if result else set())
            if not targets:
                continue
            computed, read = self._region(targets, ready)
            loads = read & ready
            ops = tuple(self._op_or_node(node, loads) for node in self.order if node in computed or node in read)
            # The last pass that loads a node is the first one in this order.
            frees = frozenset(loads - loaded_later)
            passes.append(Pass(ops, frozenset(loads), frozenset(stores), frozenset(gathers), frees, result))
            loaded_later |= loads
        return passes[::-1]

    def _op_or_node(self, node: Node, loads: set[Node]) -> RowOp | Node:
        return node if node in loads else self.ops.get(node, node)


def _needed_ops(trace: Trace) -> Mapping[Node, RowOp]:
    """Returns the ops of all nodes that the output depends on. Errors: UnsupportedOp."""
    ops: dict[Node, RowOp] = {}
    waiting = [trace.output]
    while waiting:
        node = waiting.pop()
        if node in ops or node.function is None:
            continue
        ops[node] = op = lower(node)
        waiting += op.reads
        if op.statistics_of:
            waiting.append(op.statistics_of)
    return ops


def _halos(op: RowOp) -> tuple[float, ...]:
    """Returns for each input how far a strip looks beyond its own rows at each side, in shares of the height."""
    rows = op.node.rows
    # A strip from the middle, where no border cuts off what it looks at. Its height hardly matters.
    first = rows // 2
    last = min(first + max(1, rows // 8), rows)
    halos = []
    for read, (read_first, read_last) in zip(op.reads, op.need(first, last), strict=True):
        surplus = (read_last - read_first) / read.rows - (last - first) / rows
        halos.append(max(0.0, surplus) / 2)
    return tuple(halos)
