"""Whether trainings that are killed with `kill -9`, at random moments, end in the same bits as undisturbed ones.

    python tests/benchmarks/kills_of_commands.py                                   the quick profile of every pipeline
    python tests/benchmarks/kills_of_commands.py maps_cyclegan portraits_acgan     these two
    python tests/benchmarks/kills_of_commands.py maps_cyclegan --kills 60 --workers 0 2 --precision fp32 bf16
    python tests/benchmarks/kills_of_commands.py hats_cyclegan --keep FOLDER       runs and logs stay there

Each training of a pipeline takes `--steps` steps, with a checkpoint after every seventh. It runs once undisturbed, and
then by a process that is killed and started again until it is done, as often as it takes for `--kills` kills. The
newest checkpoint of every training has to be the same bytes (weights, optimizers, generators of random numbers, pools,
progress), and each curve the same points. A row is printed for each combination, and the exit code is 1 where a bit
differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, product
from pathlib import Path

PIPELINES = Path(__file__).parents[2] / "pipelines"
EARLY = 0.2
"""Share of the kills that come at any moment after the start, before or after the first step."""
LONGEST = 1.5
"""Seconds of training before one of the other kills, at most."""
PATIENCE = 600.0
"""Seconds after which a process that neither trains nor ends is a failure."""

Curves = Mapping[tuple[str, int], float]


@dataclass(frozen=True)
class Case:
    """A training of a pipeline's quick profile with what it needs, cut short."""

    pipeline: str
    last: str
    """The stage that is run, with the stages that it needs."""
    trainings: Sequence[str]
    """All `train` stages of the pipeline."""
    steps: int
    workers: int
    precision: str

    def command(self) -> list[str]:
        run = ["run", str(PIPELINES / f"{self.pipeline}.yaml"), "--profile", "quick", "--device", "cpu"]
        options = [*run, "--until", self.last, "--set", "tracking=none"]
        for stage in self.trainings:
            for key, value in self.settings().items():
                options += ["--set", f"stages.{stage}.with.{key}={value}"]
        return [sys.executable, "-m", "translate", *options]

    def settings(self) -> dict[str, object]:
        return {
            "max_steps": self.steps,
            "checkpoint.steps": 7,
            "log_every": 1,
            "workers": self.workers,
            "precision": self.precision,
        }

    def start(self, folder: Path, number: int = 0) -> subprocess.Popen[bytes]:
        """Starts the command; what it prints goes to a file of the folder."""
        with (folder / f"output-{number}.txt").open("wb") as output:
            return subprocess.Popen(self.command(), cwd=folder, stdout=output, stderr=subprocess.STDOUT)

    def __str__(self) -> str:
        return f"{self.pipeline + ' ' + self.last:34} {self.workers} workers  {self.precision}"


def cases(pipeline: str, steps: int, workers: int, precision: str) -> list[Case]:
    """The trainings of a pipeline that no further training needs; those that they need are run with them."""
    file = str(PIPELINES / f"{pipeline}.yaml")
    command = [sys.executable, "-m", "translate", "plan", file, "--profile", "quick", "--json"]
    planned = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    needs = {each["stage"]: set(each["needs"].values()) for each in planned["stages"] if each["uses"] == "train"}
    last = [name for name in needs if not any(name in others for others in needs.values())]
    return [Case(pipeline, name, [*needs], steps, workers, precision) for name in last]


def curves(folder: Path) -> Curves:
    """The last value of each curve and step, but for those of times."""
    points: dict[tuple[str, int], float] = {}
    for path in sorted(folder.glob("runs/*/.tracking/*/journal.jsonl")):
        for event in _events(path):
            if event["e"] == "metrics":
                points.update({(name, event["s"]): value for name, value in event["v"].items()})
    return {key: value for key, value in points.items() if "second" not in key[0] and "wait" not in key[0]}


def _events(path: Path) -> Iterator[dict[str, object]]:
    for line in path.read_bytes().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue  # the line that a kill cut off


def logged(folder: Path) -> int:
    """The number of points in the curves: a training adds one with each step."""
    return sum(path.read_bytes().count(b'"e":"metrics"') for path in folder.glob("runs/*/.tracking/*/journal.jsonl"))


