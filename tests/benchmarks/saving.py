"""What saving costs a training: its steps with a checkpoint every 100 steps against the same steps with none.

    python tests/benchmarks/saving.py                                   the quick profile of facades_pix2pix
    python tests/benchmarks/saving.py hats_cyclegan --every 50 --rounds 20
    python tests/benchmarks/saving.py --json

Both trainings take their turns in one process, round after round. Of each turn the time between two of its steps is
taken, with all saves in between and the waiting for them. The verdict is the median of the rounds' ratios; the exit
code is 1 where it is above `--most`.
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

from translate.console import PlainConsole
from translate.contracts import Artifact, StageContext
from translate.data.dataset import Dataset
from translate.pipeline.checking.checker import check
from translate.pipeline.schema import load
from translate.plugins import Registry
from translate.training.build import build_trainer
from translate.training.config import CheckpointConfig, FastConfig, TrainConfig

PIPELINES = Path(__file__).parents[2] / "pipelines"
NEVER = 1e6
"""Minutes and steps that no turn takes."""


class Nobody:
    """A tracker that records nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def turn(config: TrainConfig, dataset: Dataset, registry: Registry, saves: int, every: int) -> float:
    """Seconds of `saves` times `every` steps."""
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
    return times[every * (saves + 1)] - times[every]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline", nargs="?", default="facades_pix2pix")
    parser.add_argument("--stage", default="train")
    parser.add_argument("--every", type=int, default=100, help="steps between two checkpoints")
    parser.add_argument("--saves", type=int, default=8, help="checkpoints of a turn")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--most", type=float, default=0.02, help="the share of the time that saving may take")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of `translate run`")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    file = PIPELINES / f"{chosen.pipeline}.yaml"
    registry = Registry()
    pipeline = load(file, "quick", chosen.set)
    config: TrainConfig = check(pipeline, registry)[chosen.stage].stage.config
    # one more step than the last that is timed, so that the save at the end is in no turn
    common = {
        "max_steps": chosen.every * (chosen.saves + 1) + 1,
        "log_every": chosen.every,
        "fast": FastConfig(),  # no trial, whose outcome may differ from turn to turn
        "validation": config.validation.model_copy(update={"every": NEVER}),
    }
    never = config.model_copy(update={**common, "checkpoint": CheckpointConfig(minutes=NEVER)})
    often = config.model_copy(update={**common, "checkpoint": CheckpointConfig(minutes=NEVER, steps=chosen.every)})
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "translate", "run", str(file), "--profile", "quick", "--until", "prepare"]
        subprocess.run(command, cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        dataset = Dataset((Path(scratch) / "runs" / pipeline.title / "prepare").resolve())
        rounds = []
        for number in range(chosen.rounds + 1):
            order = (never, often) if number % 2 else (often, never)
            seconds = {id(each): turn(each, dataset, registry, chosen.saves, chosen.every) for each in order}
            rounds.append((seconds[id(never)], seconds[id(often)]))
            if not chosen.json:
                print(
                    f"round {number}: {rounds[-1][0]:.2f} s with no checkpoint, {rounds[-1][1]:.2f} s with", flush=True
                )
    rounds = rounds[1:]  # the first one warms up
    ratios = sorted(saving / plain - 1 for plain, saving in rounds)
    cost = statistics.median(ratios)
    facts = {
        "pipeline": chosen.pipeline,
        "every": chosen.every,
        "step_ms": 1000 * statistics.median(plain for plain, _ in rounds) / (chosen.saves * chosen.every),
        "cost": cost,
        "rounds": ratios,
        "passed": cost <= chosen.most,
    }
    if chosen.json:
        print(json.dumps(facts))
    else:
        print(f"a step takes {facts['step_ms']:.1f} ms; a checkpoint every {chosen.every} steps costs {cost:.1%}")
        print(f"({', '.join(f'{ratio:.1%}' for ratio in ratios)}): {'passed' if facts['passed'] else 'FAILED'}")
    return 0 if facts["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
