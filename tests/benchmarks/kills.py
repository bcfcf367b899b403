"""Whether trainings that are killed with `kill -9` at random moments end in the same bits as undisturbed ones.

    python tests/benchmarks/kills.py                  500 kills over 16 cases
    python tests/benchmarks/kills.py --count 20 --seed 7 --json

Four methods, with the batches made in the process itself or by two others, in fp32 and bf16. A training is killed and
started again until it is done; its last checkpoint (weights, optimizers, pools, averages, history) and its model have
to be those of the undisturbed training, byte for byte. Processes are forked from one that has everything imported. The
exit code is 1 where a bit differs. `kills_of_commands.py` does the same to whole commands of the shipped pipelines.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is there: a process that forks has to have one thread
sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from small_trainings import Trainings, all_cases


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="kills in all")
    parser.add_argument("--seed", type=int, default=0, help="of their moments")
    parser.add_argument("--most", type=int, default=8, help="kills of one training")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    began, kills, runs, wrong = time.monotonic(), 0, 0, list[str]()
    cases = all_cases()
    with tempfile.TemporaryDirectory() as folder:
        trainings = Trainings(Path(folder), chosen.seed)
        while kills < chosen.count:
            case = cases[runs % len(cases)]
            done, faults = trainings.killed(case, min(chosen.most, chosen.count - kills))
            kills += done
            runs += 1
            wrong += [f"{case}, run {runs}: {fault}" for fault in faults]
            for fault in wrong[len(wrong) - len(faults) :]:
                print(fault, file=sys.stderr, flush=True)
            if not chosen.json:
                print(f"{case}: {kills} so far, {time.monotonic() - began:.0f} s", flush=True)
    seconds = time.monotonic() - began
    facts = {
        "kills": kills,
        "trainings": runs,
        "cases": min(runs, len(cases)),
        "seed": chosen.seed,
        "wrong": wrong,
        "seconds": round(seconds),
        "passed": not wrong,
    }
    if chosen.json:
        print(json.dumps(facts))
    else:
        verdict = "passed" if not wrong else f"FAILED: {len(wrong)} wrong"
        print(f"{kills} kills in {runs} trainings of {facts['cases']} cases, {seconds:.0f} s: {verdict}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
