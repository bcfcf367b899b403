"""One empty database of MLflow for all tests of a process, copied for each: its 70 migrations take a second.

Tests of the making itself run commands in processes of their own, which know nothing of this.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from translate.tracking import database

make = database._make


@cache
def template() -> bytes:
    """An empty database."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mlflow.db"
        make(file)
        return file.read_bytes()


def copy(file: Path) -> None:
    """Puts a copy in the place of a database, with the artifacts of MLflow's own experiment below this folder."""
    file.write_bytes(template())
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = ?", (str(Path.cwd() / "mlruns/0"),))


def install() -> None:
    """Databases of this process are copies from here on."""
    database._make = copy
