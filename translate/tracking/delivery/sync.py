"""`translate track sync`: sends what a tracking server missed while it was away, or what a killed run left behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from translate.errors import ConfigError, DataError, TranslateError
from translate.storage.lock import Lock, LockedError
from translate.tracking.database import State, state_of
from translate.tracking.delivery.killed import end_killed, has_killed
from translate.tracking.delivery.ship import Count, Seldom, connect, mend, ship, ship_files, unsent
from translate.tracking.journal import Runs
from translate.tracking.moved import follow_and_tell
from translate.tracking.redact import redact
from translate.tracking.store_uri import BusyError, UnreachableError, database, store_uri

if TYPE_CHECKING:
    from translate.contracts import Console

LOCK = ".tracking/lock"
"""Held below a pipeline's folder by whoever sends its records."""
PATIENCE = 10.0
"""Seconds for which a server that takes nothing is tried again."""
LONGEST_PAUSE = 2.0


def sync(folder: Path, console: Console) -> int:
    """Sends everything that is still unsent below a folder (a pipeline's, or the one that holds them all).

    Where the database file is gone or was never completed, all runs that it held are written anew from their journals;
    one that was moved is pointed at the artifacts beside it.
    Returns the number of points and other records that were sent. What keeps one pipeline from being sent does not keep
    the others. Errors: ConfigError when a run is being tracked there just now, TranslateError when the store does not
    answer; DataError for a damaged list of runs.
    """
    uri = store_uri()
    total = Count()
    problems: list[TranslateError] = []
    try:
        file = database(uri)
        state = state_of(file) if file else None
        if file and state is State.READY:
            # also where nothing is left to send: MLflow itself finds no artifacts of a moved store
            follow_and_tell(file, console)
    except UnreachableError as error:
        raise TranslateError(f"tracking: {error}; nothing is lost, try again later") from error
    lost = state in (State.MISSING, State.HALF_MADE)  # nothing is left of what was sent to it
    for path in sorted({*folder.glob("tracking.json"), *folder.glob("*/tracking.json")}):
        try:
            for sent in _sync_pipeline(path.parent.absolute(), uri, lost, console):
                total += sent
        except UnreachableError as error:
            problems.append(TranslateError(f"tracking: {error}; nothing is lost, try again later"))
            break
        except (LockedError, DataError) as error:
            problems.append(error)
    if problems:
        if total:
            console.say(f"{total} sent")
        raise _together(problems)
    return total.points + total.others


def _together(problems: list[TranslateError]) -> TranslateError:
    """Several problems as one error of the kind of the first."""
    if len(problems) == 1:
        return problems[0]
    kind = ConfigError if isinstance(problems[0], ConfigError) else TranslateError
    return kind("\n".join(map(str, problems)))


def _sync_pipeline(folder: Path, uri: str, lost: bool, console: Console) -> Iterator[Count]:
    """Sends the runs of one pipeline; gives what each of them had. Errors: LockedError, DataError, UnreachableError."""
    runs = Runs(folder)
    with Lock(folder / LOCK):
        _end_killed(runs)
        for run in runs:
            was_there = lost and run.get("run_id") and run.get("store") == redact(uri)
            if run.get("mode") == "mlflow" and (was_there or unsent(runs, run)):
                sent = Count()
                for part in _send(runs, run, uri, console):
                    sent += part
                console.say(f"{run.get('pipeline') or folder.name}: {sent} sent to {redact(uri)}")
                yield sent


def _end_killed(runs: Runs) -> None:
    """Ends the runs that were killed, unless somebody works in the folder, or nobody may write there."""
    if has_killed(runs.folder):
        with suppress(LockedError, OSError), Lock(runs.folder / ".lock"):
            end_killed(runs)


def _send(runs: Runs, run: dict[str, Any], uri: str, console: Console) -> Iterator[Count]:
    """Sends one run, and tries again for a while where a server does not answer. Errors: UnreachableError."""
    told = Seldom(console)
    until, pause = time.monotonic() + PATIENCE, LONGEST_PAUSE / 8
    while True:
        try:
            store = connect(runs, run, uri, console)
            for send in (ship(runs, run, store, told), ship_files(runs, run, store), mend(runs, run, store)):
                for part in send:
                    until, pause = time.monotonic() + PATIENCE, LONGEST_PAUSE / 8
                    yield part
            return
        except UnreachableError as error:
            # A file says at once and for good what is wrong with it, unless others are writing there.
            passing = uri.startswith("http") or isinstance(error, BusyError)
            if not passing or time.monotonic() + pause >= until:
                raise
            told.warn(f"{error}; it is tried again for {PATIENCE:g} seconds")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
