"""A short version of `tests/benchmarks/restarts.py`: trainings that are started again right after `kill -9`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "restarts.py"


@pytest.mark.parametrize("options", [[], ["--change"]], ids=["same options", "other options"])
def test_restarts_right_after_kill_9_go_on(options: list[str], tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--count", "3", "--keep", str(tmp_path), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.stdout.startswith("3 restarts right after kill -9: 3 go on"), done.stdout + done.stderr
