"""The database file of a local store: made whole or not at all, and recognised when an earlier making broke off.

MLflow makes a new database in place, table by table, in about 70 steps that SQLite cannot take back together. A process
that is killed meanwhile leaves a file that no later start of MLflow can finish. So the file is made in a temporary
folder here and appears under its name when it is complete.
"""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import Timeout

from translate.errors import ConfigError
from translate.storage.atomic import replace
from translate.storage.filesystem import missing_for_databases, sync, sync_folder
from translate.storage.lock import waiting_for
from translate.tracking.client import client, without_news
from translate.tracking.store_uri import BusyError, UnreachableError

QUIET = 5.0
"""Seconds without a change after which a half-made file is nobody's work in progress."""
MAKING = 600.0
"""Seconds to wait for another process that makes the same file."""
COMPANIONS = ("-journal", "-wal", "-shm")
"""Files that SQLite keeps beside a database. A new database beside an old one's journal would be damaged by it."""


class State(Enum):
    """What a database file is good for."""

    MISSING = "missing"
    HALF_MADE = "half-made"
    READY = "ready"
    OLDER = "older"
    NEWER = "newer"
    DAMAGED = "damaged"


def state_of(file: Path) -> State:
    """Looks at a database file without MLflow and without changing a table. Errors: UnreachableError, BusyError.

    MLflow writes its first experiment after the last table, so a file without any experiment was never completed.
    """
    if not file.exists():
        return State.MISSING
    if not file.is_file():
        return State.DAMAGED
    try:
        # "rw" and not "ro": after a crash SQLite has to roll back what its journal holds before anything can be read.
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)) as connection:
            if not _rows(connection, "experiments") and not _rows(connection, "registered_models"):
                return State.HALF_MADE
            revisions = {str(row[0]) for row in _rows(connection, "alembic_version")}
    except sqlite3.OperationalError as error:
        kind = BusyError if "locked" in str(error) else UnreachableError
        raise kind(f"{file}: {error}") from error
    except sqlite3.DatabaseError:
        return State.DAMAGED
    head, all_revisions = schema_revisions()
    if not revisions or not all_revisions or revisions == {head}:
        return State.READY
    return State.OLDER if revisions <= all_revisions else State.NEWER


