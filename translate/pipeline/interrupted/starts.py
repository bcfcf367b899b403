"""Starts of stages that did not finish: what they were asked for, how far they came, and what has changed since.

A stage works in `<stage>-<fingerprint>.partial`. Beside that folder, which belongs to the stage alone, a hidden record
says what the start was asked for; it goes when the stage is finished.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from translate.contracts import Effect, effect_of
from translate.pipeline.fingerprint import Change, changes
from translate.pipeline.outline import Outline
from translate.storage import checkpoint, litter
from translate.storage.atomic import replace_dir, write_json

PARTIAL = ".partial"


@dataclass(frozen=True)
class Interrupted:
    """A start that did not finish: its `folder`, how far it `reached`, and what has `changed` since.

    `reached` is None for a stage without checkpoints. `active` is when it last left something, in seconds since 1970.
    """

    folder: Path
    reached: checkpoint.Reached | None
    changed: tuple[Change, ...]
    active: float

    def __str__(self) -> str:
        """`train-0a1b2c3d.partial, interrupted at step 12 of 30`."""
        where = f" at {self.reached}" if self.reached else ""
        return f"{self.folder.name}, interrupted{where}"

    def structural(self, continuable: Mapping[str, Any]) -> list[Change]:
        """The changes that need a fresh start."""
        return [change for change in self.changed if effect(continuable, change) == "structural"]

    def told(self, stage: str, continuable: Mapping[str, Any]) -> str:
        """Says how far it came, what has changed since, and whether `--continue` could go on from it."""
        fixed = self.structural(continuable)
        changed = "; ".join(change.text for change in fixed or self.changed)
        can = "cannot go on with what changed since" if fixed else f"can go on with --continue {stage}"
        return f"{self}, {can} ({changed})"

    def is_newer_than(self, finished: str) -> bool:
        """Tells whether it was at work after a time in ISO 8601, or none."""
        return not finished or self.active > datetime.fromisoformat(finished).timestamp()

    def to_json(self) -> dict[str, Any]:
        reached = self.reached
        return {
            "folder": self.folder.name,
            "step": reached.step if reached else None,
            "total": reached.total if reached else None,
            "changed": [change.text for change in self.changed],
        }


def effect(continuable: Mapping[str, Any], change: Change) -> Effect:
    """Says what a change means for a result that is continued: the stage decides on options, all else is structural."""
    option = change.key.removeprefix("with.")
    return effect_of(continuable, option) if option != change.key else "structural"


def partial_of(final: Path) -> Path:
    """The folder in which a stage works before its result gets its name."""
    return final.with_name(f"{final.name}{PARTIAL}")


@dataclass(frozen=True)
class Asked:
    """All that is asked of a start: the stage's name, its fingerprint with the whole recipe, and external inputs."""

    stage: str
    fingerprint: str
    recipe: Mapping[str, Any]
    listings: Mapping[str, Mapping[str, str]]


def begin(working: Path, asked: Asked, continued_from: str | None) -> str | None:
    """Records what is asked of the start in `working`; returns the name of the folder that it goes on from, if any.

    A start that was killed and begins again goes on from where it did before, also where that is not asked for again.
    """
    before = _record(working) if working.is_dir() else None
    if continued_from is None and before is not None and before["fingerprint"] == asked.fingerprint:
        continued_from = before.get("continued_from")
    content = {
        "stage": asked.stage,
        "fingerprint": asked.fingerprint,
        "recipe": asked.recipe,
        "inputs": asked.listings,
        "continued_from": continued_from,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    working.parent.mkdir(parents=True, exist_ok=True)
    write_json(_record_file(working), content)
    return continued_from


def finish(working: Path) -> None:
    """Removes the record of a start that is finished, or whose folder has another name now."""
    with suppress(OSError):
        _record_file(working).unlink()


def clear(folder: Path) -> None:
    """Clears a pipeline's folder, whose lock is held, of what broken writes have left, and of records without a start.

    Nothing is removed beside `tracking.json` while its records are being sent (`translate track sync`).
    """
    if not (folder / ".tracking" / "lock").exists():
        litter.clear(folder)
    for place in (folder / ".tracking", *folder.glob(f"*{PARTIAL}")):
        litter.clear(place, below=True)
    for record in folder.glob(".*.started.json"):
        name = record.name.removeprefix(".").removesuffix(".started.json")
        if not (folder / f"{name}{PARTIAL}").is_dir():
            with suppress(OSError):
                record.unlink()


def take_over(interrupted: Path, working: Path) -> None:
    """Gives the folder of an interrupted start to another one, whose record is there already.

    A kill leaves the folder under one of the two names, each of which has its record.
    """
    replace_dir(interrupted, working)
    finish(interrupted)


def progress(working: Path) -> checkpoint.Reached | None:
    """How far the start in a folder came, as its checkpoints say."""
    return checkpoint.reached(working / checkpoint.FOLDER)


def find(
    folder: Path,
    outline: Outline,
    recipe: Mapping[str, Any],
    listings: Mapping[str, Mapping[str, str]],
    own: Path | None,
) -> list[Interrupted]:
    """The interrupted starts of a stage in a pipeline's folder that left something to go on from, the newest first.

    `recipe` and `listings` are those of now, to compare with. A start towards the result `own` has nothing to compare,
    and is left out. A stage that can go on with no changed option has none.
    """
    starts: list[Interrupted] = []
    if not outline.continuable:
        return starts
    for path in folder.glob(f"{outline.name}-*{PARTIAL}"):
        record = _record(path)
        if record is None or record["stage"] != outline.name or not _holds_work(path):
            continue
        if own is not None and path == partial_of(own):
            continue
        differences = changes(record["recipe"], recipe, outline.needs, record["inputs"], listings)
        starts.append(Interrupted(path, progress(path), tuple(differences), _last_active(path)))
    return sorted(starts, key=lambda start: start.active, reverse=True)


def told(starts: Sequence[Interrupted], outline: Outline, finished: str) -> list[str]:
    """Sentences on the newest of the starts of a stage and, where `--continue` cannot, the newest from which it can.

    Those that are older than its last result, of the time `finished`, are passed over.
    """
    newer = [start for start in starts if start.is_newer_than(finished)]
    sound = [start for start in newer if not start.structural(outline.continuable)]
    shown = dict.fromkeys([start.folder for start in (*newer[:1], *sound[:1])])
    return [start.told(outline.name, outline.continuable) for start in newer if start.folder in shown]


def _holds_work(path: Path) -> bool:
    """False for a folder without a file, and for that of a training before its first checkpoint."""
    checkpoints = path / checkpoint.FOLDER
    if checkpoints.is_dir():
        return bool(checkpoint.steps(checkpoints))
    return any(entry.is_file() for entry in path.rglob("*"))


def _last_active(path: Path) -> float:
    complete = checkpoint.steps(path / checkpoint.FOLDER)
    file = _record_file(path)
    if complete:
        file = path / checkpoint.FOLDER / checkpoint.name_of(complete[-1]) / checkpoint.MANIFEST
    return file.stat().st_mtime


def _record_file(working: Path) -> Path:
    return working.with_name(f".{working.name.removesuffix(PARTIAL)}.started.json")


def _record(working: Path) -> dict[str, Any] | None:
    """The record of a start; None where there is none that can be compared."""
    try:
        content = json.loads(_record_file(working).read_bytes())
    except (OSError, ValueError):
        return None
    complete = isinstance(content, dict) and content.keys() >= {"stage", "fingerprint", "recipe", "inputs"}
    return content if complete else None
