"""The address of the tracking store and of its pages, and what the environment asks of a run."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

DEFAULT_STORE = "sqlite:///mlflow.db"
ARTIFACTS = "mlartifacts"
"""The folder beside a database file that holds its artifacts."""
PAGE = "workflowType=machine_learning"
"""Makes MLflow's pages show curves and runs; without it they open on traces of language models."""


class UnreachableError(Exception):
    """The store does not answer or cannot work now: what is left stays in the journal."""


class BusyError(UnreachableError):
    """Another process is writing to the database; a moment later the same call may work."""


class FilesError(UnreachableError):
    """The store takes records, but the place of its files (pictures, tables, models) takes none."""


def store_uri() -> str:
    """Where runs are recorded: `MLFLOW_TRACKING_URI`, else a database file in the working directory."""
    return os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_STORE


def requested() -> dict[str, str]:
    """What MLflow's own variables ask for: `experiment`, `name` and `run_id` of the run, those that are set."""
    variables = {"experiment": "MLFLOW_EXPERIMENT_NAME", "name": "MLFLOW_RUN_NAME", "run_id": "MLFLOW_RUN_ID"}
    return {key: os.environ[variable] for key, variable in variables.items() if os.environ.get(variable)}


def database(uri: str) -> Path | None:
    """The file of a `sqlite:///...` store; None for any other store, one in memory included."""
    parts = urlsplit(uri)
    path = unquote(parts.path.removeprefix("/"))
    if parts.scheme.partition("+")[0] != "sqlite" or path in ("", ":memory:"):
        return None
    return Path(path).absolute()


def from_anywhere(uri: str) -> str:
    """A database's address with the whole path of its file; other addresses as they are.

    MLflow keeps connections by address: a notebook that changes its directory would go on with the database of the old
    one. An address or a path with a character that means something in addresses stays as it is.
    """
    file = database(uri)
    if file is None or any(sign in f"{uri}{file}" for sign in "?#%"):
        return uri
    return f"{urlsplit(uri).scheme}:///{file}"


def is_folder(uri: str) -> bool:
    """Whether runs are to be recorded in a folder (`./mlruns`, `file:...`), which newer versions of MLflow refuse."""
    scheme = urlsplit(uri).scheme
    drive = len(scheme) == 1  # C:\runs
    return scheme == "file" or drive or (not scheme and not uri.startswith("databricks"))
