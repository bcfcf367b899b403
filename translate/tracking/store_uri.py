"""The address of the tracking store, and of its pages."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

DEFAULT_STORE = "sqlite:///mlflow.db"
PAGE = "workflowType=machine_learning"
"""What makes MLflow's pages show curves and runs; without it they open on traces of language models."""


class UnreachableError(Exception):
    """The store does not answer or cannot work now: what is left stays in the journal."""


def store_uri() -> str:
    """Where runs are recorded: `MLFLOW_TRACKING_URI`, else a database file in the working directory."""
    return os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_STORE


def database(uri: str) -> Path | None:
    """The file of a `sqlite:///...` store, None for any other store."""
    if not uri.startswith("sqlite:"):
        return None
    return Path(unquote(urlsplit(uri).path.removeprefix("/"))).absolute()
