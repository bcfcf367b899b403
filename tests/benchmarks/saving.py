"""What saving costs a training: its steps after a checkpoint against the steps before and after them with none.

    python tests/benchmarks/saving.py                                   the quick profile of facades_pix2pix
    python tests/benchmarks/saving.py hats_cyclegan --every 50 --rounds 20
    python tests/benchmarks/saving.py --json out.json

One training saves at every second hundred of its steps. The hundred that begins with a save is compared with the mean
of its two neighbours, in which nothing is saved: what else happens on the machine meets all three alike. The verdict
is the median of these ratios, which is the share of a training that saves every hundred steps; the exit code is 1
where it is above `--most`. Beside it stands what can be counted without comparing: for how long the steps waited
while the state was copied, and the processor's time of the thread that writes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from spread import spread

from translate.console import PlainConsole
from translate.contracts import Artifact, StageContext
from translate.data.dataset import Dataset
from translate.pipeline.checking.checker import check
from translate.pipeline.schema import load
from translate.plugins import Registry
from translate.training.build import build_trainer
from translate.training.config import CheckpointConfig, FastConfig, TrainConfig
from translate.training.saving import checkpoint
from translate.training.saving.saver import Saver

PIPELINES = Path(__file__).parents[2] / "pipelines"
NEVER = 1e6
"""Minutes and steps that no turn takes."""


class Nobody:
    """A tracker that records nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def counted() -> tuple[list[float], list[float]]:
    """Seconds that each save keeps the steps waiting, and of the processor that its writing takes, as they come."""
    waiting: list[float] = []
    writing: list[float] = []
    plain_save, plain_write = Saver.save, checkpoint.write

    def save(saver: Saver) -> None:
        began = time.perf_counter()
        plain_save(saver)
        waiting.append(time.perf_counter() - began)

    def write(*args: Any) -> Any:
        began = time.thread_time()
        written = plain_write(*args)
        writing.append(time.thread_time() - began)
        return written

    Saver.save = save  # type: ignore[method-assign]
    checkpoint.write = write
    return waiting, writing


def moments(config: TrainConfig, dataset: Dataset, registry: Registry) -> dict[int, float]:
    """The second at which each logged step of a training ended, before it was saved."""
    times: dict[int, float] = {}

    def emit(event: str, **facts: Any) -> None:
        if event == "step_finished":
            times[facts["step"]] = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder, Path("/dev/null").open("w") as quiet:
        data = Artifact("dataset", dataset.path, {}, "hash")
        console = PlainConsole(quiet, quiet)
        context = StageContext("p", "train", Path(folder), {"data": data}, 5, "cpu", Nobody(), console, registry, emit)
        trainer = build_trainer(context, config, registry, dataset)
        trainer.run()
    return times


def costs(times: dict[int, float], every: int, saves: int) -> list[float]:
    """What each save adds to the `every` steps after it, as a share of the mean of the two spans beside them."""

    def seconds(first: int) -> float:
        return times[first + every] - times[first]

    # the save of step n is made after its log and before step n + 1; the first one warms up
    begins = [2 * every * number for number in range(2, saves + 2)]
    found = []
    for begin in begins:
        beside = (seconds(begin - every) + seconds(begin + every)) / 2
        found.append(seconds(begin) / beside - 1)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline", nargs="?", default="facades_pix2pix")
    parser.add_argument("--stage", default="train")
    parser.add_argument("--every", type=int, default=100, help="steps between two checkpoints")
    parser.add_argument("--rounds", type=int, default=20, help="saves that are timed")
    parser.add_argument("--most", type=float, default=0.02, help="the share of the time that saving may take")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of `translate run`")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    file = PIPELINES / f"{chosen.pipeline}.yaml"
    registry = Registry()
    pipeline = load(file, "quick", chosen.set)
    config: TrainConfig = check(pipeline, registry)[chosen.stage].stage.config
    changes = {
        "steps": 2 * chosen.every * (chosen.rounds + 3),
        "log_every": chosen.every,
        "fast": FastConfig(),  # no trial
        "validation": config.validation.model_copy(update={"every": NEVER}),
        "checkpoint": CheckpointConfig(minutes=NEVER, steps=2 * chosen.every),
    }
    config = config.model_copy(update=changes)
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "translate", "run", str(file), "--profile", "quick", "--until", "prepare"]
        subprocess.run(command, cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        dataset = Dataset((Path(scratch) / "runs" / pipeline.title / "prepare").resolve())
        waiting, writing = counted()
        times = moments(config, dataset, registry)
    shares = sorted(costs(times, chosen.every, chosen.rounds))
    cost = statistics.median(shares)
    facts = {
        "pipeline": chosen.pipeline,
        "every": chosen.every,
        "step_ms": 1000 * (times[max(times)] - times[min(times)]) / (max(times) - min(times)),
        "cost": cost,
        "rounds": shares,
        "ratios": {"share of the time that saving adds": spread(shares)},
        "waiting_ms": 1000 * statistics.median(waiting),
        "writing_ms": 1000 * statistics.median(writing),
        "passed": cost <= chosen.most,
    }
    if chosen.json:
        chosen.json.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    print(f"({', '.join(f'{share:.1%}' for share in shares)})")
    print(f"a save keeps the steps waiting for {facts['waiting_ms']:.0f} ms")
    print(f"its thread takes {facts['writing_ms']:.0f} ms of the processor")
    verdict = f"at most {chosen.most:.0%} are asked: {'passed' if facts['passed'] else 'FAILED'}"
    step = f"a step takes {facts['step_ms']:.1f} ms"
    extremes = f"{shares[0]:.1%} to {shares[-1]:.1%}"
    print(f"{step}; a checkpoint every {chosen.every} steps costs {cost:.1%} ({extremes}), {verdict}")
    return 0 if facts["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
