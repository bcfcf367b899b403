"""The verdict of a report: what the scores say, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from translate.text import number
from translate.tracking.journal import Event
from translate.tracking.reports.record import Record, StageRecord

BASELINES = {"copy input": "a copy of the input", "best constant": "the best single colour"}
"""Columns of a table of scores that hold what has to be beaten, in words."""
TABLE = "scores"


@dataclass(frozen=True)
class Scored:
    """One row of a table of scores: a metric with its value and what it competes with, by name."""

    metric: str
    value: float
    better: str
    interval: str
    baselines: dict[str, float]

    def beats(self, baseline: str) -> bool:
        """Whether the value is better than a baseline that it has."""
        other = self.baselines[baseline]
        return self.value > other if self.better == "higher" else self.value < other


def scored(stage: StageRecord) -> list[Scored]:
    """The scores of a stage; none where it has no such table."""
    table = stage.tables.get(TABLE)
    return _rows(table) if table and "score" in table["columns"] else []


def _rows(table: Event) -> list[Scored]:
    rows = []
    for cells in table["rows"]:
        row = dict(zip(table["columns"], cells, strict=True))
        if not _is_number(row["score"]):
            continue
        baselines = {name: row[name] for name in BASELINES if _is_number(row.get(name))}
        interval = str(row.get("95 %") or "")
        rows.append(Scored(str(cells[0]), row["score"], str(row.get("better", "")), interval, baselines))
    return rows


def sentences(record: Record) -> list[str]:
    """The verdict: how the run ended, then what each stage that scored says, else what the training reached."""
    lines = _ended(record)
    stages = [stage for stage in record.stages.values() if scored(stage)]
    for stage in stages:
        prefix = f"{stage.name}: " if len(stages) > 1 else ""
        lines.append(prefix + _compared(scored(stage)))
    if not stages:
        lines += [line for stage in record.stages.values() if (line := _trained(stage))]
    return lines or ["All stages are done; none of them scores the results."]


def _ended(record: Record) -> list[str]:
    at = next((stage.name for stage in record.stages.values() if stage.status not in ("done",)), "")
    where = f" in stage {at}" if at else ""
    return {
        "failed": [f"The run failed{where}; what follows was recorded until then."],
        "stopped": [f"The run was stopped{where}; the same command goes on from there."],
        "running": [f"The run has not ended{where}; what follows was recorded so far."],
    }.get(record.status, [])


def _compared(scores: Sequence[Scored]) -> str:
    """What the scores say against the baselines, one sentence for each baseline."""
    said = []
    for name, words in BASELINES.items():
        compared = [score for score in scores if name in score.baselines]
        beaten = [score.metric for score in compared if score.beats(name)]
        missed = [score.metric for score in compared if not score.beats(name)]
        if not compared:
            continue
        if not missed:
            said.append(f"better than {words} by {_listed(beaten)}")
        elif beaten:
            said.append(f"better than {words} by {_listed(beaten)}, but not by {_listed(missed)}")
        else:
            said.append(f"not better than {words}, by {_listed(missed)}")
    if not said:
        return "Scored, with no baseline to compare with."
    return "The results are " + "; and ".join(said) + "."


def _trained(stage: StageRecord) -> str:
    """How the first validation curve went."""
    for name, curve in stage.curves.items():
        if name.startswith("val/") and len(curve) > 1:
            first, last = min(curve), max(curve)
            words = f"{number(curve[first])} at step {first:,} to {number(curve[last])} at step {last:,}"
            return f"{stage.name}: {name.removeprefix('val/')} on the validation images went from {words}."
    return ""


def _listed(metrics: Sequence[str]) -> str:
    names = [metric.partition(" (")[0] for metric in metrics]  # without the units
    if len(names) > 4:
        return f"{len(names)} metrics"
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
