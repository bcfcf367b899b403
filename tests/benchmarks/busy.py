"""The rate of a training while another process keeps one core busy, as a share of its rate on a quiet machine.

    python tests/benchmarks/busy.py                    maps_cyclegan, which `make run` runs, in its quick profile
    python tests/benchmarks/busy.py facades_pix2pix --rounds 5 --set train.with.batch_size=1 --json out.json

The real command, in turns with and without the busy process. A rate is that of steady steps: images by the time between
the logs of the second step and the last, by their times in the journal. The quiet trainings also say which share of
their time they wait for data. It ends with 1 where less than 45 % of the rate is left, or more than 1 % is waited for.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from spread import spread

PIPELINES = Path(__file__).parents[2] / "pipelines"
BUSY = "while True: pass"
WAITED = re.compile(r"waiting for data ([\d.]+) % of the time")
LEAST_SHARE, MOST_WAITING = 0.45, 0.01


def train(command: list[str], folder: Path) -> tuple[float, float]:
    """Steps per second of one training in a folder of its own, and the share of its time that it waits for data."""
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)
    waited = WAITED.findall(done.stdout + done.stderr)
    if done.returncode or not waited:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    times = step_times(folder)
    return (len(times) - 2) / (times[-1] - times[1]), float(waited[-1]) / 100


def step_times(folder: Path) -> list[float]:
    """The seconds at which the losses of each step were logged."""
    times: dict[int, float] = {}
    for journal in (folder / "runs").rglob("journal.jsonl"):
        for line in journal.read_text("utf-8").splitlines():
            event = json.loads(line)
            if event["e"] == "metrics" and any(name.startswith("train/grad_norm/") for name in event["v"]):
                times[event["s"]] = event["t"] / 1000
    return [times[step] for step in sorted(times)]


def with_a_busy_core(command: list[str], folder: Path) -> tuple[float, float]:
    """The same while a process of its own keeps the first core busy."""
    core = min(os.sched_getaffinity(0))
    busy = subprocess.Popen(["taskset", "--cpu-list", str(core), sys.executable, "-c", BUSY])
    try:
        return train(command, folder)
    finally:
        busy.kill()
        busy.wait()


def report(shares: list[float], waits: list[float]) -> dict[str, Any]:
    """The figures with their spread, and whether they are what is asked."""
    share, waiting = statistics.median(shares), statistics.median(waits)
    return {
        "share_of_quiet_rate": {"median": share, "all": shares, "asked": LEAST_SHARE, "met": share >= LEAST_SHARE},
        "waiting_for_data": {"median": waiting, "all": waits, "asked": MOST_WAITING, "met": waiting <= MOST_WAITING},
        "ratios": {"share of the quiet rate": spread(shares), "share of the time that waits for data": spread(waits)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline", nargs="?", default="maps_cyclegan")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of `translate run`")
    parser.add_argument("--steps", type=int, default=24, help="of each training")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    command = [sys.executable, "-m", "translate", "run", str(PIPELINES / f"{chosen.pipeline}.yaml")]
    command += ["--profile", chosen.profile, "--until", "train"]
    short = [f"stages.train.with.max_steps={chosen.steps}", "stages.train.with.log_every=1"]
    command += [word for value in (*short, *chosen.set) for word in ("--set", value)]
    shares: list[float] = []
    waits: list[float] = []
    for number in range(chosen.rounds):
        with tempfile.TemporaryDirectory() as quiet, tempfile.TemporaryDirectory() as busy:
            alone, waited = train(command, Path(quiet))
            beside, _ = with_a_busy_core(command, Path(busy))
        shares.append(beside / alone)
        waits.append(waited)
        print(
            f"round {number + 1}: quiet {alone:.2f} steps/s, beside a busy core {beside:.2f}, {shares[-1]:.0%}; "
            f"waiting for data {waited:.1%}",
            flush=True,
        )
    figures = report(shares, waits)
    asked = {name: figure for name, figure in figures.items() if "met" in figure}
    for name, figure in asked.items():
        extremes = f"{min(figure['all']):.1%} to {max(figure['all']):.1%}"
        verdict = "met" if figure["met"] else "NOT met"
        print(f"{name}: median {figure['median']:.1%} ({extremes}), asked {figure['asked']:.0%}: {verdict}")
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    if not all(figure["met"] for figure in asked.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
