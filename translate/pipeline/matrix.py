"""Unfolds stages with a `matrix` into one stage per combination of values: `convert-a_to_b`, `convert-b_to_a`.

An unfolded stage is what a stage of that name would be if it were written out, its seed included. A stage that needs an
unfolded one unfolds likewise, each on the result of the same values; where its own matrix has the same key, that says
for which values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

from translate.pipeline.location import Issue, Node
from translate.pipeline.overlay import How, merge
from translate.plugins.options import show

MAX_STAGES = 200
"""The most stages that one stage unfolds into."""

LONGEST = 60
"""The most characters of a stage's name, which names folders."""

SEED, OPTIONS = "seed", "with"
"""The keys of a matrix that are not options below `with`: the stage's seed, and all of its options at once."""


@dataclass(frozen=True)
class Axis:
    """One key of a matrix with its values by name. A stage that only follows has names without values."""

    key: str
    values: Mapping[str, Node | None]


@dataclass(frozen=True)
class Unfolded:
    """A tree without matrices, and the names of the stages that each stage with a matrix became."""

    root: Node
    names: Mapping[str, tuple[str, ...]]


def unfold(root: Node, issues: list[Issue]) -> Unfolded:
    """Unfolds all stages of a pipeline's tree; what is wrong with a matrix is added to `issues`."""
    stages = root.step("stages")
    if stages is None or not isinstance(stages.value, dict):
        return Unfolded(root, {})
    axes = _Axes(stages.value, issues).all()
    entries: dict[str, Node] = {}
    names = {}
    for name, node in stages.value.items():
        if not axes[name]:
            entries[name] = _without_matrix(node)
            continue
        variants = list(_variants(name, node, axes, issues))
        names[name] = tuple(variant for variant, _ in variants)
        for variant, stage in variants:
            if message := _misnamed(variant, {*stages.value, *entries}):
                issues.append(node.issue(("matrix",) if node.step("matrix") else (), message))
            entries[variant] = stage
    unfolded = Node(entries, stages.place, stages.path, stages.key)
    return Unfolded(Node({**root.children(), "stages": unfolded}, root.place, root.path, root.key), names)


