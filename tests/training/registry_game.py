"""A training that has every kind of state, and lets go of none of it by chance: what is lost shows.

Its critic looks at images at some steps alone, so that what it knows of earlier ones is needed. `CUT` is the step after
which a training is resumed: in the middle of an epoch, of the sums of the curves, between two moves of the share of
changed images, and where the generator has moved less often than the critic.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from duel import Console, Duel, Even, Shop, Told, Tracker
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Direction, ImagePool, Objective, Optimizer, OptimizerConfig, Update
from translate.contracts import Artifact, StageContext
from translate.data.dataset import Dataset
from translate.stages.train import TrainStage
from translate.training.build import build_trainer
from translate.training.config import TrainConfig
from translate.training.fast.variant import Variant
from translate.training.saving.registry import taken
from translate.training.trainer import Trainer

CUT, STEPS = 5, 7


class Everything(Duel):
    name = "everything"
    players = {"D": ("disc",), "G": ("there", "back")}
    losses = {"critic": 1.0, "l1": 1.0}
    directions = {"a_to_b": Direction(nets=("there",)), "b_to_a": Direction(nets=("back",), sides=("b",), target="a")}
    objective = Objective(uses="non-saturating")

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {
            "there": nn.Sequential(Even(3, 3, 1), nn.BatchNorm2d(3), nn.Dropout(0.2)),
            "back": Even(3, 3, 1),
            "disc": nn.Conv2d(3, 2, 3),
            "pool": ImagePool(3, 3, 16, 16),
        }

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        there = nets.there(batch["a"])
        fake = nets.pool.query(there, step.rng) + random.random() * 0.1 + np.random.rand() * 0.1
        if step.index < CUT:
            loss = self.objective.critic(nets.disc, batch["b"], fake, step)
            yield Update("D", {"critic": loss}, {"output": there})
        else:
            yield Update("D", {"critic": nets.disc.weight.square().mean() * fake.square().mean()})
        if step.index % 3 == 1:
            there, back = nets.there(batch["a"]), nets.back(batch["b"])
            yield Update("G", {"l1": F.l1_loss(there, batch["b"]) + F.l1_loss(back, batch["a"])})

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        return nets["there" if direction == "a_to_b" else "back"](inputs["image"])


class Other(Told):
    """Says what it was told to say; the least is the best."""

    name, better = "other", "lower"
    values: list[float] = []


class Slowing(torch.optim.Optimizer):
    """Gradient descent whose memory are plain numbers: an age of each parameter, and a factor of the group."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr, "factor": 1.0})

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    age = self.state[param]["age"] = self.state[param].get("age", 0) + 1
                    param.data.sub_(group["lr"] * group["factor"] / age * param.grad)
            group["factor"] *= 0.9


class SlowingOptimizer(Optimizer[OptimizerConfig]):
    name = "acme/slowing"

    def build(self, params: Any, *, fused: bool) -> torch.optim.Optimizer:
        return Slowing(params, self.config.lr)


class Store(Shop):
    def get(self, kind: Any, name: str) -> Any:
        mine = {"everything": Everything, "acme/other": Other, "acme/slowing": SlowingOptimizer}
        return mine.get(name) or super().get(kind, name)


VALIDATE = {"every": {"steps": 1}, "metrics": ["acme/told", "acme/other"], "images": 1, "samples": 1}
TOLD = {Told: [1.0, 5.0, 3.0, 2.0, 1.0, 2.0, 1.0], Other: [4.0, 2.0, 1.0, 3.0, 5.0, 4.0, 3.0]}
"""What the metrics say after each step: both have been at their best before the cut."""
EVERYTHING: Mapping[str, Any] = {
    "method": "everything",
    "steps": STEPS,
    "batch_size": 2,
    "accumulate": 2,
    "log_every": 3,
    "ema": {"decay": 0.9, "warmup": True},
    "spectral_norm": ["disc"],
    "critic_augment": {"p": 0.5, "adapt": {"target": -0.02, "images": 50, "every": 3}},
    "extra_losses": [{"uses": "total-variation", "player": "D", "on": {"output": "output"}}],
    "optimizer": {"uses": "adam", "lr": 0.01},
    "schedule": {"uses": "plateau", "metric": "acme/told", "gamma": 0.5, "patience": 2},
    "players": {"D": {"optimizer": {"uses": "acme/slowing", "lr": 0.1}}},
    "validate": VALIDATE,
    "keep": {"best": ["acme/told", "acme/other"], "every": {"steps": CUT}},
}


def another(variant: Variant) -> Variant:
    """A variant that differs in everything, as a trial may choose it."""
    return Variant(
        "fp32" if variant.precision == "bf16" else "bf16",
        "contiguous" if variant.memory_format == "channels_last" else "channels_last",
        merge=not variant.merge,
        layers="plain" if variant.layers == "quick" else "quick",
        fused=not variant.fused,
        threads=1,
        step="graph",  # computed as it comes on a processor, which is remembered nevertheless
        tf32=not variant.tf32,
    )


class Training:
    """One training of these options in `folder`, which goes on from the checkpoint that lies there."""

    def __init__(
        self, folder: Path, data: Artifact, options: Mapping[str, Any], workers: int, emit: Any = None
    ) -> None:
        self.console, self.tracker = Console(), Tracker()
        stage = TrainStage(TrainConfig.model_validate({**options, "workers": workers}), SHELVES, 5)
        folder.mkdir(parents=True, exist_ok=True)
        context = StageContext(
            "p", "train", folder, {"data": data}, 5, "cpu", self.tracker, self.console, SHELVES,
            emit or (lambda *_, **__: None),
        )  # fmt: skip
        self.trainer: Trainer = build_trainer(context, stage.config, SHELVES, Dataset(data.path))
        choice = self.trainer.engine.choice
        if not self.trainer.state.step and not choice.settled:
            choice.settle(another(choice.variant))
            self.trainer.engine.apply_choice()
        for metric, values in TOLD.items():
            # each is asked twice: for the averages, and for the weights themselves
            twice = [value for value in values for _ in range(2)]
            metric.values = twice[2 * self.trainer.state.step :]

    def end(self) -> dict[str, Any]:
        """Runs it; returns all that it has in the end, and its curves after the cut."""
        self.trainer.run()
        curves = {f"curve/{name}/{step}": value for (name, step), value in self.tracker.curves.items() if step > CUT}
        timeless = {
            name: value
            for name, value in curves.items()
            if not any(word in name for word in ("second", "wait", "peak"))
        }
        return {**dict(taken(self.trainer.state)), **timeless}


SHELVES = Store([])


def differ(one: Any, other: Any) -> bool:
    """Whether two values have different bits; a NaN equals a NaN."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype != other.dtype or not torch.equal(one.nan_to_num(7e7), other.nan_to_num(7e7))
    return type(one) is not type(other) or one != other


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The names of the values that differ, or that only one of them has."""
    return [name for name in sorted({*one, *other}) if differ(one.get(name), other.get(name))]
