"""What is known of each tracked run, read from its journal and its resolved pipeline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from translate.errors import ConfigError
from translate.storage.lock import Lock, LockedError
from translate.storage.run_folders import RUNS
from translate.text import json_number, suggest
from translate.tracking.journal import Event, Runs, read
from translate.tracking.redact import flatten

LEAST = 4
"""Characters of an id by which a run may be called."""
_VALUE, _INTERVAL = "score", "95 %"
"""Columns of the tables that `evaluate` writes."""


@dataclass(frozen=True)
class Score:
    """A value, and its interval in words where one is known."""

    value: float
    interval: str = ""

    def to_json(self) -> dict[str, Any]:
        """The value, and the interval if there is one."""
        return {"value": json_number(self.value), **({"interval": self.interval} if self.interval else {})}


@dataclass(frozen=True)
class RunRecord:
    """One tracked run: its `name` is `FOLDER/RECIPE`, unique below a folder of runs.

    `state` is done, failed, stopped or running. `settings` are the options of its stages, flat: `train.with.epochs`.
    `member` is what its sweep calls it, `sweep` the name of the sweep's record; `members` are, of the record of a
    sweep, the names of its runs. `started` is in milliseconds since 1970, `run_id` that in the store.
    """

    name: str
    folder: Path
    journal: str
    state: str = "stopped"
    started: int = 0
    seconds: float = 0.0
    method: str = ""
    data: str = ""
    steps: int | None = None
    scores: Mapping[str, Score] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    member: str = ""
    sweep: str = ""
    members: tuple[str, ...] = ()
    run_id: str = ""

    def to_json(self) -> dict[str, Any]:
        """Everything but the settings; numbers that JSON lacks are text."""
        about = {"member": self.member, "sweep": self.sweep, "members": list(self.members), "run_id": self.run_id}
        return {
            "run": self.name,
            "state": self.state,
            "started": self.started,
            "seconds": round(self.seconds, 1),
            "method": self.method,
            "data": self.data,
            "steps": self.steps,
            "scores": {name: score.to_json() for name, score in self.scores.items()},
            **{key: value for key, value in about.items() if value},
        }


def list_runs(folder: Path = RUNS) -> list[RunRecord]:
    """The runs below a folder, a pipeline's or the one of them all, the oldest first. Errors: DataError."""
    records: list[RunRecord] = []
    for path in sorted({*folder.glob("tracking.json"), *folder.glob("*/tracking.json")}):
        records += _of_folder(path.parent)
    return sorted(records, key=lambda record: record.started)


def find_runs(names: Sequence[str], records: Sequence[RunRecord]) -> list[RunRecord]:
    """The runs that names mean, in their order, each once; all of them without a name.

    A name is `FOLDER/RECIPE` or the beginning of a recipe or of a store's id; a folder means its newest run; a sweep
    means its runs. Errors: ConfigError for one that means none, or several.
    """
    found: dict[str, RunRecord] = {}
    for name in names or [record.name for record in records if not record.members]:
        for record in _with_members(_called(name, records), records):
            found[record.name] = record
    return list(found.values())


