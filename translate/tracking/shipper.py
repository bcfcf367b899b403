"""Carries the journal to the tracking store in the background, so that training never waits for it."""

from __future__ import annotations

import shlex
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from translate.errors import TranslateError
from translate.storage.lock import Lock
from translate.tracking.database import MAKING
from translate.tracking.delivery.answers import GoneError
from translate.tracking.delivery.prepare import prepare_store
from translate.tracking.delivery.ship import Count, Seldom, connect, mend, ship, ship_files, unsent
from translate.tracking.delivery.sync import LOCK
from translate.tracking.delivery.yielding import giving_way
from translate.tracking.journal import Runs
from translate.tracking.redact import redact
from translate.tracking.store import Store
from translate.tracking.store_uri import BusyError, FilesError, UnreachableError, store_uri

if TYPE_CHECKING:
    from translate.contracts import Console

PAUSE = 1.0
LONGEST_PAUSE = 60.0
PATIENCE = 30.0
"""Seconds that the end of a run waits for a store that accepts nothing."""
SOON = 8.0
"""The same for a run that was stopped or has failed, and for a server that answers with errors."""
LONGEST_END = 300.0
"""Seconds that the end of a run waits for a store that accepts things slowly."""
TELLING = 5.0
"""Seconds after which the end of a run says what it waits for."""


