"""A store that is ready for records: MLflow imported, a missing database made, a moved one pointed at its artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from translate.tracking.client import client
from translate.tracking.database import prepare
from translate.tracking.delivery.answers import RefusedError, translated
from translate.tracking.moved import follow_and_tell
from translate.tracking.store_uri import DEFAULT_STORE, UnreachableError, database, is_folder

if TYPE_CHECKING:
    from translate.contracts import Console


def prepare_store(uri: str, console: Console) -> None:
    """Gets a store ready on this machine: imports MLflow, makes a missing database, mends what can be mended.

    It takes seconds for a new database. Servers are not asked anything. Errors: UnreachableError.
    """
    try:
        with translated():
            if file := database(uri):
                _prepare_file(file, console)
            client(uri)
    except RefusedError as refusal:
        if not is_folder(uri):
            raise UnreachableError(str(refusal)) from refusal
        hint = f"set MLFLOW_TRACKING_URI={DEFAULT_STORE}, or unset it"
        raise UnreachableError(f"{uri} is a folder, and this MLflow records into databases; {hint}") from refusal


def _prepare_file(file: Path, console: Console) -> None:
    aside = prepare(file)
    if aside:
        console.warn(f"tracking: the making of {file.name} had broken off; a new one was made, see {aside.name}")
    follow_and_tell(file, console)
