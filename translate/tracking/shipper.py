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
from translate.tracking.database import MAKING, State, state_of
from translate.tracking.journal import Event, Runs, read
from translate.tracking.redact import redact
from translate.tracking.store import BATCH, Store, prepare_store
from translate.tracking.store_uri import BusyError, FilesError, UnreachableError, database, store_uri

if TYPE_CHECKING:
    from translate.contracts import Console

LOCK = ".tracking/lock"
WITH_FILES = frozenset({"image", "table", "file", "model"})
"""Events that bring files with them."""
PAUSE = 1.0
LONGEST_PAUSE = 60.0
PATIENCE = 30.0
"""Seconds that the end of a run waits for a store that accepts nothing."""
SOON = 8.0
"""The same for a run that was stopped or has failed: the next one sends what is left."""


def ship(runs: Runs, run: dict[str, Any], store: Store, console: Console) -> Iterator[int]:
    """Sends what the journal of a run holds behind its offset, and gives the number of events after each request.

    Where files cannot be stored, the rest goes on without them, and `files_offset` remembers the first that waits.
    Errors: UnreachableError; nothing is lost then, and the next call goes on at the same place.
    """
    for events, offset in _batches(runs.journal(run), int(run["offset"])):
        waiting = run.get("files_offset")
        try:
            store.send([_with_run_id(runs, event) for event in events], files=waiting is None)
        except FilesError as error:
            console.warn(f"tracking: files cannot be stored: {error}; curves go on, and files are sent later")
            waiting = run["offset"]
        runs.update(run, offset=offset, files_offset=waiting)
        yield len(events)


def ship_files(runs: Runs, run: dict[str, Any], store: Store) -> Iterator[int]:
    """Sends the files that were left waiting, in their order; gives 1 after each. Errors: FilesError."""
    waiting = run.get("files_offset")
    if waiting is None:
        return
    for event, end in read(runs.journal(run), int(waiting)):
        if end > run["offset"]:
            break
        if event["e"] in WITH_FILES:
            store.send_files(event)
            runs.update(run, files_offset=end)
            yield 1
    runs.update(run, files_offset=None)


def left(runs: Runs, run: dict[str, Any]) -> int:
    """How many events of a run's journal were not sent yet, files that wait included."""
    offset = int(run["offset"])
    waiting = run.get("files_offset")
    count = sum(1 for _ in read(runs.journal(run), offset))
    if waiting is not None:
        for event, end in read(runs.journal(run), int(waiting)):
            count += end <= offset and event["e"] in WITH_FILES
    return count


def sync(folder: Path, console: Console) -> int:
    """Sends everything that is still unsent below a folder (a pipeline's, or the one that holds them all).

    Where the database file is gone or was never completed, all runs that it held are written anew from their journals.
    Returns the number of records sent. Errors: ConfigError when a run is being tracked there just now, TranslateError
    when the store does not answer.
    """
    sent = 0
    uri = store_uri()
    try:
        lost = _is_lost(uri)
        for path in sorted({*folder.glob("tracking.json"), *folder.glob("*/tracking.json")}):
            runs = Runs(path.parent.absolute())
            with Lock(runs.folder / LOCK):
                for run in runs:
                    was_there = lost and run.get("run_id") and run.get("store") == redact(uri)
                    if run.get("mode") == "mlflow" and (was_there or left(runs, run)):
                        store = connect(runs, run, uri, console)
                        sent += sum(ship(runs, run, store, console)) + sum(ship_files(runs, run, store))
    except UnreachableError as error:
        raise TranslateError(f"tracking: {error}; nothing is lost, try again later") from error
    return sent


def _is_lost(uri: str) -> bool:
    """Whether the store is a file that has nothing left of what was sent to it."""
    file = database(uri)
    return file is not None and state_of(file) in (State.MISSING, State.HALF_MADE)


def connect(runs: Runs, run: dict[str, Any], uri: str, console: Console) -> Store:
    """The store, with the run opened in it: the same one where the store still has it, otherwise a new one."""
    earlier = run.get("run_id")
    pipeline = str(run.get("pipeline") or runs.folder.name).partition("@")[0]
    parent = _run_id(runs, run.get("sweep_of"))
    asked = {**(run.get("requested") or {}), **({"parent": parent} if parent else {})}
    store = Store(uri, pipeline, runs.folder, str(run["recipe"]), console, asked)
    store.open(earlier, next((event["t"] for event, _ in read(runs.journal(run))), 0))
    if store.run_id != earlier:
        opened = {"store": redact(uri), "experiment_id": store.experiment_id, "run_id": store.run_id}
        runs.update(run, **opened, offset=0, files_offset=None)
    return store


def _with_run_id(runs: Runs, event: Event) -> Event:
    """The event that names a member of a sweep with its id in the store; any other event as it is."""
    return {**event, "run_id": _run_id(runs, event["journal"])} if event["e"] == "child" else event


