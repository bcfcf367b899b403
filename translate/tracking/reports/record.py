"""The journals of a pipeline's folder, gathered by stage: the newest record of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from translate.errors import ConfigError
from translate.tracking.journal import Event, Runs, read


@dataclass
class StageRecord:
    """One stage: how long it worked, its curves (name -> step -> value), pictures by key and step, and tables."""

    name: str
    status: str = "running"
    seconds: float = 0.0
    curves: dict[str, dict[int, float]] = field(default_factory=dict)
    images: dict[str, dict[int, Path]] = field(default_factory=dict)
    tables: dict[str, Event] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> int | None:
        """The step of the weights that its model has; None for a stage that made none."""
        match = re.match(r"step (\d+)", self.notes.get("kept", ""))
        return int(match[1]) if match else None


@dataclass
class Record:
    """A pipeline's folder: its newest run, and the stages of all its runs."""

    pipeline: str
    folder: Path
    recipe: str
    status: str
    ended: int
    """Milliseconds since 1970 of the last thing that was recorded."""
    settings: Path
    """The resolved pipeline file."""
    stages: dict[str, StageRecord]
    tags: dict[str, str] = field(default_factory=dict)
    """What the newest run says of itself as a whole, such as versions."""


def gather(folder: Path) -> Record:
    """Reads the journals below a pipeline's folder. Errors: ConfigError where nothing was tracked."""
    # the record of a sweep has no stages: those are in the records of its members
    tracked = Runs(folder)
    runs = [run for run in tracked if not run.get("sweep")]
    newest = runs[-1] if runs else None
    if newest is None:
        raise ConfigError(f"{folder}: nothing was tracked here; `translate run` writes its records there")
    stages: dict[str, StageRecord] = {}
    events: list[Event] = []
    # The runs of the newest recipe come last (the sort is stable), so that their stages replace those of other recipes.
    for run in sorted(runs, key=lambda run: run["recipe"] == newest["recipe"]):
        events = [event for event, _ in read(tracked.journal(run))]
        stages |= _stages(folder, events)
    ends = [event["status"] for event in events[-3:] if event["e"] == "end"]
    return Record(
        pipeline=str(newest["pipeline"]),
        folder=folder,
        recipe=str(newest["recipe"]),
        status=ends[-1] if ends else "running",
        ended=max((event["t"] for event in events if event["e"] != "file"), default=0),
        settings=tracked.journal(newest).with_name("pipeline.yaml"),
        stages=stages,
        tags={name: value for event in events if event["e"] == "tags" for name, value in event["v"].items()},
    )


def _stages(folder: Path, events: Sequence[Event]) -> dict[str, StageRecord]:
    """The stages of one journal, in the order in which they first ran."""
    stages: dict[str, StageRecord] = {}
    current: StageRecord | None = None
    since = before = 0
    for event in events:
        kind, time = event["e"], int(event["t"])
        if kind in ("start", "stage", "end") and current:
            # A `start` behind a stage that never ended: the process was killed, after its last event at the earliest.
            until = before if kind == "start" else time
            current.seconds += (until - since) / 1000
            current.status = {"start": "stopped", "stage": "done"}.get(kind) or event["status"]
            current = None
        if kind == "stage":
            current = stages.setdefault(event["name"], StageRecord(event["name"]))
            current.status, since = "running", time
        else:
            _add(stages, folder, event)
        before = time
    return stages


def _add(stages: dict[str, StageRecord], folder: Path, event: Event) -> None:
    """One event, given to the stage that its names begin with."""
    kind = event["e"]
    if kind == "metrics":
        for name, value in event["v"].items():
            stage, rest = _split(stages, name)
            if stage:
                stage.curves.setdefault(rest, {}).setdefault(event["s"], value)
    elif kind == "tags":
        for name, value in event["v"].items():
            stage, rest = _split(stages, name)
            if stage:
                stage.notes[rest] = value
    elif kind == "image":
        stage, rest = _split(stages, event["key"])
        if stage:
            stage.images.setdefault(rest, {})[event["s"]] = folder / event["path"]
    elif kind == "table":
        stage, rest = _split(stages, event["name"])
        if stage:
            stage.tables[rest] = event


def _split(stages: dict[str, StageRecord], name: str) -> tuple[StageRecord | None, str]:
    stage, _, rest = name.partition("/")
    return stages.get(stage), rest


def rows_of(table: Event) -> tuple[list[str], list[list[Any]]]:
    """The columns and rows of a table event."""
    return list(table["columns"]), [list(row) for row in table["rows"]]
