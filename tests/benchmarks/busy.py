"""The rate of a training while another process keeps one core busy, as a share of its rate on a quiet machine.

    python tests/benchmarks/busy.py                    maps_cyclegan, which `make run` runs, in its quick profile
    python tests/benchmarks/busy.py facades_pix2pix --rounds 5 --set train.with.max_steps=40

The real command, in turns with and without the busy process. A rate is that of the line which ends the training: images
by the time from its first step to its last, waiting for data included.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PIPELINES = Path(__file__).parents[2] / "pipelines"
BUSY = "while True: pass"
RATE = re.compile(r"([\d.,]+) images/s, waiting")


def rate(command: list[str], folder: Path) -> float:
    """Images per second of one training in a folder of its own."""
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)
    found = RATE.findall(done.stdout + done.stderr)
    if done.returncode or not found:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return float(found[-1].replace(",", ""))


def with_a_busy_core(command: list[str], folder: Path) -> float:
    """The same while a process of its own keeps the first core busy."""
    core = min(os.sched_getaffinity(0))
    busy = subprocess.Popen(["taskset", "--cpu-list", str(core), sys.executable, "-c", BUSY])
    try:
        return rate(command, folder)
    finally:
        busy.kill()
        busy.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline", nargs="?", default="maps_cyclegan")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of `translate run`")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    command = [sys.executable, "-m", "translate", "run", str(PIPELINES / f"{chosen.pipeline}.yaml")]
    command += ["--profile", chosen.profile, "--until", "train"]
    command += [word for value in chosen.set for word in ("--set", value)]
    shares: list[float] = []
    for number in range(chosen.rounds):
        with tempfile.TemporaryDirectory() as quiet, tempfile.TemporaryDirectory() as busy:
            alone, beside = rate(command, Path(quiet)), with_a_busy_core(command, Path(busy))
        shares.append(beside / alone)
        print(f"round {number + 1}: quiet {alone:.2f} images/s, beside a busy core {beside:.2f}, {shares[-1]:.0%}")
    print(f"median {statistics.median(shares):.0%} of the quiet rate ({min(shares):.0%} to {max(shares):.0%})")


if __name__ == "__main__":
    main()
