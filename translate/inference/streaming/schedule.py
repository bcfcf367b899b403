"""The order of work on an image that is larger than memory: passes over its rows, and what is kept between them.

A norm needs statistics of the whole image before the first of its outputs. So a recording is cut into passes: each
goes over the image strip by strip, makes as much as can be made with the statistics of earlier passes, gathers new ones
and writes to scratch what later passes read. What costs less to make again than to write and read is made again.
A long chain without a norm is cut, too, where strips would have to make too many rows of their neighbours' again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from translate.inference.streaming.ops_pointwise import Span, Step, Unknown, lower
from translate.inference.streaming.trace import Node, Recording, leaves

MACS_PER_BYTE = {"cpu": 64, "cuda": 2048}
"""A byte that goes to or from scratch takes about as long as that many multiplications of a convolution."""

AGAIN = 0.25
"""Cut where strips would make more than this share of rows again because of their neighbours."""


@dataclass(frozen=True)
class Part:
    """One pass over the image, in `strips`: `steps` make its nodes in order, from the `loads` that scratch holds.

    `stores` go to scratch, of `gathers` the statistics are taken, `frees` are read by no later pass. `result`: the
    output is made here.
    """

    steps: tuple[Step | Node, ...]
    loads: frozenset[Node]
    stores: frozenset[Node]
    gathers: frozenset[Node]
    frees: frozenset[Node]
    result: Node | None
    strips: int = 1

    @cached_property
    def targets(self) -> frozenset[Node]:
        return self.stores | self.gathers | (frozenset([self.result]) if self.result else frozenset())

    def spans(self, number: int, strips: int) -> tuple[dict[Node, Span], dict[Node, Span]]:
        """For one of so many strips: the rows of each target that are its own, and all rows of each node it takes."""
        own = {n: (n.rows * number // strips, n.rows * (number + 1) // strips) for n in self.targets}
        own = {n: span for n, span in own.items() if span[0] < span[1]}
        rows = dict(own)
        for step in reversed(self.steps):
            if isinstance(step, Step) and step.node in rows:
                for read, (a, b) in zip(step.reads, step.need(*rows[step.node]), strict=True):
                    have = rows.get(read, (a, b))
                    rows[read] = (min(a, have[0]), max(b, have[1]))
        return own, rows

    def readers(self) -> dict[Node, int]:
        """How many steps read each node."""
        counts: dict[Node, int] = {}
        for step in self.steps:
            for read in step.reads if isinstance(step, Step) else ():
                counts[read] = counts.get(read, 0) + 1
        return counts

    def memory(self, strips: int, itemsize: int = 4) -> int:
        """Bytes that a strip from the middle takes at the worst moment, with what convolutions take for themselves."""
        _, rows = self.spans(strips // 2, strips)
        size = {node: node.numel // node.rows * (b - a) * itemsize for node, (a, b) in rows.items()}
        left, alive, most = self.readers(), 0, 0
        for step in self.steps:
            node = step.node if isinstance(step, Step) else step
            if node not in rows:
                continue
            alive += size[node]
            reads = step.reads if isinstance(step, Step) else ()
            most = max(most, alive + sum(size[read] for read in reads) + size[node])
            for read in reads:
                left[read] -= 1
                alive -= 0 if left[read] else size[read]
            alive -= 0 if left.get(node) else size[node]
        return most


@dataclass(frozen=True)
class Plan:
    """Passes in order, and the bytes of scratch that they take at the worst moment."""

    parts: tuple[Part, ...]
    output: Node
    scratch: int


def plan(
    recording: Recording, *, strips: int | None = None, budget: int, itemsize: int = 4, device: str = "cpu"
) -> Plan:
    """Cuts a recording into passes whose strips take at most about `budget` bytes (or into so many `strips`).

    `itemsize`: of scratch. Errors: Unknown, for an operation that cannot be made row by row.
    """
    draft = _Draft(recording, strips or _guess(recording, budget), itemsize, MACS_PER_BYTE[device])
    parts = [_cut(part, strips, budget) for part in draft.parts()]
    used = most = 0
    for part in parts:
        used += sum(node.numel for node in part.stores) * itemsize
        most = max(most, used)
        used -= sum(node.numel for node in part.frees) * itemsize
    return Plan(tuple(parts), recording.output, most)


def work(recording: Recording) -> tuple[int, int]:
    """Multiplications with weights in all calls that are known, and how many weights these are."""
    total, weights = 0, dict[int, int]()
    for node in recording.nodes:
        with suppress(Unknown):
            if node.function is not None and "conv" in node.name:
                total += lower(node).work
                weights.update((id(w), w.numel()) for w in leaves((node.args, node.kwargs)) if isinstance(w, Tensor))
    return total, sum(weights.values())


def _guess(recording: Recording, budget: int) -> int:
    """About how many strips there will be: four tensors of the largest size have to fit."""
    return max(1, -(-16 * max(node.numel for node in recording.nodes) // budget))


def _cut(part: Part, strips: int | None, budget: int) -> Part:
    tallest = max(node.rows for node in part.targets)
    number = min(strips or 1, tallest)
    while strips is None and number < tallest and part.memory(number) > budget:
        number = min(tallest, max(number + 1, number * 5 // 4))
    return Part(part.steps, part.loads, part.stores, part.gathers, part.frees, part.result, number)


class _Draft:
    """Decides on levels (the pass in which a node can first be made) and on what is stored."""

    def __init__(self, recording: Recording, strips: int, itemsize: int, macs_per_byte: int) -> None:
        self.output, self.strips, self.itemsize, self.macs = recording.output, strips, itemsize, macs_per_byte
        self.steps = _needed(recording)
        self.order = [node for node in recording.nodes if node in self.steps or node in recording.inputs]
        self.halo = {node: _halos(step) for node, step in self.steps.items()}
        self.level = dict.fromkeys(recording.inputs, 0)
        self.reach = dict.fromkeys(recording.inputs, 0.0)
        self.cuts: set[Node] = set()
        self._find_levels()
        self.stored = set(self.cuts)
        self._choose_stores()

    def _find_levels(self) -> None:
        nodes = [node for node in self.order if node in self.steps]
        at = 0
        while at < len(nodes):
            node = nodes[at]
            self._place(node)
            far = self.reach[node] * 2 * self.strips > AGAIN
            cuts = self._makers(self.steps[node].reads, node) if far else set()
            if cuts - self.cuts:
                self.cuts |= cuts
                at = min(n for n, other in enumerate(nodes) if other in cuts)  # what reads them moves to later passes
            at += 1

    def _place(self, node: Node) -> None:
        step = self.steps[node]
        levels = [self.level[read] + (read in self.cuts) for read in step.reads]
        levels += [self.level[step.gathers] + 1] if step.gathers else []
        self.level[node] = level = max(levels)
        self.reach[node] = max(
            (
                halo + (self.reach[read] if self.level[read] == level and read not in self.cuts else 0.0)
                for read, halo in zip(step.reads, self.halo[node], strict=True)
            ),
            default=0.0,
        )

    def _makers(self, nodes: Iterable[Node], reader: Node) -> set[Node]:
        """The nearest nodes that take work, before `reader` in its pass."""
        found: set[Node] = set()
        for node in nodes:
            if node in self.steps and self.level[node] == self.level[reader] and node not in self.cuts:
                found |= {node} if self.steps[node].work else self._makers(self.steps[node].reads, reader)
        return found

    def _choose_stores(self) -> None:
        later = self._later_uses()
        for node in self.order:
            uses = len(later[node])
            if not uses or node in self.stored or node not in self.steps:
                continue
            made, read = self._region([node], self.stored)
            again = sum(self.steps[n].work for n in made) / self.macs + sum(n.numel for n in read) * self.itemsize
            if again * uses >= node.numel * self.itemsize * (1 + uses):
                self.stored.add(node)

    def _later_uses(self) -> dict[Node, set[int]]:
        """The levels at which a node may be read, directly or by what is cheap to make of it, after its own."""
        uses: dict[Node, set[int]] = {node: set() for node in self.order}
        for node in reversed(self.order):
            if step := self.steps.get(node):
                levels = {self.level[node]} | (set() if step.work else uses[node])
                for read in step.reads:
                    uses[read] |= {level for level in levels if level > self.level[read]}
        return uses

    def _region(self, nodes: Iterable[Node], ready: set[Node]) -> tuple[set[Node], set[Node]]:
        """What has to be made for `nodes`, and the inputs and `ready` nodes it is made of."""
        made: set[Node] = set()
        read: set[Node] = set()
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            if node in ready or node not in self.steps:
                read.add(node)
            elif node not in made:
                made.add(node)
                waiting += self.steps[node].reads
        return made, read

    def parts(self) -> list[Part]:
        wanted: set[Node] = set()
        gathered = {step.gathers for step in self.steps.values() if step.gathers}
        parts: list[Part] = []
        for level in range(self.level[self.output], -1, -1):
            ready = {node for node in self.stored if self.level[node] < level}
            stores = {node for node in wanted if self.level[node] == level}
            gathers = {node for node in gathered if self.level[node] == level}
            result = self.output if self.level[self.output] == level else None
            targets = stores | gathers | ({result} if result else set())
            if not targets:
                continue
            made, read = self._region(targets, ready)
            loads = read & ready
            steps = tuple(self.steps.get(node, node) for node in self.order if node in made or node in read)
            steps = tuple(s.node if isinstance(s, Step) and s.node in loads else s for s in steps)
            last = frozenset(loads - wanted)
            parts.append(Part(steps, frozenset(loads), frozenset(stores), frozenset(gathers), last, result))
            wanted |= loads
        return parts[::-1]


def _needed(recording: Recording) -> Mapping[Node, Step]:
    """The steps of all nodes that the output depends on."""
    steps: dict[Node, Step] = {}
    waiting = [recording.output]
    while waiting:
        node = waiting.pop()
        if node not in steps and node.function is not None:
            steps[node] = step = lower(node)
            waiting += [*step.reads, *([step.gathers] if step.gathers else [])]
    return steps


def _halos(step: Step) -> tuple[float, ...]:
    """By how much a strip in the middle looks beyond its own rows, in shares of the height, for each of its inputs."""
    rows = step.node.rows
    a, b = rows // 2, min(rows // 2 + max(1, rows // 8), rows)
    spans = zip(step.reads, step.need(a, b), strict=True)
    return tuple(max(0.0, (last - first) / read.rows - (b - a) / rows) / 2 for read, (first, last) in spans)
