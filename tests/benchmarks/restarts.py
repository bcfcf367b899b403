"""How many trainings go on when they are started again right after `kill -9`, at random moments.

    python tests/benchmarks/restarts.py --count 50 [--seed 0] [--workers 2] [--change] [--keep FOLDER]

One training of a tiny pix2pix on generated maps, by `translate run` in a process of its own, whose loader has worker
processes. Once it trains, the process alone is killed after a random time of up to two seconds, and the same command is
given again at once. A restart goes on where no checkpoint is lost, it says that it resumes at the newest one, and then
does a further step. The last line counts them; the exit code is 1 where one did not go on.

With --change each restart has another learning rate and `--continue train`, so that it takes over the folder of the one
before it; and each follows another such start that is killed at any moment from its beginning on.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PIPELINE = """\
version: 1
name: tiny
tracking: none
stages:
  prepare:
    uses: preprocess
    with: {{source: {{uses: generated-maps, kind: paired, size: 32, train: 16, test: 2}}}}
  train:
    uses: train
    needs: {{data: prepare}}
    with:
      method: pix2pix
      options:
        generator: {{uses: unet, levels: 3, filters: 4}}
        discriminator: {{uses: patchgan, filters: 4, layers: 1}}
      epochs: 1000000
      log_every: 1
      checkpoint: {{steps: 7}}
      workers: {workers}
      validate: {{every: 1000000, samples: 1}}
"""
COMMAND = [sys.executable, "-m", "translate", "run", "tiny.yaml", "--device", "cpu"]
LONGEST = 2.0
"""Seconds of training before a kill, at most."""
PATIENCE = 120.0
"""Seconds after which a start that does not train counts as one that does not go on."""


class Training:
    """One process of the training; what it prints goes to a file."""

    def __init__(self, folder: Path, number: int, rate: int | None = None) -> None:
        self.folder = folder
        self.output = folder / f"output-{number}.txt"
        options = [] if rate is None else ["--continue", "train", "--set", f"stages.train.with.optimizer.lr={rate}e-6"]
        with self.output.open("wb") as output:
            command = [*COMMAND, *options]
            self.process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)

    def kill(self) -> None:
        """`kill -9` of this process alone: the workers of its loader are left to themselves."""
        self.process.kill()

    def kill_and_wait(self) -> None:
        self.kill()
        self.process.wait()

    def trained(self) -> bool:
        """Waits until the process itself has done a step; False where it ends before, or takes too long."""
        deadline = time.monotonic() + PATIENCE
        before = logged(self.folder)
        while self.process.poll() is None and time.monotonic() < deadline:
            if logged(self.folder) > before:
                return True
            time.sleep(0.02)
        return False

    def said(self) -> str:
        return self.output.read_text("utf-8", "replace")


def logged(folder: Path) -> int:
    """The number of points in the curves of all starts: a training that trains adds one with each step."""
    journals = (folder / "runs" / "tiny" / ".tracking").rglob("journal.jsonl")
    return sum(path.read_bytes().count(b'"e":"metrics"') for path in journals)


def newest_checkpoint(folder: Path) -> int:
    """The step of the newest complete checkpoint, 0 without one."""
    manifests = (folder / "runs" / "tiny").glob("train-*.partial/checkpoints/*/MANIFEST.json")
    return max((int(path.parent.name) for path in manifests if path.parent.name.isdigit()), default=0)


def goes_on(training: Training, checkpoint: int) -> bool:
    """Whether a restart resumed at the checkpoint that the kill left, and trains."""
    if not training.trained():
        return False
    return checkpoint == 0 or f"resuming at step {checkpoint:,}" in training.said()


def run(folder: Path, count: int, seed: int, workers: int, *, change: bool) -> int:
    """Kills and restarts a training `count` times; returns how many restarts went on."""
    moments = random.Random(seed)
    (folder / "tiny.yaml").write_text(PIPELINE.format(workers=workers), "utf-8")
    training = Training(folder, 0)
    if not training.trained():
        raise SystemExit(f"the first start does not train:\n{training.said()}")
    went_on, before = 0, 0
    for number in range(1, count + 1):
        time.sleep(moments.uniform(0, LONGEST))
        training.kill()
        if change:
            taking_over = Training(folder, number, 2 * number)
            time.sleep(moments.uniform(0, 2 * LONGEST))
            taking_over.kill_and_wait()
        restarted = Training(folder, number, 2 * number + 1 if change else None)  # at once
        training.process.wait()
        checkpoint = newest_checkpoint(folder)
        if checkpoint >= before and goes_on(restarted, checkpoint):
            went_on += 1
        else:
            last = restarted.said().strip().splitlines()[-1:]
            print(f"restart {number} did not go on from step {checkpoint}: {''.join(last)}", flush=True)
            restarted.kill_and_wait()
            time.sleep(6)  # whatever was in the way is gone by then
            restarted = Training(folder, number, 2 * number + 1 if change else None)
            if not restarted.trained():
                raise SystemExit(f"does not go on at all:\n{restarted.said()}")
        training, before = restarted, checkpoint
    training.kill_and_wait()
    return went_on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50, help="Restarts.")
    parser.add_argument("--seed", type=int, default=0, help="Of the moments of the kills.")
    parser.add_argument("--workers", type=int, default=2, help="Processes of the loader.")
    parser.add_argument("--change", action="store_true", help="Restart with --continue and another learning rate.")
    parser.add_argument("--keep", type=Path, help="The folder to work in, which stays; default: a temporary one.")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        went_on = run(folder, arguments.count, arguments.seed, arguments.workers, change=arguments.change)
    seconds = time.monotonic() - began
    print(f"{arguments.count} restarts right after kill -9: {went_on} go on ({seconds:.0f} s)")
    if went_on < arguments.count:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
