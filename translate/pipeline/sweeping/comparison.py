"""The table of a sweep: values, scores and time of each run, and the mean over seeds."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from translate.pipeline.sweeping.axes import Axis, Child
from translate.redact import redact, redacted
from translate.storage import manifest
from translate.storage.atomic import write_json, write_text
from translate.storage.pointer import follow
from translate.text import json_number, number

State = Literal["done", "failed", "stopped", "waits"]
Table = tuple[list[str], list[list[Any]]]
FILE, DATA = "sweep.md", "sweep.json"
SEED = "seed"


@dataclass
class Outcome:
    """How one run of a sweep ended: its `scores` by column, the `seconds` that its stages took, the folders of their
    results by stage, and the `error` of one that failed."""

    child: Child
    state: State = "waits"
    error: str = ""
    seconds: float = 0.0
    scores: dict[str, float] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)

    def read(self, stages: Mapping[str, Path]) -> None:
        """Takes the scores from the results of the stages, which the names of the stages point at now."""
        for stage, link in stages.items():
            folder = follow(link)
            content = manifest.read(folder) if folder else None
            if folder is None or content is None:
                continue
            self.folders[stage] = folder.name
            self.seconds += content.get("seconds") or 0.0
            self.scores |= {f"{stage}/{name}": value for name, value in _scores(folder, content.get("kind")).items()}

    def to_json(self) -> dict[str, Any]:
        """Plain data; numbers that JSON lacks become text."""
        return {
            "values": dict(self.child.values),
            "state": self.state,
            **({"error": self.error} if self.error else {}),
            "seconds": round(self.seconds, 1),
            "scores": {name: json_number(value) for name, value in self.scores.items()},
            "folders": self.folders,
        }


def _scores(folder: Path, kind: str | None) -> dict[str, float]:
    """The scores of a stage's result: those of `evaluate`, and those of the last validation of a training."""
    if kind == "scores":
        entries = _json(folder / "scores.json").get("scores", [])
        return {entry["metric"]: float(entry["score"]) for entry in entries}
    if kind == "model":
        metrics = _json(folder / "translator" / "translator.json").get("metrics", {})
        return {name: float(value) for name, value in metrics.items()}
    return {}


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def compared(axes: Sequence[Axis], outcomes: Sequence[Outcome]) -> Table:
    """Columns and rows: one row for each run."""
    names = columns_of(outcomes)
    short = _short(names)
    rows = []
    for outcome in outcomes:
        scores = [outcome.scores.get(name) for name in names]
        values = [value for _, value in outcome.child.values]
        rows.append([*values, *scores, outcome.state, f"{outcome.seconds:.0f} s" if outcome.seconds else None])
    return [*_keys(axes), *(short[name] for name in names), "state", "time"], rows


def over_seeds(axes: Sequence[Axis], outcomes: Sequence[Outcome]) -> Table | None:
    """Mean and standard deviation of each score over the runs that differ in their seed alone; None without seeds."""
    seeds = [axis for axis in axes if axis.last == SEED]
    if len(seeds) != 1:
        return None
    others = [axis for axis in axes if axis is not seeds[0]]
    groups: dict[tuple[str, ...], list[Outcome]] = {}
    for outcome in outcomes:
        values = dict(outcome.child.values)
        if outcome.state == "done":
            groups.setdefault(tuple(values[axis.written] for axis in others), []).append(outcome)
    names = columns_of(outcomes)
    short = _short(names)
    rows: list[list[Any]] = []
    for values_of_group, members in groups.items():
        scores = [[each.scores[name] for each in members if name in each.scores] for name in names]
        rows.append([*values_of_group, *map(_spread, scores), len(members)])
    return [*_keys(others), *(short[name] for name in names), "seeds"], rows


def columns_of(outcomes: Sequence[Outcome]) -> list[str]:
    """The scores of all runs, in the order in which they first stand."""
    names: dict[str, None] = {}
    for outcome in outcomes:
        names |= dict.fromkeys(outcome.scores)
    return list(names)


def write(folder: Path, axes: Sequence[Axis], outcomes: Sequence[Outcome]) -> Path:
    """Writes the comparison as Markdown and as JSON into the pipeline's folder; returns the page."""
    page = ["# Sweep", "", *_markdown(compared(axes, outcomes))]
    means = over_seeds(axes, outcomes)
    if means and means[1]:
        page += ["## Over seeds", "", "Mean and standard deviation.", "", *_markdown(means)]
    page += ["## Results", ""]
    for outcome in outcomes:
        where = ", ".join(f"`{name}`" for name in outcome.folders.values())
        page.append(f"- {outcome.child.name}: {outcome.error or where or outcome.state}")
    write_text(folder / FILE, redact("\n".join([*page, ""])))
    runs = [redacted(each.to_json()) for each in outcomes]
    write_json(folder / DATA, {"keys": [axis.written for axis in axes], "runs": runs})
    return folder / FILE


def _markdown(table: Table) -> list[str]:
    columns, rows = table
    lines = [columns, ["---"] * len(columns), *(list(map(number, row)) for row in rows)]
    return [*(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines), ""]


def _spread(scores: Sequence[float]) -> str | None:
    """`0.213 ± 0.004`"""
    if not scores:
        return None
    mean = number(statistics.fmean(scores))
    return f"{mean} ± {number(statistics.stdev(scores), 2)}" if len(scores) > 1 else mean


def _keys(axes: Sequence[Axis]) -> list[str]:
    """The names of the keys, as short as they stay different."""
    last = [axis.last for axis in axes]
    return [axis.last if last.count(axis.last) == 1 else axis.written for axis in axes]


def _short(names: Sequence[str]) -> dict[str, str]:
    """Scores without the names of their stages where that leaves them different."""
    bare = {name: name.partition("/")[2] for name in names}
    return {name: text if list(bare.values()).count(text) == 1 else name for name, text in bare.items()}