class _Axes:
    """The axes of every stage: those of the stages that it needs, then those of its own matrix."""

    def __init__(self, stages: Mapping[str, Node], issues: list[Issue]) -> None:
        self.stages, self.issues = stages, issues
        self.by_stage: dict[str, tuple[Axis, ...]] = {}
        self.trail: list[str] = []
        """The stages whose axes are being looked for, each needed by the one before."""

    def all(self) -> Mapping[str, tuple[Axis, ...]]:
        for name in self.stages:
            self._of(name)
        return self.by_stage

    def _of(self, name: str) -> tuple[Axis, ...]:
        if name not in self.by_stage:
            self.trail.append(name)
            own = {axis.key: axis for axis in self._own(self.stages[name])}
            inherited = self._inherited(self.stages[name], own)
            self.by_stage[name] = self._limited(name, (*inherited.values(), *own.values()))
            self.trail.pop()
        return self.by_stage[name]

    def _inherited(self, node: Node, own: Mapping[str, Axis]) -> dict[str, Axis]:
        """The axes of the stages that this one needs, but for those that it has itself."""
        inherited: dict[str, Axis] = {}
        sources: dict[str, str] = {}
        for parent, need in _needs(node).items():
            if parent not in self.stages or self._circle(parent, need):
                continue
            for axis in self._of(parent):
                wanted = own.get(axis.key) or inherited.get(axis.key)
                if wanted is None:
                    inherited[axis.key] = Axis(axis.key, dict.fromkeys(axis.values))
                    sources[axis.key] = parent
                elif axis.key in own:
                    self._check_own(wanted, axis, parent)
                elif set(axis.values) != set(wanted.values):
                    text = f"{parent!r} is unfolded over {axis.key} as {_listed(axis)}, but {sources[axis.key]!r} as "
                    text += f"{_listed(wanted)}; give this stage a matrix of the values that both have"
                    self.issues.append(need.issue((), text))
        return inherited

    def _circle(self, parent: str, need: Node) -> bool:
        """Whether a stage is needed by one that it needs. Without a matrix among them the checker reports that."""
        if parent not in self.trail:
            return False
        loop = self.trail[self.trail.index(parent) :]
        if any(self.stages[name].step("matrix") for name in loop):
            text = f"the stages need each other in a circle: {' -> '.join([*loop, parent])}"
            self.issues.append(need.issue((), text))
        return True

    def _check_own(self, own: Axis, axis: Axis, parent: str) -> None:
        for value, node in own.values.items():
            if value not in axis.values and node is not None:
                text = f"{parent!r}, which this stage needs, is unfolded over {axis.key} as {_listed(axis)}, "
                text += f"without {value!r}"
                self.issues.append(node.issue((), text))

    def _own(self, node: Node) -> Iterator[Axis]:
        matrix = node.step("matrix")
        if matrix is None or matrix.value is None:
            return
        if not isinstance(matrix.value, dict):
            text = f"must be a mapping of options and their values, not {show(matrix.plain())}"
            self.issues.append(matrix.issue((), text))
            return
        seen = set()
        for written, values in matrix.value.items():
            key = written if written == f"{OPTIONS}.{SEED}" else written.removeprefix(f"{OPTIONS}.")
            if not all(key.split(".")):
                text = "a key of a matrix is an option below `with`, such as optimizer.lr, or seed"
                self.issues.append(values.issue((), text, at_key=True))
            elif key in seen:
                self.issues.append(values.issue((), f"{key} is given twice", at_key=True))
            elif axis := self._axis(key, values):
                yield axis
            seen.add(key)

    def _axis(self, key: str, values: Node) -> Axis | None:
        if not isinstance(values.value, dict | list):
            text = f"must be a list of values, or a mapping of names and values, not {show(values.plain())}"
            self.issues.append(values.issue((), text))
            return None
        if not values.value:
            self.issues.append(values.issue((), "must not be empty"))
            return None
        items = values.value if isinstance(values.value, list) else list(values.value.values())
        names = list(values.value) if isinstance(values.value, dict) else [_name(item) for item in items]
        nodes: dict[str, Node | None] = {}
        for name, item in zip(names, items, strict=True):
            if not name:
                self.issues.append(item.issue((), f"{show(item.plain())} has no name; write NAME: value for each"))
            elif _slug(name) != name:
                self.issues.append(item.issue((), f"must be made of {_LETTERS}, not {name!r}", at_key=True))
            elif name in nodes:
                text = f"two values are called {name!r}; write NAME: value for each, with names that differ"
                self.issues.append(item.issue((), text))
            # An option that does not exist is a mistake in the key of the matrix, not in the name of a value.
            nodes[name] = Node(item.value, item.place, item.path, values.key, values.path)
        return Axis(key, nodes)

    def _limited(self, name: str, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        count = prod(len(axis.values) for axis in axes)
        if count <= MAX_STAGES:
            return axes
        node = self.stages[name]
        self.issues.append(node.issue(("matrix",), f"unfolds into {count} stages; at most {MAX_STAGES} are allowed"))
        return ()


_LETTERS = "lower-case letters, digits, '-' and '_' (it becomes a part of the stage's name)"


def _variants(
    name: str, node: Node, axes: Mapping[str, tuple[Axis, ...]], issues: list[Issue]
) -> Iterator[tuple[str, Node]]:
    """The unfolded stages of one stage, with their names; the values of its last key change fastest."""
    own = axes[name]
    for combination in product(*(axis.values for axis in own)):
        chosen = {axis.key: value for axis, value in zip(own, combination, strict=True)}
        stage = _without_matrix(node)
        for axis in own:
            value = axis.values[chosen[axis.key]]
            if value is not None:
                stage = _put(stage, _parts(axis.key), value, issues)
        yield "-".join((name, *combination)), _with_needs(stage, axes, chosen)


def _parts(key: str) -> tuple[str, ...]:
    """The path of a matrix's key below its stage."""
    if key in (SEED, OPTIONS):
        return (key,)
    return (OPTIONS, *key.removeprefix(f"{OPTIONS}.").split("."))


def _put(base: Node | None, parts: tuple[str, ...], value: Node, issues: list[Issue]) -> Node:
    """`base` with the value at a path: a mapping merges into one that is there. All that is new stands at the value."""
    if base is None or (base.value is None and parts):
        base = Node({}, value.place, value.path, value.key, value.key_path) if parts else value
    if not parts:
        return merge(base, value, How.PROFILE, issues)
    first, rest = parts[0], parts[1:]
    if isinstance(base.value, list):
        items = list(base.value)
        if first.isdigit() and int(first) < len(items):
            items[int(first)] = _put(items[int(first)], rest, value, issues)
        else:
            issues.append(value.issue((), f"the list has items 0 to {len(items) - 1}", at_key=True))
        return Node(items, base.place, base.path, base.key)
    if not isinstance(base.value, dict):
        issues.append(value.issue((), f"is {show(base.plain())} in the file and has no keys to set", at_key=True))
        return base
    return _replaced(base, first, _put(base.value.get(first), rest, value, issues))


def _with_needs(stage: Node, axes: Mapping[str, tuple[Axis, ...]], chosen: Mapping[str, str]) -> Node:
    """The stage with its needs of unfolded stages turned into those of the same values."""
    needs = stage.step("needs")
    if needs is None or not isinstance(needs.value, dict):
        return stage
    entries = {}
    for need, node in needs.value.items():
        parent = node.value
        if isinstance(parent, str):
            parent = "-".join((parent, *(chosen.get(axis.key, "") for axis in axes.get(parent, ()))))
        entries[need] = Node(parent, node.place, node.path, node.key)
    return _replaced(stage, "needs", Node(entries, needs.place, needs.path, needs.key))


def _needs(node: Node) -> dict[str, Node]:
    """Stage -> the need that names it."""
    needs = node.step("needs")
    entries = needs.children().values() if needs else ()
    return {each.value: each for each in entries if isinstance(each.value, str)}


def _misnamed(name: str, taken: set[str]) -> str:
    """The mistake in the name of an unfolded stage as a sentence; empty for none."""
    if name in taken:
        return f"unfolds into a stage {name!r}, but there is one of that name already"
    return f"unfolds into a stage {name!r}; a name has at most {LONGEST} characters" if len(name) > LONGEST else ""


def _without_matrix(node: Node) -> Node:
    if not isinstance(node.value, dict) or "matrix" not in node.value:
        return node
    return Node({k: v for k, v in node.value.items() if k != "matrix"}, node.place, node.path, node.key)


def _replaced(node: Node, key: str, value: Node) -> Node:
    return Node({**node.children(), key: value}, node.place, node.path, node.key)


def _name(item: Node) -> str:
    """The name of a value in a list: its text, with `_` for what no name may have; empty for a list or a mapping."""
    if isinstance(item.value, dict | list):
        return ""
    if item.value is None or isinstance(item.value, bool):
        return {None: "null", True: "true", False: "false"}[item.value]
    return _slug(str(item.value))


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "_", text.lower())


def _listed(axis: Axis) -> str:
    return ", ".join(axis.values)