class Shipper:
    """The thread that ships one run. It is a daemon: it never keeps a process alive."""

    def __init__(self, runs: Runs, run: dict[str, Any], console: Console) -> None:
        self._runs = runs
        self._run = run
        self._earlier = [other for other in runs if other is not run]
        self._console = console
        self._told = Seldom(console)
        self._uri = store_uri()
        self._abandoned = False
        self._soon = False
        self._stopping = threading.Event()
        self._locked = False
        self._preparing = self._ready = False
        self._busy = False
        self._shaky = run.get("run_id") is not None
        """Whether the store has failed in between, or what an earlier process sent may have failed."""
        self._store: Store | None = None
        self._moved = time.monotonic()
        self._files_at = 0.0
        self._files_pause = PAUSE
        self._thread = threading.Thread(target=self._loop, name="translate-tracking", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str | None:
        return self._store.url if self._store else None

    @property
    def page(self) -> str | None:
        """The address of the run's page, also where the store is a file; None before the store answered."""
        return self._store.page if self._store else None

    def finish(self, *, soon: bool = False) -> int:
        """Ships the rest of a closed journal and ends; gives up when the store does not take anything for a while.

        `soon`: for a run that was stopped or has failed, and is not to be kept from ending.
        Returns the number of records that did not reach the store.

        A database that is being made is waited for: its tables take more than half a minute on a slow disk, and if the
        process ended before, every run of such a machine would begin again. So is one that other runs keep busy.
        """
        self._soon = soon
        began = self._moved = time.monotonic()
        telling = began + TELLING
        self._stopping.set()
        while self._thread.is_alive() and not self._is_enough(began):
            self._thread.join(0.1)
            if time.monotonic() >= telling and self._uri.startswith("http") and not self._preparing:
                telling += LONGEST_END + MAKING
                self._console.say(f"tracking: {self._rest()} on their way to {redact(self._uri)}")
        self._abandoned = True
        rest = self._rest()
        if rest:
            self._console.warn(
                f"tracking: {rest} did not reach {redact(self._uri)}; they are kept in {self._runs.folder}, and "
                f"`{self._command()}` or the next run sends them"
            )
        return rest.points + rest.others

    def _is_enough(self, began: float) -> bool:
        """Whether the end of a run has waited long enough; `began`: since when it waits."""
        patience, longest = PATIENCE, LONGEST_END
        if self._soon:
            patience = longest = SOON
        elif self._preparing or self._busy:
            patience = longest = MAKING
        now = time.monotonic()
        return now - self._moved >= patience or now - began >= longest

    def _rest(self) -> Count:
        """What has not reached the store, of this run and of earlier ones of the pipeline."""
        return sum((unsent(self._runs, run) for run in self._runs if run.get("mode") == "mlflow"), Count())

    def _command(self) -> str:
        """The command that sends the rest, from the working directory."""
        folder = self._runs.folder
        where = "" if folder.parent == Path("runs").absolute() else f" {shlex.quote(str(folder))}"
        return f"translate track sync{where}"

    def _loop(self) -> None:
        pause = PAUSE
        with ExitStack() as locks:
            while True:
                ending = self._stopping.is_set()
                again = False
                try:
                    with giving_way():
                        self._pass(locks, ending)
                    self._busy = False
                    pause = PAUSE
                except Exception as error:  # a thread's traceback would help nobody, and the work must go on
                    self._shaky = True
                    self._busy = isinstance(error, BusyError)
                    again = self._is_worth_another(error)
                    self._report(error)
                    pause = min(2 * pause, LONGEST_PAUSE)
                if self._abandoned or (ending and not again):
                    return
                self._wait(ending, pause)

    def _is_worth_another(self, error: Exception) -> bool:
        """Whether the same pass may work a moment later, when the run has ended and waits for it."""
        if isinstance(error, GoneError):
            self._store = None
            return True
        over_a_network = self._uri.startswith("http") and isinstance(error, UnreachableError)
        return self._busy or (over_a_network and time.monotonic() - self._moved < SOON)

    def _wait(self, ending: bool, pause: float) -> None:
        """Until the next pass. At the end another process holds the database for a moment: the call is made again."""
        if ending:
            time.sleep(PAUSE / 5)
        else:
            self._stopping.wait(pause)

    def _report(self, error: Exception) -> None:
        if self._abandoned or isinstance(error, BusyError | GoneError):
            return
        expected = isinstance(error, (UnreachableError, TranslateError, OSError))
        text = str(error) if expected else f"{type(error).__name__}: {error}"
        self._told.warn(f"{text}; the work goes on, and its records are sent later")

    def _pass(self, locks: ExitStack, ending: bool) -> None:
        """Sends everything that the journal holds by now."""
        if self._store is None:
            if not self._locked:
                locks.enter_context(Lock(self._runs.folder / LOCK))
                self._locked = True
            if not self._ready:
                self._prepare()
            self._store = connect(self._runs, self._run, self._uri, self._console)
        for _ in ship(self._runs, self._run, self._store, self._told):
            self._moved = time.monotonic()
        self._ship_earlier()
        if self._run.get("files_offset") is not None and (ending or time.monotonic() >= self._files_at):
            self._ship_files(self._store, self._run, ending)
        if ending and self._shaky:
            for _ in mend(self._runs, self._run, self._store):
                self._moved = time.monotonic()

    def _ship_earlier(self) -> None:
        """Sends what earlier runs of this pipeline left behind, such as one that was killed when it was nearly done."""
        while self._earlier:
            run = self._earlier[0]
            if run.get("mode") == "mlflow" and unsent(self._runs, run):
                store = connect(self._runs, run, self._uri, self._console)
                for _ in ship(self._runs, run, store, self._told):
                    self._moved = time.monotonic()
                self._ship_files(store, run)
            self._earlier.pop(0)

    def _prepare(self) -> None:
        self._preparing = True
        try:
            prepare_store(self._uri, self._console)
            self._ready = True
        finally:
            self._moved = time.monotonic()
            self._preparing = False

    def _ship_files(self, store: Store, run: dict[str, Any], ending: bool = False) -> None:
        """Tries the files that wait; each failure doubles the pause before the next. Errors: FilesError (`ending`)."""
        try:
            for _ in ship_files(self._runs, run, store):
                self._moved = time.monotonic()
            self._files_pause = PAUSE
        except FilesError:  # `ship` has said so when the first of them failed
            self._files_at = time.monotonic() + self._files_pause
            self._files_pause = min(2 * self._files_pause, LONGEST_PAUSE)
            self._shaky = True
            if ending:
                raise
