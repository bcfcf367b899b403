"""A short version of `tests/benchmarks/restarts.py`: trainings that are started again right after `kill -9`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import warm
from data_images import benchmark


@pytest.mark.parametrize("change", [False, True], ids=["same options", "other options"])
def test_restarts_right_after_kill_9_go_on(change: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restarts = benchmark("restarts")
    monkeypatch.setattr(restarts, "subprocess", SimpleNamespace(Popen=warm.Program, STDOUT=subprocess.STDOUT))
    assert restarts.run(tmp_path, count=3, seed=0, workers=2, change=change) == 3
