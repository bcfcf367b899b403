"""Everything that is tracked goes to a local journal first; the report and the tracking server are its readers.

One folder per tracked run, `<pipeline folder>/.tracking/<recipe>/`, holds `journal.jsonl` and the sample pictures.
`<pipeline folder>/tracking.json` lists these runs: recipe, journal, stages, and how far each was shipped where to.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from translate.errors import DataError
from translate.redact import redacted
from translate.storage.atomic import write_json
from translate.storage.filesystem import naming, sync

Event = dict[str, Any]
"""A line of the journal: `e` is its kind, `t` the time in milliseconds, the rest depends on the kind."""


def read(path: Path, offset: int = 0) -> Iterator[tuple[Event, int]]:
    """The complete events from a byte offset on, each with the offset behind it. A damaged line is passed over."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):  # being written just now, or cut off by a crash
                return
            offset += len(line)
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if _is_event(event):
                yield event, offset


_FIELDS: Mapping[str, Mapping[str, type]] = {
    "metrics": {"s": int, "v": dict},
    "image": {"key": str, "s": int, "path": str},
    "params": {"v": dict},
    "tags": {"v": dict},
    "stage": {"name": str},
    "table": {"name": str, "columns": list, "rows": list},
    "file": {"path": str, "folder": str},
    "model": {"path": str},
    "dataset": {"name": str, "digest": str, "facts": dict, "context": str},
    "child": {"journal": str},
    "end": {"status": str},
}
"""What the readers of an event take for granted, by its kind."""


def _is_event(event: Any) -> bool:
    """Tells whether a line that is JSON is an event with all that its kind has."""
    if not isinstance(event, dict) or not isinstance(event.get("t"), int):
        return False
    fields = _FIELDS.get(str(event.get("e")), {})
    if not all(isinstance(event.get(key), kind) for key, kind in fields.items()):
        return False
    return event.get("e") != "metrics" or all(isinstance(value, int | float) for value in event["v"].values())


class Journal:
    """The journal of one run, open for appending.

    A line is handed to the operating system at once, so that a killed process loses none; `flush` makes it survive a
    power cut. A resumed training logs the steps behind its checkpoint again: `fresh` says which points are new.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.path = folder / "journal.jsonl"
        self._lock = threading.Lock()
        self._last: dict[str, int] = {}
        end = 0
        for event, offset in read(self.path):
            self._remember(event)
            end = offset
        self._file = self.path.open("ab", buffering=0)
        self._file.truncate(end)  # a line that a crash cut off would swallow the next one
        self._end, self._waiting, self._torn = end, b"", False

    def append(self, kind: str, **fields: Any) -> None:
        """Writes one event. Fields have to be JSON; NaN and infinity are allowed.

        An event that cannot be written waits for the next one. Errors: OSError.
        """
        event = {"e": kind, "t": time.time_ns() // 1_000_000, **_harmless(kind, fields)}
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._remember(event)
            self._waiting += line
            self._write()

    def _write(self) -> None:
        """Writes all lines that wait. What a write that failed has left of them goes first. Errors: OSError."""
        with naming(self.path):
            if self._torn:
                self._file.truncate(self._end)
            self._torn = True
            written = 0
            while written < len(self._waiting):
                written += self._file.write(self._waiting[written:]) or 0
        self._end += written
        self._waiting, self._torn = b"", False

    def fresh(self, name: str, step: int) -> bool:
        """Whether the step of a metric or image is behind the last one written under that name (steps only grow)."""
        return step > self._last.get(name, -1)

    def last(self, name: str) -> int:
        """The last step written under a name, -1 if there is none."""
        return self._last.get(name, -1)

    def flush(self) -> None:
        """Makes all events survive a power cut. Errors: OSError."""
        with self._lock:
            self._write()
            with naming(self.path):
                sync(self._file)

    def close(self) -> None:
        """Ends the journal; events that could not be written are tried once more. Errors: OSError."""
        with self._lock:
            try:
                self._write()
            finally:
                with naming(self.path):
                    self._file.close()

    def _remember(self, event: Event) -> None:
        if event["e"] == "metrics":
            self._last.update(dict.fromkeys(event["v"], event["s"]))
        elif event["e"] == "image":
            self._last[image_name(event["key"])] = event["s"]


def _harmless(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of an event without secrets; files stay findable, and numbers are none."""
    if kind in ("metrics", "image"):
        return fields
    return {name: value if name in ("path", "journal") else redacted(value) for name, value in fields.items()}


def image_name(key: str) -> str:
    """The name under which `Journal.fresh` knows the images of a key."""
    return f"image {key}"


def _as_run(run: Any) -> dict[str, Any]:
    """An entry of the list of runs, with what it lacks. Errors: TypeError."""
    if not isinstance(run, dict) or not all(isinstance(run.get(key), str) for key in ("recipe", "journal")):
        raise TypeError("a run has no recipe or no journal")
    return {"stages": {}, "offset": 0, **run}


class Runs:
    """The tracked runs of one pipeline folder, kept in `tracking.json`. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "tracking.json"
        self._lock = threading.Lock()
        self._runs: list[dict[str, Any]] = []
        if self.path.is_file():
            try:
                self._runs = [_as_run(run) for run in json.loads(self.path.read_text(encoding="utf-8"))["runs"]]
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"{self.path}: not a list of tracked runs ({error}); move it away to begin anew"
                ) from error

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(list(self._runs))

    def latest(self, recipe: str | None = None) -> dict[str, Any] | None:
        """The newest run, of one recipe or of any."""
        return next((run for run in reversed(self._runs) if recipe in (None, run["recipe"])), None)

    def new(self, recipe: str) -> dict[str, Any]:
        """Another run of a recipe, with a journal folder of its own."""
        name = re.sub(r"\W", "", recipe)[:8] or "run"
        taken = {run["journal"] for run in self._runs}
        journal, number = f".tracking/{name}", 1
        while journal in taken:
            number += 1
            journal = f".tracking/{name}-{number}"
        run = {"recipe": recipe, "journal": journal, "stages": {}, "offset": 0}
        with self._lock:
            self._runs.append(run)
        return run

    def update(self, run: dict[str, Any], **values: Any) -> None:
        """Changes a run and writes the list."""
        with self._lock:
            run.update(values)
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self.path, {"version": 1, "runs": self._runs})

    def remove(self, journal: str) -> None:
        """Takes the run with this journal out of the list."""
        with self._lock:
            self._runs = [run for run in self._runs if run["journal"] != journal]
            write_json(self.path, {"version": 1, "runs": self._runs})

    def journal(self, run: dict[str, Any]) -> Path:
        return self.folder / str(run["journal"]) / "journal.jsonl"
