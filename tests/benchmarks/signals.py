"""Whether a training that is asked to stop saves the step that it was at, ends in order, and goes on exactly.

    python tests/benchmarks/signals.py                100 signals over 16 cases
    python tests/benchmarks/signals.py --count 20 --seed 7 --json

SIGTERM, SIGUSR1 and SIGINT come at random moments, or within a validation, a save, or while a batch is made. Each has
to end the process with its code (75, 75, 130) and leave a whole checkpoint of the last step; the training that goes on
from it has to end in the bytes of the undisturbed one. The exit code is 1 where anything was wrong.
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
    parser.add_argument("--count", type=int, default=100, help="signals in all")
    parser.add_argument("--seed", type=int, default=0, help="of their moments")
    parser.add_argument("--most", type=int, default=4, help="signals of one training")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    began, signals, runs, wrong = time.monotonic(), 0, 0, list[str]()
    cases = all_cases()
    with tempfile.TemporaryDirectory() as folder:
        trainings = Trainings(Path(folder), chosen.seed)
        while signals < chosen.count:
            case = cases[runs % len(cases)]
            done, faults = trainings.signalled(case, min(chosen.most, chosen.count - signals))
            signals += done
            runs += 1
            wrong += [f"{case}, run {runs}: {fault}" for fault in faults]
            for fault in wrong[len(wrong) - len(faults) :]:
                print(fault, file=sys.stderr, flush=True)
            if not chosen.json:
                print(f"{case}: {signals} so far, {time.monotonic() - began:.0f} s", flush=True)
    seconds = time.monotonic() - began
    facts = {
        "signals": signals,
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
        print(f"{signals} signals in {runs} trainings of {facts['cases']} cases, {seconds:.0f} s: {verdict}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
