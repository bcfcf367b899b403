"""Short versions of the long checks in tests/benchmarks/conversion.py."""

import subprocess
import sys
from pathlib import Path

import pytest
import warm

SCRIPT = Path(__file__).parents[1] / "benchmarks/conversion.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("args", "found"),
    [
        (("trees", "--trees", "2"), "0 promises broken"),
        (("kills", "--files", "120", "--kills", "3"), "wrong 0, written twice 0"),
        (("memory", "--counts", "200", "600"), "(at most 1.15)"),
    ],
)
def test_a_short_run(args, found, tmp_path):
    if args[0] == "memory":  # a process that was forked from a large one counts the memory of that as its own
        done = subprocess.run([sys.executable, SCRIPT, *args], capture_output=True, text=True, check=False)
    else:
        done = warm.run([SCRIPT, *args], tmp_path)
    assert done.returncode == 0 and found in done.stdout, done.stdout + done.stderr
