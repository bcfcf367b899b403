"""From a journal to a store: what was not sent yet, in order, and how much of it is left."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from translate.storage.filesystem import sync
from translate.text import number
from translate.tracking.delivery.points import BATCH
from translate.tracking.journal import Event, Runs, read
from translate.tracking.redact import redact
from translate.tracking.store import Store
from translate.tracking.store_uri import FilesError

if TYPE_CHECKING:
    from translate.contracts import Console

WITH_FILES = frozenset({"image", "table", "file", "model"})
"""Events that bring files with them."""
AGAIN = 600.0
"""Seconds after which a trouble that goes on, or comes again, is told again."""


class Seldom:
    """Tells of trouble once, and again after `AGAIN` seconds: a server may break off a hundred times in a run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: float | None = None

    def warn(self, text: str) -> None:
        now = time.monotonic()
        if self._told is None or now - self._told >= AGAIN:
            self._told = now
            self._console.warn(f"tracking: {text}")


@dataclass(frozen=True)
class Count:
    """Points of curves, and other records."""

    points: int = 0
    others: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.points + other.points, self.others + other.others)

    def __bool__(self) -> bool:
        return bool(self.points or self.others)

    def __str__(self) -> str:
        points = f"{number(self.points)} point{'s' * (self.points != 1)} of curves" if self.points else ""
        kind = "other record" if points else "record"
        others = f"{number(self.others)} {kind}{'s' * (self.others != 1)}" if self.others else ""
        return " and ".join(part for part in (points, others) if part) or "nothing"


def count(events: list[Event]) -> Count:
    """How many points and other records events are."""
    points = sum(len(event["v"]) for event in events if event["e"] == "metrics")
    return Count(points, sum(event["e"] != "metrics" for event in events))


def connect(runs: Runs, run: dict[str, Any], uri: str, console: Console) -> Store:
    """The store, with the run opened in it: the same one where the store still has it, otherwise a new one.

    Errors: UnreachableError.
    """
    earlier = run.get("run_id")
    pipeline = str(run.get("pipeline") or runs.folder.name).partition("@")[0]
    parent = run_id_of(runs, run.get("sweep_of"))
    own = {key: str(run[key]) for key in ("title", "note") if run.get(key)}
    asked = {**own, **(run.get("requested") or {}), **({"parent": parent} if parent else {})}
    if not run.get("record"):
        runs.update(run, record=uuid.uuid4().hex)
    store = Store(uri, pipeline, runs.folder, str(run["recipe"]), console, asked, record=str(run["record"]))
    store.open(earlier, next((event["t"] for event, _ in read(runs.journal(run))), 0))
    if store.run_id != earlier:
        opened = {"store": redact(uri), "experiment_id": store.experiment_id, "run_id": store.run_id}
        runs.update(run, **opened, offset=0, files_offset=None)
    for event, end in read(runs.journal(run)):
        if end <= run["offset"]:
            store.remember(event)
    return store


def ship(runs: Runs, run: dict[str, Any], store: Store, told: Seldom) -> Iterator[Count]:
    """Sends what the journal of a run holds behind its offset, and gives what each request brought.

    Where files cannot be stored, the rest goes on without them, and `files_offset` remembers the first that waits.
    Errors: UnreachableError; nothing is lost then, and the next call goes on at the same place.
    """
    path = runs.journal(run)
    durable = 0
    for events, offset in batches(path, _start(path, int(run["offset"]))):
        # What a power cut takes from the journal is recorded again, with another time: it must not have been sent.
        if offset > durable:
            durable = _make_durable(path)
        waiting = run.get("files_offset")
        try:
            store.send([_with_run_id(runs, event) for event in events], files=waiting is None)
        except FilesError as error:
            told.warn(f"files cannot be stored: {error}; curves go on, and files are sent later")
            waiting = run["offset"]
        runs.update(run, offset=offset, files_offset=waiting)
        yield count(events)


def ship_files(runs: Runs, run: dict[str, Any], store: Store) -> Iterator[Count]:
    """Sends the files that were left waiting, in their order. Errors: FilesError."""
    waiting = run.get("files_offset")
    if waiting is None:
        return
    for event, end in read(runs.journal(run), int(waiting)):
        if end > run["offset"]:
            break
        if event["e"] in WITH_FILES:
            store.send_files(event)
            runs.update(run, files_offset=end)
            yield Count(0, 1)
    runs.update(run, files_offset=None)


def mend(runs: Runs, run: dict[str, Any], store: Store) -> Iterator[Count]:
    """Sends pictures and files again that a server took and has not got, as after the answers of a broken proxy.

    Errors: UnreachableError.
    """
    if not store.uri.startswith("http"):
        return
    sent = [event for event, end in read(runs.journal(run)) if end <= run["offset"] and event["e"] in WITH_FILES]
    for event in store.lacking(sent):
        store.send_files(event)
        yield Count(0, 1)


def unsent(runs: Runs, run: dict[str, Any]) -> Count:
    """What a run's journal holds that was not sent yet, files that wait included."""
    path = runs.journal(run)
    offset = _start(path, int(run["offset"]))
    rest = count([event for event, _ in read(path, offset)])
    waiting = run.get("files_offset")
    if waiting is not None:
        late = [event for event, end in read(path, int(waiting)) if end <= offset and event["e"] in WITH_FILES]
        rest += Count(0, len(late))
    return rest


def left(runs: Runs, run: dict[str, Any]) -> int:
    """How many points and other records of a run were not sent yet."""
    rest = unsent(runs, run)
    return rest.points + rest.others


def batches(path: Path, offset: int) -> Iterator[tuple[list[Event], int]]:
    """Events with the offset behind them: metrics together, up to a full request, everything else one by one."""
    metrics: list[Event] = []
    size = 0
    for event, end in read(path, offset):
        points = len(event["v"]) if event["e"] == "metrics" else 0
        if metrics and (not points or size + points > BATCH):
            yield metrics, offset
            metrics, size = [], 0
        if points:
            metrics.append(event)
            size += points
        else:
            yield [event], end
        offset = end
    if metrics:
        yield metrics, offset


def run_id_of(runs: Runs, journal: str | None) -> str:
    """The id in the store of the run with this journal; empty for one that was never there."""
    return next((str(run.get("run_id") or "") for run in runs if run["journal"] == journal), "")


def _with_run_id(runs: Runs, event: Event) -> Event:
    """The event that names a member of a sweep with its id in the store; any other event as it is."""
    return {**event, "run_id": run_id_of(runs, event["journal"])} if event["e"] == "child" else event


def _start(path: Path, offset: int) -> int:
    """Where to go on in a journal: at its start if it is shorter than what was sent of it, as after a power cut."""
    return offset if path.is_file() and offset <= path.stat().st_size else 0


def _make_durable(path: Path) -> int:
    """Makes a journal survive a power cut as far as it goes now; returns how far that is."""
    with suppress(OSError), path.open("r+b") as file:
        size = file.seek(0, 2)
        sync(file)
        return size
    return 0