def checkpoints(folder: Path) -> dict[str, tuple[str, bytes]]:
    """The newest checkpoint of each finished training: its name, and the hashes of its files."""
    newest = {}
    for stage in folder.glob("runs/*/*"):
        if stage.is_symlink() and (stage / "checkpoints").is_dir():
            last = max(path for path in (stage / "checkpoints").iterdir() if (path / "MANIFEST.json").is_file())
            newest[stage.name] = last.name, (last / "MANIFEST.json").read_bytes()
    return newest


class Killer:
    """Runs a case under kills."""

    def __init__(self, case: Case, seed: int) -> None:
        self.case = case
        self.moments = random.Random(seed)
        self.kills = 0

    def run(self, folder: Path, most: int) -> None:
        """Kills at most `most` times, and lets it end."""
        folder.mkdir(parents=True)
        end = self.kills + most
        for number in count():
            process = self.case.start(folder, number)
            if self.kills < end and self._killed(process, folder):
                self.kills += 1
                continue
            if process.wait(PATIENCE) != 0:
                output = (folder / f"output-{number}.txt").read_text("utf-8", "replace")
                raise SystemExit(f"{self.case}: start {number} failed:\n{output}")
            return

    def _killed(self, process: subprocess.Popen[bytes], folder: Path) -> bool:
        """Kills the process at a random moment; False where it has ended by itself before."""
        if self.moments.random() >= EARLY and not self._trains(process, folder):
            return False
        time.sleep(self.moments.uniform(0, LONGEST))
        if process.poll() is not None:
            return False
        process.kill()
        process.wait()
        return True

    def _trains(self, process: subprocess.Popen[bytes], folder: Path) -> bool:
        before, deadline = logged(folder), time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            if logged(folder) > before:
                return True
            time.sleep(0.02)
        return False


def differences(case: Case, whole: Path, killed: Path) -> list[str]:
    """Which trainings and curves of the killed run are others than those of the undisturbed one."""
    states, states_killed = checkpoints(whole), checkpoints(killed)
    assert case.last in states, states
    different = [stage for stage in states if states[stage] != states_killed.get(stage)]
    expected, given = curves(whole), curves(killed)
    points = [key for key in sorted({*expected, *given}) if expected.get(key) != given.get(key)]
    if points:
        name, step = points[0]
        different.append(f"{len(points)} points of curves, the first {name} at step {step}")
    return different


def compare(case: Case, folder: Path, kills: int, seed: int) -> bool:
    """Runs a case undisturbed and under kills, and prints a row; True where all is equal."""
    began = time.monotonic()
    whole = folder / "whole"
    Killer(case, seed).run(whole, 0)
    killer, equal, runs = Killer(case, seed), True, 0
    while killer.kills < kills:
        runs += 1
        killed = folder / f"killed-{runs}"
        killer.run(killed, kills - killer.kills)
        different = differences(case, whole, killed)
        if different:
            print(f"{case}: run {runs} differs: {', '.join(different)}", flush=True)
            equal = False
    verdict = "equal" if equal else "DIFFERENT"
    print(f"{case}  {killer.kills} kills in {runs} runs: {verdict} ({time.monotonic() - began:.0f} s)", flush=True)
    return equal


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="Pipelines; default: all of the repository.")
    parser.add_argument("--kills", type=int, default=4, help="Kills for each combination.")
    parser.add_argument("--steps", type=int, default=40, help="Steps of each training.")
    parser.add_argument("--workers", type=int, nargs="+", default=[2], help="Processes of the loader.")
    parser.add_argument("--precision", nargs="+", default=["fp32"], choices=["fp32", "bf16"])
    parser.add_argument("--seed", type=int, default=0, help="Of the moments of the kills.")
    parser.add_argument("--keep", type=Path, help="The folder to work in, which stays; default: a temporary one.")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    equal = []
    with tempfile.TemporaryDirectory() as temporary:
        home = (arguments.keep or Path(temporary)).resolve()
        names = arguments.names or sorted(path.stem for path in PIPELINES.glob("*.yaml"))
        for name, workers, precision in product(names, arguments.workers, arguments.precision):
            for case in cases(name, arguments.steps, workers, precision):
                folder = home / f"{name}-{case.last}-{workers}-{precision}"
                equal.append(compare(case, folder, arguments.kills, arguments.seed))
    print(f"{sum(equal)} of {len(equal)} combinations end in the same bits")
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main())
