"""Whether a training that is asked to stop saves the step that it was at, ends in order, and goes on exactly.

    python tests/benchmarks/signals.py                100 signals over 16 cases
    python tests/benchmarks/signals.py --count 20 --seed 7 --json

SIGTERM, SIGUSR1 and SIGINT come at random moments, or within a validation, a save, or while a batch is made. Each has
to end the process with code 75 and leave a whole checkpoint of the last step; the training that goes on
from it has to end in the bytes of the undisturbed one. The exit code is 1 where anything was wrong.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from disturbed_trainings import Trainings, command

if __name__ == "__main__":
    sys.exit(command(__doc__, "signals", 100, 4, Trainings.signalled))
