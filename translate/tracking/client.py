"""MLflow's client, quiet and without telemetry. Everything that imports mlflow goes through here first."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "ERROR",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    }
)
"""Quiet, without telemetry, and soon told that a server is dead; what the user has set himself stays."""


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
    # MLflow 2 sets alembic's level back to INFO with every migration; a filter stays.
    logging.getLogger("alembic.runtime.migration").addFilter(_is_error)
    return MlflowClient(uri)
