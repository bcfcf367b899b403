"""Commands tell torch's threads to sleep while they wait for each other, before torch is there."""

import os
import subprocess
import sys

import pytest

from translate.threads import WAITING

COMMAND = f"""
import os, sys
from translate.cli import main
try:
    main(["--version"])
finally:
    print(os.environ[{WAITING!r}], "torch" in sys.modules)
"""


@pytest.mark.parametrize(("before", "after"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_patiently_unless_the_environment_says_otherwise(before, after):
    environment = {name: value for name, value in os.environ.items() if name != WAITING}
    if before:
        environment[WAITING] = before
    done = subprocess.run([sys.executable, "-c", COMMAND], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"{after} False"
