"""A project that was moved or copied: its store is pointed at the artifacts that lie beside it now.

MLflow keeps the place of every artifact as an absolute address in the database. Artifacts of a local store always lie
in `mlartifacts/` beside the database, so their addresses can be made right again.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from translate.tracking.store_uri import ARTIFACTS, UnreachableError

if TYPE_CHECKING:
    from translate.contracts import Console

COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
    ("logged_models", "artifact_location"),
)
"""Where MLflow keeps addresses of artifacts; a table that a version lacks is passed over."""


def follow(file: Path) -> int:
    """Points a database that was moved at the artifacts beside it. Returns the number of addresses changed.

    Errors: UnreachableError where the database cannot be written.
    """
    here = (file.parent / ARTIFACTS).as_uri()
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)) as connection, connection:
            roots = {root for root in _roots(connection) if root != here and _moved(root, file, connection)}
            return sum(_replace(connection, root, here) for root in sorted(roots))
    except sqlite3.Error as error:
        raise UnreachableError(f"{file}: {error}") from error


def follow_and_tell(file: Path, console: Console) -> None:
    """The same, and a sentence about it where there was something to change. Errors: UnreachableError."""
    if follow(file):
        console.say(f"tracking: {file.name} was moved; its artifacts are those in {file.parent / ARTIFACTS}")


def _roots(connection: sqlite3.Connection) -> set[str]:
    """The addresses of the `mlartifacts` folders in which experiments keep their artifacts as this tool sets it up."""
    roots = set()
    for name, location in connection.execute("SELECT name, artifact_location FROM experiments"):
        root, _, last = str(location or "").rpartition("/")
        if root.startswith("file:") and root.endswith(f"/{ARTIFACTS}") and unquote(last) == name:
            roots.add(root)
    return roots


def _moved(root: str, file: Path, connection: sqlite3.Connection) -> bool:
    """Tells a store that was moved or copied from one whose owner keeps artifacts elsewhere on purpose.

    In the first case the old project is gone, or the experiments' folders came along.
    """
    project = Path(url2pathname(urlsplit(root).path)).parent
    if not project.is_dir():
        return True
    locations = connection.execute("SELECT artifact_location FROM experiments").fetchall()
    names = [unquote(str(row[0]).rpartition("/")[2]) for row in locations if str(row[0]).startswith(f"{root}/")]
    return any((file.parent / ARTIFACTS / name).is_dir() for name in names)


def _replace(connection: sqlite3.Connection, old: str, new: str) -> int:
    """Exchanges the beginning of every address below `old`."""
    changed = 0
    for table, column in COLUMNS:
        columns = {row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')}
        if column in columns:
            start = len(old) + 1
            changed += connection.execute(
                f'UPDATE "{table}" SET "{column}" = ? || substr("{column}", ?) WHERE substr("{column}", 1, ?) = ?',
                (new, start, start, f"{old}/"),
            ).rowcount
    return changed
