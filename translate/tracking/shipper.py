"""Carries the journal to the tracking store in the background, so that training never waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from translate.errors import TranslateError
from translate.storage.lock import Lock
from translate.tracking.journal import Event, Runs, read
from translate.tracking.redact import redact
from translate.tracking.store import BATCH, Store
from translate.tracking.store_uri import UnreachableError, store_uri

if TYPE_CHECKING:
    from translate.contracts import Console

LOCK = ".tracking/lock"
PAUSE = 1.0
LONGEST_PAUSE = 60.0
PATIENCE = 30.0
"""Seconds that the end of a run waits for a store that accepts nothing."""


def ship(runs: Runs, run: dict[str, Any], store: Store) -> Iterator[int]:
    """Sends what the journal of a run holds behind its offset, and gives the number of events after each request.

    Errors: UnreachableError; nothing is lost then, and the next call goes on at the same place.
    """
    for events, offset in _batches(runs.journal(run), int(run["offset"])):
        store.send(events)
        runs.update(run, offset=offset)
        yield len(events)


def left(runs: Runs, run: dict[str, Any]) -> int:
    """How many events of a run's journal were not sent yet."""
    return sum(1 for _ in read(runs.journal(run), int(run["offset"])))


def sync(folder: Path, console: Console) -> int:
    """Sends everything that is still unsent below a folder (a pipeline's, or the one that holds them all).

    Returns the number of records sent. Errors: ConfigError when a run is being tracked there just now, TranslateError
    when the store does not answer.
    """
    sent = 0
    for path in sorted({*folder.glob("tracking.json"), *folder.glob("*/tracking.json")}):
        runs = Runs(path.parent.absolute())
        with Lock(runs.folder / LOCK):
            for run in runs:
                if run["mode"] == "mlflow" and left(runs, run):
                    try:
                        sent += sum(ship(runs, run, connect(runs, run, store_uri(), console)))
                    except UnreachableError as error:
                        raise TranslateError(f"tracking: {error}; nothing is lost, try again later") from error
    return sent


def connect(runs: Runs, run: dict[str, Any], uri: str, console: Console) -> Store:
    """The store, with the run opened in it: the same one where the store still has it, otherwise a new one."""
    known = run.get("run_id")
    store = Store(uri, str(run["pipeline"]).partition("@")[0], runs.folder, str(run["recipe"]), console)
    store.open(known, next((event["t"] for event, _ in read(runs.journal(run))), 0))
    if store.run_id != known:
        opened = {"store": redact(uri), "experiment_id": store.experiment_id, "run_id": store.run_id}
        runs.update(run, **opened, offset=0)
    return store


def _batches(path: Path, offset: int) -> Iterator[tuple[list[Event], int]]:
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


class Shipper:
    """The thread that ships one run. It is a daemon: it never keeps a process alive."""

    def __init__(self, runs: Runs, run: dict[str, Any], console: Console) -> None:
        self._runs = runs
        self._run = run
        self._console = console
        self._uri = store_uri()
        self._abandoned = False
        self._stopping = threading.Event()
        self._failing = False
        self._locked = False
        self._store: Store | None = None
        self._moved = time.monotonic()
        self._thread = threading.Thread(target=self._loop, name="translate-tracking", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str | None:
        return self._store.url if self._store else None

    def finish(self) -> None:
        """Ships the rest of a closed journal and ends; gives up when the store does not take anything for a while."""
        self._moved = time.monotonic()
        self._stopping.set()
        while self._thread.is_alive() and time.monotonic() - self._moved < PATIENCE:
            self._thread.join(0.1)
        self._abandoned = True
        unsent = left(self._runs, self._run)
        if unsent:
            self._console.warn(
                f"tracking: {unsent} records did not reach {redact(self._uri)}; they are kept in "
                f"{self._runs.folder} and sent by the next run or by `translate track sync`"
            )

    def _loop(self) -> None:
        pause = PAUSE
        with ExitStack() as held:
            while True:
                ending = self._stopping.is_set()
                try:
                    self._pass(held)
                    self._failing, pause = False, PAUSE
                except (UnreachableError, TranslateError, OSError) as error:
                    if not (self._failing or self._abandoned):
                        self._console.warn(f"tracking: {error}; the work goes on, and its records are sent later")
                    self._failing, pause = True, min(2 * pause, LONGEST_PAUSE)
                if ending or self._abandoned:
                    return
                self._stopping.wait(pause)

    def _pass(self, held: ExitStack) -> None:
        if self._store is None:
            if not self._locked:
                held.enter_context(Lock(self._runs.folder / LOCK))
                self._locked = True
            self._store = connect(self._runs, self._run, self._uri, self._console)
        for _ in ship(self._runs, self._run, self._store):
            self._moved = time.monotonic()
