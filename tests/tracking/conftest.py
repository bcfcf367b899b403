from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import database_template
import pytest

from translate.tracking import Tracking, open_tracking

RESOLVED = """
version: 1
name: maps
seed: 42
stages:
  prepare:
    uses: preprocess
    with: {source: {uses: dataset, name: maps, password: hunter2, url: "https://me:hunter2@host/x?token=hunter2&a=1"}}
  train:
    uses: train
    needs: {data: prepare}
    with: {method: cyclegan, options: {pool: 50}, losses: {cycle: 10}, optimizer: {uses: adam, lr: 0.0002}, epochs: 3}
"""


class Said:
    """A console that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        raise AssertionError

    def progress(self, title: str, total: int, done: int = 0, unit: str = "images") -> Any:
        raise AssertionError


@pytest.fixture(autouse=True)
def own_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases are made as they are without tests: how is what several tests here ask."""
    monkeypatch.setattr("translate.tracking.database._make", database_template.make)


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh database with all of MLflow's tables, made once."""
    from translate.tracking.store import client

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    client(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An MlflowClient on an empty database that the working directory uses."""
    from translate.tracking.store import client

    shutil.copyfile(migrated, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return client(uri)


Open = Callable[..., Tracking]


@pytest.fixture
def opened(tmp_path: Path, said: Said) -> Open:
    def open_(recipe: str = "a" * 64, mode: Any = "mlflow", resolved: str = RESOLVED) -> Tracking:
        return open_tracking(
            mode,
            "maps@quick",
            tmp_path / "runs" / "maps@quick",
            recipe=recipe,
            resolved=resolved,
            stages=["train"],
            versions={"cyclegan": "0.1.0"},
            console=said,
        )

    return open_