def _rows(connection: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    """Up to ten rows of a table; none where the table is missing."""
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()
    return connection.execute(f'SELECT * FROM "{table}" LIMIT 10').fetchall() if there else []


@lru_cache(maxsize=1)
def schema_revisions() -> tuple[str, frozenset[str]]:
    """The newest schema of the installed MLflow and all that it knows, read from its migrations; empty if not found.

    They are read as text: importing them costs seconds, and `translate doctor` only looks.
    """
    spec = importlib.util.find_spec("mlflow")
    if spec is None or spec.origin is None:
        return "", frozenset()
    revisions: set[str] = set()
    ancestors: set[str] = set()
    for path in (Path(spec.origin).parent / "store" / "db_migrations" / "versions").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        revisions |= set(re.findall(r"^revision\b[^=]*=\s*[\"'](\w+)[\"']", text, re.MULTILINE))
        for line in re.findall(r"^down_revision\b[^=]*=(.*)", text, re.MULTILINE):
            ancestors |= set(re.findall(r"[\"'](\w+)[\"']", line))
    heads = revisions - ancestors
    return (heads.pop(), frozenset(revisions)) if len(heads) == 1 else ("", frozenset())


def advice(state: State, file: Path) -> tuple[str, str]:
    """Says in a sentence why a file cannot be used, and in another what helps."""
    uri = f"sqlite:///{file}"
    if state is State.HALF_MADE:
        return f"the making of {file} broke off", "`translate track sync` or the next run makes it anew"
    if state is State.OLDER:
        return f"{file} has the schema of an older MLflow", f"copy it, then run `mlflow db upgrade {uri}`"
    if state is State.NEWER:
        return f"{file} has the schema of a newer MLflow", "run `pip install --upgrade mlflow`"
    if state is State.DAMAGED:
        size = f"{file.stat().st_size / 1e6:.1f} MB"
        mend = f"rename it to {file.name}.damaged; `translate track sync` records all runs anew"
        return f"{file} ({size}) is no database, or damaged", mend
    mend = "run a pipeline first (`translate run FILE`), or set MLFLOW_TRACKING_URI to where your runs are"
    return f"there is no tracking store at {file}", mend


def check_ready(file: Path) -> None:
    """Errors: ConfigError that says why nothing can be read from a database, and what helps."""
    try:
        state = state_of(file)
    except UnreachableError as error:
        raise ConfigError(str(error)) from error
    if state is not State.READY:
        raise ConfigError("; ".join(advice(state, file)))


def prepare(file: Path) -> Path | None:
    """Returns when the database can be used; makes it if it is missing, and anew if its making broke off.

    The result is where a half-made file is kept, None if there was none. Processes that call this at once wait for the
    first of them. Errors: UnreachableError, BusyError, OSError (a full disk: nothing is left then).
    """
    file = Path(os.path.realpath(file))
    _check_place(file.parent)
    if state_of(file) is State.READY:
        return None
    aside = None
    with _locked(file):
        state = _settled(file)
        if state is State.HALF_MADE:
            aside = _set_aside(file)
        if state in (State.HALF_MADE, State.MISSING):
            _discard_companions(file)
            _make(file)
        elif state is not State.READY:
            raise UnreachableError("; ".join(advice(state, file)))
    return aside


def _check_place(folder: Path) -> None:
    """Errors: UnreachableError where no database can work, since its file system lacks what SQLite needs."""
    with suppress(OSError):  # what cannot be written is told by `_locked`
        if missing := missing_for_databases(folder):
            raise UnreachableError(
                f"the file system of {folder} has no {missing}, without which no database works there: set "
                "MLFLOW_TRACKING_URI to one on another disk, such as sqlite:////tmp/mlflow.db"
            )


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Keeps other processes from making the same file. The lock file is removed by its holder."""
    path = file.with_name(f".{file.name}.lock")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with waiting_for(path, MAKING):
            yield
            with suppress(OSError):  # Windows removes no open file; filelock does it there after the release
                path.unlink()
    except Timeout:
        raise UnreachableError(f"another process has been making {file} for {MAKING:.0f} seconds") from None
    except PermissionError as error:
        hint = "set MLFLOW_TRACKING_URI to a database in a folder of yours, such as sqlite:////home/me/mlflow.db"
        raise UnreachableError(f"{file.parent} cannot be written ({error.strerror}); {hint}") from error


def _settled(file: Path) -> State:
    """The state of the file; a half-made one is watched until nobody has written to it for a while.

    It may be the work of a program that does not know our lock: `mlflow ui`, or an older version of this one.
    """
    while (state := state_of(file)) is State.HALF_MADE:
        untouched = time.time() - file.stat().st_mtime
        if not 0 <= untouched < QUIET:
            break
        time.sleep(0.2)
    return state


def _set_aside(file: Path) -> Path:
    """Renames a half-made file to the first free of `mlflow.db.half-made`, `mlflow.db.half-made-2`, ..."""
    number = 1
    while (aside := file.with_name(f"{file.name}.half-made{f'-{number}' if number > 1 else ''}")).exists():
        number += 1
    file.rename(aside)
    return aside


def _discard_companions(file: Path) -> None:
    for suffix in COMPANIONS:
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _make(file: Path) -> None:
    """Makes a database with all of MLflow's tables and puts it under its name in one step."""
    # The temporary folder's name is safe in a URL, the project's may hold `?` or `#`. MLflow keeps a connection to the
    # file that it made, so the file is copied instead of moved. On Windows the open one stays until the system cleans.
    with tempfile.TemporaryDirectory(prefix="translate-store-", ignore_cleanup_errors=True) as folder:
        complete = Path(os.path.realpath(folder)) / "mlflow.db"
        with _unsynced(complete), without_news():
            client(f"sqlite:///{complete}").search_experiments()
        if (state := state_of(complete)) is not State.READY:
            raise UnreachableError(f"MLflow made a database that is {state.value}")
        temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}.tmp")
        try:
            _copy(complete, temporary)
            _publish(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)
    sync_folder(file.parent)


@contextmanager
def _unsynced(file: Path) -> Iterator[None]:
    """Spares SQLite the waiting for the disk after each of the migrations: a crash throws this file away anyway."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def configure(connection: Any, record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            opened = connection.execute("PRAGMA database_list").fetchone()[2]
            if Path(opened) == file:
                connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", configure)
    try:
        yield
    finally:
        event.remove(Engine, "connect", configure)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer)
        sync(writer)


def _publish(temporary: Path, file: Path) -> None:
    """Gives a complete file its name, unless a program that ignores our lock has put another there meanwhile."""
    try:
        os.link(temporary, file)  # unlike a rename, a link never replaces a file
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        replace(temporary, file)
