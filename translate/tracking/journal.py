"""Everything that is tracked goes to a local journal first; the report and the tracking server are its readers.

One folder per tracked run, `<pipeline folder>/.tracking/<recipe>/`, holds `journal.jsonl` and the sample pictures.
`<pipeline folder>/tracking.json` lists these runs: recipe, journal, stages, and how far each was shipped where to.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from translate.errors import DataError
from translate.storage.atomic import write_json
from translate.storage.filesystem import sync

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
            if isinstance(event, dict) and "e" in event:
                yield event, offset


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
        self._file = self.path.open("ab")
        self._file.truncate(end)  # a line that a crash cut off would swallow the next one

    def append(self, kind: str, **fields: Any) -> None:
        """Writes one event. Fields have to be JSON; NaN and infinity are allowed."""
        event = {"e": kind, "t": time.time_ns() // 1_000_000, **fields}
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._remember(event)
            self._file.write(line)
            self._file.flush()

    def fresh(self, name: str, step: int) -> bool:
        """Whether the step of a metric or image is behind the last one written under that name (steps only grow)."""
        return step > self._last.get(name, -1)

    def last(self, name: str) -> int:
        """The last step written under a name, -1 if there is none."""
        return self._last.get(name, -1)

    def flush(self) -> None:
        with self._lock:
            sync(self._file)

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def _remember(self, event: Event) -> None:
        if event["e"] == "metrics":
            self._last.update(dict.fromkeys(event["v"], event["s"]))
        elif event["e"] == "image":
            self._last[image_name(event["key"])] = event["s"]


def image_name(key: str) -> str:
    """The name under which `Journal.fresh` knows the images of a key."""
    return f"image {key}"


class Runs:
    """The tracked runs of one pipeline folder, kept in `tracking.json`. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "tracking.json"
        self._lock = threading.Lock()
        self._runs: list[dict[str, Any]] = []
        if self.path.is_file():
            try:
                self._runs = list(json.loads(self.path.read_text(encoding="utf-8"))["runs"])
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

    def journal(self, run: dict[str, Any]) -> Path:
        return self.folder / str(run["journal"]) / "journal.jsonl"
