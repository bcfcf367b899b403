"""Short versions of the long checks in tests/benchmarks/conversion.py."""

import subprocess
import sys
from pathlib import Path

import pytest

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
def test_a_short_run(args, found):
    done = subprocess.run([sys.executable, SCRIPT, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and found in done.stdout, done.stdout + done.stderr
