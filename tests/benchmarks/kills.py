"""Whether trainings that are killed with `kill -9` at random moments end in the same bits as undisturbed ones.

    python tests/benchmarks/kills.py                  500 kills over 16 cases
    python tests/benchmarks/kills.py --count 20 --seed 7 --json

Four methods, with the batches made in the process itself or by two others, in fp32 and bf16. A training is killed and
started again until it is done; its last checkpoint (weights, optimizers, pools, averages, history) and its model have
to be those of the undisturbed training, byte for byte. Processes are forked from one that has everything imported. The
exit code is 1 where a bit differs. `kills_of_commands.py` does the same to whole commands of the shipped pipelines.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from disturbed_trainings import Trainings, command

if __name__ == "__main__":
    sys.exit(command(__doc__, "kills", 500, 8, Trainings.killed))
