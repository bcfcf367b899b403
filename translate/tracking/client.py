"""MLflow's client, quiet and without telemetry. Everything that imports mlflow goes through here first."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from translate.tracking.store_uri import from_anywhere

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "ERROR",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    }
)
"""Quiet, without telemetry, and soon told that a server is dead; what the user has set himself stays.

Whoever sends a record tries again himself: the client would make a second run where the answer to the making of the
first is lost, and sleep for as long as a server's `Retry-After` says.
"""


@contextmanager
def without_news() -> Iterator[None]:
    """Holds back INFO messages of all loggers: with every migration MLflow 2 sets the levels of its own anew."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))
    try:
        yield
    finally:
        logging.disable(before)


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def client(uri: str) -> Any:
    """An `MlflowClient` on a store, with MLflow's own messages held back. On an empty database it makes all tables."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # MLflow's own libraries raise deprecation warnings that no user can mend. A filter is set for good, because
    # `catch_warnings` changes global state and is not safe beside other threads.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(mlflow|sqlalchemy|alembic)\b")
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # It logs with a traceback what it raises as well (a full disk, a locked database), and that is said in one line.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    # Older versions set alembic's level back to INFO when they open a database; a filter stays.
    logging.getLogger("alembic.runtime.migration").addFilter(_is_error)
    return MlflowClient(from_anywhere(uri))


def entities() -> Any:
    """MLflow's module of the things that a client sends."""
    import mlflow.entities

    return mlflow.entities
