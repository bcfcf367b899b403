"""The command behind `kills.py` and `signals.py`: small trainings that are disturbed again and again, and a verdict."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is there: a process that forks has to have one thread

from small_trainings import Case, Trainings, all_cases

Disturb = Callable[[Trainings, Case, int], tuple[int, list[str]]]
"""Disturbs one training at most so many times; how often it did, and what was wrong, in sentences."""


def command(description: str | None, kind: str, count: int, most: int, disturb: Disturb) -> int:
    """Disturbs trainings of all cases in turn, `count` times in all and each at most `most` times, unless the command
    line says otherwise; returns the exit code. `kind` names the disturbances: `kills`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=count, help=f"{kind} in all")
    parser.add_argument("--seed", type=int, default=0, help="of their moments")
    parser.add_argument("--most", type=int, default=most, help=f"{kind} of one training")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    began, so_far, runs, wrong = time.monotonic(), 0, 0, list[str]()
    cases = all_cases()
    with tempfile.TemporaryDirectory() as folder:
        trainings = Trainings(Path(folder), chosen.seed)
        while so_far < chosen.count:
            case = cases[runs % len(cases)]
            done, faults = disturb(trainings, case, min(chosen.most, chosen.count - so_far))
            so_far += done
            runs += 1
            told = [f"{case}, run {runs}: {fault}" for fault in faults]
            wrong += told
            for fault in told:
                print(fault, file=sys.stderr, flush=True)
            if not chosen.json:
                print(f"{case}: {so_far} so far, {time.monotonic() - began:.0f} s", flush=True)
    seconds = time.monotonic() - began
    facts = {
        kind: so_far,
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
        print(f"{so_far} {kind} in {runs} trainings of {facts['cases']} cases, {seconds:.0f} s: {verdict}")
    return 1 if wrong else 0