def _called(name: str, records: Sequence[RunRecord]) -> RunRecord:
    text = name.rstrip("/").removeprefix(f"{RUNS}/")
    for record in records:
        if text in (record.name, record.name.replace("/", " ")):  # the latter is its name in MLflow
            return record
    of_folder = [record for record in records if record.name.rpartition("/")[0] == Path(text).name]
    if of_folder and (text == Path(text).name or Path(name).is_dir()):
        return _newest(of_folder)
    begun = [record for record in records if len(text) >= LEAST and _begins(record, text)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise ConfigError(f"{name}: means several runs: {', '.join(record.name for record in begun)}")
    known = [record.name for record in records]
    raise ConfigError(f"{name}: no such run{suggest(text, known)}; `translate runs list` shows all")


def _begins(record: RunRecord, text: str) -> bool:
    return record.name.rpartition("/")[2].startswith(text) or record.run_id.startswith(text)


def _newest(records: Sequence[RunRecord]) -> RunRecord:
    """The newest of a folder's runs; of a sweep's runs, the sweep."""
    newest = records[-1]
    return next((record for record in records if record.name == newest.sweep), newest)


def _with_members(record: RunRecord, records: Sequence[RunRecord]) -> list[RunRecord]:
    return [each for each in records if each.name in record.members] if record.members else [record]


def _of_folder(folder: Path) -> Iterator[RunRecord]:
    runs = Runs(folder)
    names = {run["journal"]: f"{folder.name}/{Path(run['journal']).name}" for run in runs}
    for run in runs:
        events = [event for event, _ in read(runs.journal(run))]
        members = [names[each["journal"]] for each in runs if each.get("sweep_of") == run["journal"]]
        yield RunRecord(
            names[run["journal"]],
            folder,
            str(run["journal"]),
            **_ended(folder, events),
            **_trained(events),
            scores=_scores(events),
            settings=_settings(runs.journal(run).with_name("pipeline.yaml")),
            member=str((run.get("requested") or {}).get("name", "")) if run.get("sweep_of") else "",
            sweep=names.get(run.get("sweep_of"), ""),
            members=tuple(members),
            run_id=str(run.get("run_id") or ""),
        )


def _ended(folder: Path, events: Sequence[Event]) -> dict[str, Any]:
    """State, start and the seconds of work of a run, which may have been begun several times."""
    seconds, since, last, state = 0.0, None, 0, ""
    for event in events:
        if event["e"] == "start":
            seconds += (last - since) / 1000 if since is not None else 0.0
            since, state = event["t"], ""
        elif event["e"] == "end":
            state = event["status"]
        last = event["t"]
    seconds += (last - since) / 1000 if since is not None else 0.0
    started = events[0]["t"] if events else 0
    return {"state": state or _unfinished(folder), "started": started, "seconds": seconds}


def _unfinished(folder: Path) -> str:
    """`running` where a process works in the folder, else `stopped`: one that was killed has written no end."""
    try:
        with Lock(folder / ".lock"):
            return "stopped"
    except LockedError:
        return "running"
    except OSError:  # a folder that nobody may write to: nobody works in it
        return "stopped"


def _trained(events: Sequence[Event]) -> dict[str, Any]:
    """Method, data and steps of what a run has trained."""
    found: dict[str, Any] = {}
    for event in events:
        if event["e"] == "params" and "method" in event["v"]:
            found["method"] = event["v"]["method"]
        elif event["e"] == "params":
            methods = [value for key, value in event["v"].items() if key.endswith(".method")]
            if methods:
                found["method"] = ", ".join(dict.fromkeys(methods))
        elif event["e"] == "dataset" and event["context"] == "train":
            found["data"] = f"{event['name']} ({event['digest'][:8]})"
        elif event["e"] == "model" and "bundle" not in event and isinstance(event.get("step"), int):
            found["steps"] = event["step"]
    return found


def _scores(events: Sequence[Event]) -> dict[str, Score]:
    """The scores of a run's models, and those of the tables that `evaluate` wrote, by stage and metric."""
    scores: dict[str, Score] = {}
    for event in events:
        if event["e"] == "model" and "bundle" not in event:
            for name, (value, _) in (event.get("scores") or {}).items():
                scores[name] = Score(float(value))
        elif event["e"] == "table" and {"metric", _VALUE} <= set(event["columns"]):
            stage = event["name"].partition("/")[0]
            for row in event["rows"]:
                cells = dict(zip(event["columns"], row, strict=False))
                if isinstance(cells[_VALUE], int | float) and not isinstance(cells[_VALUE], bool):
                    interval = cells.get(_INTERVAL) or ""
                    scores[f"{stage}/{cells['metric']}"] = Score(float(cells[_VALUE]), str(interval))
    return {name: score for name, score in scores.items() if not math.isnan(score.value)}


def _settings(path: Path) -> dict[str, str]:
    """The options of all stages, flat; empty where the file is gone or is none."""
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    if not isinstance(document, dict) or not isinstance(document.get("stages"), dict):
        return {}
    seed = {"seed": document["seed"]} if "seed" in document else {}
    return flatten({**seed, **document["stages"]})