def _run_id(runs: Runs, journal: str | None) -> str:
    """The id in the store of the run with this journal; empty for one that was never there."""
    return next((str(run.get("run_id") or "") for run in runs if run["journal"] == journal), "")


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
        self._earlier = [other for other in runs if other is not run]
        self._console = console
        self._uri = store_uri()
        self._abandoned = False
        self._stopping = threading.Event()
        self._failing = False
        self._locked = False
        self._preparing = False
        self._busy = False
        self._store: Store | None = None
        self._moved = time.monotonic()
        self._files_at = 0.0
        self._files_pause = PAUSE
        self._thread = threading.Thread(target=self._loop, name="translate-tracking", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str | None:
        return self._store.url if self._store else None

    def finish(self, *, soon: bool = False) -> int:
        """Ships the rest of a closed journal and ends; gives up when the store does not take anything for a while.

        `soon`: for a run that was stopped or has failed, and is not to be kept from ending.
        Returns the number of records that did not reach the store.

        A database that is being made is waited for: its tables take more than half a minute on a slow disk, and if the
        process ended before, every run of such a machine would begin again. So is one that other runs keep busy.
        """
        self._moved = time.monotonic()
        self._stopping.set()
        while self._thread.is_alive():
            patience = MAKING if self._preparing or self._busy else PATIENCE
            patience = SOON if soon else patience
            if time.monotonic() - self._moved >= patience:
                break
            self._thread.join(0.1)
        self._abandoned = True
        unsent = sum(left(self._runs, run) for run in self._runs if run.get("mode") == "mlflow")
        if unsent:
            self._console.warn(
                f"tracking: {unsent} records did not reach {redact(self._uri)}; they are kept in "
                f"{self._runs.folder} and sent by the next run or by `translate track sync`"
            )
        return unsent

    def _loop(self) -> None:
        pause = PAUSE
        with ExitStack() as locks:
            while True:
                ending = self._stopping.is_set()
                again = False
                try:
                    self._pass(locks, ending)
                    self._failing = self._busy = False
                    pause = PAUSE
                except Exception as error:  # a thread's traceback would help nobody, and the work must go on
                    again = self._busy = isinstance(error, BusyError)
                    self._report(error)
                    self._failing, pause = True, min(2 * pause, LONGEST_PAUSE)
                if self._abandoned or (ending and not again):
                    return
                self._wait(ending, pause)

    def _wait(self, ending: bool, pause: float) -> None:
        """Until the next pass. At the end another process holds the database for a moment: the call is made again."""
        if ending:
            time.sleep(PAUSE / 5)
        else:
            self._stopping.wait(pause)

    def _report(self, error: Exception) -> None:
        if self._failing or self._abandoned or isinstance(error, BusyError):
            return
        expected = isinstance(error, (UnreachableError, TranslateError, OSError))
        text = str(error) if expected else f"{type(error).__name__}: {error}"
        self._console.warn(f"tracking: {text}; the work goes on, and its records are sent later")

    def _pass(self, locks: ExitStack, ending: bool) -> None:
        """Sends everything that the journal holds by now."""
        if self._store is None:
            if not self._locked:
                locks.enter_context(Lock(self._runs.folder / LOCK))
                self._locked = True
            self._prepare()
            self._store = connect(self._runs, self._run, self._uri, self._console)
        for _ in ship(self._runs, self._run, self._store, self._console):
            self._moved = time.monotonic()
        if self._run.get("files_offset") is not None and (ending or time.monotonic() >= self._files_at):
            self._ship_files(self._store, self._run)
        self._ship_earlier()

    def _ship_earlier(self) -> None:
        """Sends what earlier runs of this pipeline left behind, such as one that was killed when it was nearly done."""
        while self._earlier:
            run = self._earlier[0]
            if run.get("mode") == "mlflow" and left(self._runs, run):
                store = connect(self._runs, run, self._uri, self._console)
                for _ in ship(self._runs, run, store, self._console):
                    self._moved = time.monotonic()
                self._ship_files(store, run)
            self._earlier.pop(0)

    def _prepare(self) -> None:
        self._preparing = True
        try:
            prepare_store(self._uri, self._console)
        finally:
            self._moved = time.monotonic()
            self._preparing = False

    def _ship_files(self, store: Store, run: dict[str, Any]) -> None:
        """Tries the files that wait; each failure doubles the time until the next try."""
        try:
            for _ in ship_files(self._runs, run, store):
                self._moved = time.monotonic()
            self._files_pause = PAUSE
        except FilesError:  # `ship` has said so when the first of them failed
            self._files_at = time.monotonic() + self._files_pause
            self._files_pause = min(2 * self._files_pause, LONGEST_PAUSE)
