"""What runs have left on the disk and nothing needs: results that newer ones replaced, starts that came to nothing.

A stage's name points at its current result. What a sweep compares stays, and so does all of a pipeline some of whose
records wait to be sent, or in which a process works.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from translate.errors import ConfigError
from translate.storage.lock import Lock
from translate.storage.pointer import follow
from translate.tracking.delivery.ship import left
from translate.tracking.journal import Runs
from translate.tracking.listing.records import RunRecord

_RESULT = re.compile(r"(.+)-[0-9a-f]{8}(\.partial)?")


@dataclass(frozen=True)
class Leftover:
    """A folder that may go, and why; `record` is the run whose record it is, if it is one."""

    path: Path
    reason: str
    bytes: int
    record: RunRecord | None = None

    def to_json(self) -> dict[str, Any]:
        """Its path, the reason and its size."""
        return {"path": self.path.as_posix(), "reason": self.reason, "bytes": self.bytes}


@dataclass(frozen=True)
class Cleaning:
    """What may go, and what was left alone, in sentences."""

    leftovers: tuple[Leftover, ...]
    kept: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """The size of all that may go."""
        return sum(leftover.bytes for leftover in self.leftovers)


def plan(folder: Path) -> Cleaning:
    """Finds what may go below a folder, a pipeline's or the one of them all; it changes nothing."""
    leftovers: list[Leftover] = []
    kept: list[str] = []
    for pipeline in [folder, *sorted(path for path in folder.glob("*") if path.is_dir())]:
        if pipeline.name.startswith("."):
            continue
        found = list(_replaced(pipeline))
        waiting = sum(left(runs, run) for runs in _runs(pipeline) for run in runs if run.get("mode") == "mlflow")
        if found and waiting:
            kept.append(f"{pipeline}: {waiting} records wait to be sent; `translate track sync` sends them first")
        else:
            leftovers += found
    return Cleaning(tuple(leftovers), tuple(kept))


def of_records(chosen: Sequence[RunRecord]) -> Cleaning:
    """The records of some runs: their journals and pictures. Models and images of a run stay. Errors: ConfigError for
    one that goes on."""
    leftovers = []
    for record in chosen:
        if record.state == "running":
            raise ConfigError(f"{record.name}: this run goes on; stop it first")
        path = record.folder / record.journal
        runs = Runs(record.folder)
        unsent = sum(
            left(runs, run) for run in runs if run["journal"] == record.journal and run.get("mode") == "mlflow"
        )
        reason = f"the record of run {record.name}" + (f", {unsent} records of which were not sent" if unsent else "")
        leftovers.append(Leftover(path, reason, _size(path), record))
    return Cleaning(tuple(leftovers))


def remove(cleaning: Cleaning) -> None:
    """Removes what was planned, each pipeline under its lock. Errors: ConfigError where a process works in one,
    OSError."""
    for leftover in cleaning.leftovers:
        pipeline = leftover.record.folder if leftover.record else leftover.path.parent
        with Lock(pipeline / ".lock"):
            if leftover.record is not None:
                Runs(pipeline).remove(leftover.record.journal)
            if leftover.path.exists():
                shutil.rmtree(leftover.path)


def _runs(pipeline: Path) -> list[Runs]:
    return [Runs(pipeline)] if (pipeline / "tracking.json").is_file() else []


def _replaced(pipeline: Path) -> Iterator[Leftover]:
    needed = _swept(pipeline)
    for path in sorted(pipeline.iterdir()):
        match = _RESULT.fullmatch(path.name)
        if match is None or path.is_symlink() or not path.is_dir() or path.name in needed:
            continue
        current = follow(pipeline / match[1])
        if current is None or current.name == path.name:
            continue
        if match[2] is None:
            yield Leftover(path, f"{match[1]} has a newer result, {current.name}", _size(path))
        elif current.stat().st_mtime > path.stat().st_mtime:
            yield Leftover(path, f"a start of {match[1]} that was not finished, older than {current.name}", _size(path))


def _swept(pipeline: Path) -> set[str]:
    """The folders that the sweep of a pipeline compares."""
    try:
        runs = json.loads((pipeline / "sweep.json").read_text("utf-8"))["runs"]
        folders: set[str] = set()
        for run in runs:
            folders.update(run["folders"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()
    return folders


def _size(folder: Path) -> int:
    """The bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
