"""One empty database of MLflow for all tests of a process, copied for each: its 70 migrations take a second.

Tests of the making itself run commands in processes of their own, which know nothing of this, or begin with `UNDO`.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from functools import cache, partial
from pathlib import Path

from translate.tracking import database

make = database._make
UNDO = """
import sys
from translate.tracking import database
database._make = sys.modules["database_template"].make
"""
"""How a program of `warm` gets a database as MLflow makes it."""


@cache
def template() -> bytes:
    """An empty database."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mlflow.db"
        make(file)
        return file.read_bytes()


def copy(file: Path, content: bytes | None = None) -> None:
    """Puts a copy in the place of a database, with the artifacts of MLflow's own experiment below this folder."""
    file.write_bytes(content or template())
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = ?", (str(Path.cwd() / "mlruns/0"),))


def install(content: bytes | None = None) -> None:
    """Databases of this process are copies from here on: of `content`, or of one that is made when the first is asked
    for."""
    database._make = partial(copy, content=content)
