"""How long train stages of a pipeline take beside each other: their steps in turns, in one process.

    python tests/benchmarks/steps.py edges2shoes_bridge train rival                    two stages of the quick profile
    python tests/benchmarks/steps.py edges2shoes_bridge train rival --profile cpu --turns 40

Turns of some steps each alternate, so that whatever else the machine does slows all of them down alike. A row says the
parameters of the networks that convert images and of all, the steps of the whole training, the median time of a step,
and that of all steps, without what reading images, validation and saving take.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

from translate.contracts import Sides
from translate.data.dataset import Dataset
from translate.data.loading.samples import Samples, to_device
from translate.device import precision
from translate.networks import count_parameters
from translate.pipeline.checking.checker import check
from translate.pipeline.schema import load
from translate.plugins import Registry
from translate.training.build import build_method, build_networks
from translate.training.config import TrainConfig
from translate.training.engine import Engine
from translate.training.length import Length
from translate.training.players import make_players

PIPELINES = Path(__file__).parents[2] / "pipelines"
BATCHES = 8
"""Different batches that a training is timed on."""


class Contestant(NamedTuple):
    """A training that takes its turns."""

    name: str
    engine: Engine
    batches: list[dict[str, torch.Tensor]]
    steps: int
    times: list[float]

    def turn(self, steps: int) -> None:
        """Takes some steps, and notes the mean time of one."""
        began = time.perf_counter()
        for number in range(steps):
            self.engine.step([self.batches[number % len(self.batches)]], 0)
        self.times.append((time.perf_counter() - began) / steps)

    def row(self) -> str:
        nets = self.engine.nets
        directions = self.engine.method.directions.values()
        used = {net for direction in directions for net in direction.nets}
        sizes = {name: count_parameters(net) for name, net in nets.items()}
        step = statistics.median(self.times[1:])  # the first turn warms up
        return (
            f"{self.name:20}{sum(sizes[name] for name in used):14,}{sum(sizes.values()):14,}"
            f"{self.steps:8,}{1000 * step:12.1f}{self.steps * step:10.1f}"
        )


HEAD = f"{'stage':20}{'converts':>14}{'parameters':>14}{'steps':>8}{'ms a step':>12}{'all, s':>10}"


def contestant(name: str, config: TrainConfig, dataset: Dataset, registry: Registry) -> Contestant:
    """The training of a stage, at its first step."""
    augment = [registry.build(use) for use in config.augment]
    method = build_method(config, registry, dataset, augment)
    samples = Samples(dataset, "train", augment, config.batch_size, 0, Sides.of(method.data))
    length = Length.of(config, samples.steps_per_epoch)
    torch.manual_seed(0)
    nets = build_networks(method, registry)
    for net in nets.values():
        net.train()
    players = make_players(config.method, method.players, nets, config, registry, length, fused=True)
    numbers: Any = precision(config.precision, "cpu")
    engine = Engine(method, nets, players, device="cpu", precision=numbers, seed=0, merge=True)
    batches = [to_device(samples[step], "cpu", dataset.types) for step in range(BATCHES)]
    return Contestant(name, engine, batches, length.total, [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline")
    parser.add_argument("stages", nargs="+")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of `translate run`")
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--steps", type=int, default=5, help="steps of a turn")
    chosen = parser.parse_args()
    file = PIPELINES / f"{chosen.pipeline}.yaml"
    registry = Registry()
    pipeline = load(file, chosen.profile, chosen.set)
    stages = check(pipeline, registry)
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "translate", "run", str(file), "--profile", chosen.profile]
        command += [word for value in chosen.set for word in ("--set", value)]
        subprocess.run([*command, "--until", "prepare"], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        dataset = Dataset((Path(scratch) / "runs" / pipeline.title / "prepare").resolve())
        contestants = [contestant(name, stages[name].stage.config, dataset, registry) for name in chosen.stages]
        for _ in range(chosen.turns + 1):
            for each in contestants:
                each.turn(chosen.steps)
    print(HEAD)
    for each in contestants:
        print(each.row())


if __name__ == "__main__":
    main()
