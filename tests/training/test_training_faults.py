"""A short version of `tests/benchmarks/faults.py`: writes of a run that fail."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "faults.py"


@pytest.mark.skipif(sys.platform != "linux", reason="the library that lets writes fail is one for Linux")
@pytest.mark.skipif(shutil.which("cc") is None and shutil.which("gcc") is None, reason="no C compiler is here")
def test_writes_that_fail_cost_no_checkpoint_and_leave_nothing() -> None:
    command = [sys.executable, str(SCRIPT), "--sample", "5", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["wrong"] == {} and sum(outcome["tried"].values()) == 5
    assert outcome["operations"] > 200 and 0 < sum(outcome["ended"].values()) <= 5
