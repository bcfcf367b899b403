"""The names of runs, metrics and pictures in MLflow, whose UI makes a section of each prefix and sorts these by name.

The journal has the names that stages give. Only in MLflow pictures and validation curves get prefixes that sort before
everything else; otherwise they would stand below dozens of losses and gradient norms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PICTURES, VALIDATION = "1-pictures", "2-validation"
_SAYS_NOTHING = frozenset({"samples", "converted"})
"""Parts of a picture's key that only say that it is one."""
_BASELINES = ("_copy", "_constant")
"""Endings of metrics that are what another metric has to beat."""


def picture_name(key: str) -> str:
    """`train/samples/a_to_b` as `1-pictures/train a_to_b`."""
    stage, *rest = key.split("/")
    parts = [stage, *(part for part in rest if part not in _SAYS_NOTHING)]
    return f"{PICTURES}/{' '.join(parts)}"


def metric_name(name: str) -> str:
    """`train/val/b_to_a/l1` as `2-validation/train b_to_a l1`; other metrics keep their names."""
    stage, *rest = name.split("/")
    if len(rest) < 2 or rest[0] != "val":
        return name
    return f"{VALIDATION}/{' '.join([stage, *rest[1:]])}"


def without_baselines(values: Mapping[str, float]) -> dict[str, float]:
    """The metrics of one event without `l1_copy` and its kin, beside which there is `l1`.

    They stand in the table of scores; as metrics each would be a chart of its own, with one bar.
    """
    return {name: value for name, value in values.items() if not _is_baseline(name, values)}


def _is_baseline(name: str, values: Mapping[str, float]) -> bool:
    return any(name.endswith(ending) and name.removesuffix(ending) in values for ending in _BASELINES)


def names_of(
    run: Mapping[str, Any], pipeline: str, ran: Sequence[str], stages: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """The `title` of a run, and a `note` where it took over results of earlier ones.

    `ran` are the `stages` that it runs itself. The title begins with what differs from run to run, since lists of runs
    cut long names.
    """
    title = f"{str(run['journal']).rpartition('/')[2]} {pipeline.partition('@')[2] or pipeline}"
    needed = _needed(ran, stages)
    taken = [name for name in stages if name in needed and name not in ran]
    if not taken:
        return {"title": title}
    note = f"Only {', '.join(ran)} ran: {', '.join(taken)} came from earlier runs."
    return {"title": f"{title}, only {', '.join(ran)}", "note": note}


def _needed(ran: Sequence[str], stages: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The stages whose results the given ones need, directly or not."""
    needed: set[str] = set()
    waiting = list(ran)
    while waiting:
        for name in (stages.get(waiting.pop(), {}).get("needs") or {}).values():
            if name not in needed:
                needed.add(name)
                waiting.append(name)
    return needed
