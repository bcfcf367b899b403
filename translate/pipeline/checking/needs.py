"""The graph of needs: each need against the class of its stage, and an order in which the stages can run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from translate.contracts import Stage
from translate.pipeline.location import Issue, Node
from translate.text import suggest, suggested


@dataclass
class Needs:
    """The stages that one stage needs, by what it calls them."""

    right: dict[str, str]
    """Needs without a mistake."""
    assumed: dict[str, str | None]
    """All needs as they were probably meant; None where nobody can say which stage."""
    sure: bool
    """Whether there is no mistake in them."""


def needs_of(
    node: Node,
    kind: type[Stage[Any]] | None,
    kinds: Mapping[str, type[Stage[Any]]],
    names: Collection[str],
    issues: list[Issue],
) -> Needs:
    """The needs of the stage at `node`; what is wrong with them is added to `issues`.

    `kind` is its class, None where it is not known; `kinds` holds the classes of all stages, `names` their names.
    """
    entries, takes = node.step("needs"), kind.needs if kind is not None else None
    if entries is not None and not isinstance(entries.value, dict):  # the frame has reported it
        return Needs({}, dict.fromkeys(takes or {}), False)
    written = {key: value.value for key, value in entries.children().items()} if entries else {}
    needs = Needs({}, {}, True)
    for need, parent in written.items():
        meant, message = need, ""
        if takes is not None and need not in takes:
            near = suggest(need, takes)
            listed = f"; it takes {', '.join(takes)}" if takes else "; this stage needs nothing"
            issues.append(node.issue(("needs", need), f"unknown need{near or listed}", at_key=True))
            needs.sure = False
            meant = suggested(near) or ""
            if meant in written or not meant:
                continue
        if not isinstance(parent, str):  # the frame has reported it
            needs.sure, needs.assumed[meant] = False, None
            continue
        stage, message = _parent(parent, takes[meant].kind if takes else None, kinds, names)
        needs.assumed[meant] = stage
        if message:
            issues.append(node.issue(("needs", need), message))
            needs.sure = False
        elif meant == need:
            needs.right[need] = parent
    for need, declared in (takes or {}).items():
        if need not in needs.assumed and not declared.optional:
            text = f"is required: the name of a stage that makes {_a(declared.kind)}"
            issues.append(node.issue(("needs", need), text))
            needs.sure, needs.assumed[need] = False, None
    return needs


def _parent(
    parent: str, artifact: str | None, kinds: Mapping[str, type[Stage[Any]]], names: Collection[str]
) -> tuple[str | None, str]:
    """The stage that a need means, and the mistake in it as a sentence; empty for none.

    `artifact` is what the need takes; None where that is not known.
    """
    near = suggest(parent, names)
    stage = parent if parent in names else suggested(near)
    message = "" if parent in names else f"there is no stage {parent!r}{near}"
    if artifact is not None and stage is not None and stage in kinds and kinds[stage].produces != artifact:
        message = message or f"needs {_a(artifact)}, but {parent!r} makes {_a(kinds[stage].produces)}"
        return None, message
    return stage, message


def order(nodes: Mapping[str, Node], needs: Mapping[str, Needs], issues: list[Issue]) -> list[str]:
    """The names of all stages, parents first, else as in the file. Each circle is an issue, and is cut."""
    ordered: list[str] = []
    waiting = list(nodes)
    while waiting:
        ready = next((name for name in waiting if not _open(needs[name], waiting)), None)
        if ready is None:
            _cut(waiting, nodes, needs, issues)
            continue
        ordered.append(ready)
        waiting.remove(ready)
    return ordered


def _open(needs: Needs, waiting: Collection[str]) -> dict[str, str]:
    """The needs that are filled by stages which wait themselves."""
    return {need: parent for need, parent in needs.assumed.items() if parent is not None and parent in waiting}


def _cut(waiting: list[str], nodes: Mapping[str, Node], needs: Mapping[str, Needs], issues: list[Issue]) -> None:
    """Reports a circle, and takes the need out that closes it."""
    trail = [waiting[0]]
    while trail[-1] not in trail[:-1]:
        trail.append(next(iter(_open(needs[trail[-1]], waiting).values())))
    loop = trail[trail.index(trail[-1]) :]
    # It is told from the stage of the circle that stands first in the file.
    first = min(range(len(loop) - 1), key=lambda i: waiting.index(loop[i]))
    loop = [*loop[first:-1], *loop[:first], loop[first]]
    start = needs[loop[0]]
    need = next(key for key, parent in start.assumed.items() if parent == loop[1])
    message = f"the stages need each other in a circle: {' -> '.join(loop)}"
    issues.append(nodes[loop[0]].issue(("needs", need), message))
    start.assumed[need], start.sure = None, False
    start.right.pop(need, None)


def _a(kind: str) -> str:
    if kind.endswith("s"):
        return kind
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
