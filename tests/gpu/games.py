"""Trainings of pix2pix and CycleGAN without data, on any device, all from the same weights and batches."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from translate.contracts import DataSpec
from translate.plugins import Registry
from translate.training.build import build_networks
from translate.training.config import TrainConfig
from translate.training.ema import Averages
from translate.training.engine import Engine
from translate.training.fast.choice import Choice
from translate.training.length import Length
from translate.training.numerics.tf32 import tf32
from translate.training.players import make_players
from translate.training.saving.state import TrainingState

REGISTRY = Registry()
SIDES = {"pix2pix": ("input", "target"), "cyclegan": ("a", "b")}
PAPER: Mapping[str, Mapping[str, Any]] = {
    "pix2pix": {"generator": "unet_256", "discriminator": "patchgan"},
    "cyclegan": {"generator": "resnet_9", "discriminator": "patchgan"},
}
"""The networks of the papers, for rates."""
CRITIC = {"uses": "patchgan", "filters": 8, "layers": 2}
SMALL: Mapping[str, Mapping[str, Any]] = {
    "pix2pix": {
        "generator": {"uses": "resnet", "blocks": 2, "filters": 8, "dropout": False},
        "discriminator": CRITIC,
    },
    "cyclegan": {"generator": {"uses": "resnet", "blocks": 2, "filters": 8}, "discriminator": CRITIC, "pool": 0},
}
"""Small ones that draw nothing, whose numbers are compared between devices."""


@dataclass
class Training:
    """An engine, the batches that it takes in turns, and whether CUDA may shorten float32."""

    engine: Engine
    batches: list[dict[str, Tensor]]
    shorter: bool

    def steps(self, count: int) -> list[dict[str, float]]:
        """Takes so many steps; returns the losses of each."""
        losses = []
        with tf32(self.shorter):
            for _ in range(count):
                self.step()
                losses.append({name: v for name, v in self.engine.read_meters().items() if "/" not in name})
        return losses

    def step(self) -> None:
        """Takes one step, without waiting for it."""
        self.engine.step([self.batches[self.engine.index % len(self.batches)]], self.engine.index // 4)

    def state(self) -> TrainingState:
        """What a checkpoint holds."""
        return TrainingState(self.engine, Averages(self.engine, [], None))


def training(
    method: str,
    device: str,
    options: Mapping[str, Any],
    *,
    size: int = 32,
    images: int = 2,
    precision: str = "fp32",
    fast: Any = "off",
) -> Training:
    """A training at its first step. Equal arguments but for the device start from equal numbers."""
    kind = REGISTRY.get("methods", method)
    sides = SIDES[method]
    spec = DataSpec(kind.data, dict.fromkeys(sides, 3), (size, size))
    method_config = REGISTRY.config("methods", method, dict(options))
    instance = kind(method_config, spec, kind.losses)
    config = TrainConfig.model_validate({"method": method, "precision": precision, "fast": fast, "optimizer": SMOOTH})
    choice = Choice.of(config, device)
    torch.manual_seed(0)
    nets = build_networks(instance, REGISTRY)
    for net in nets.values():
        net.to(device).train()
    length = Length.of(config, 100)
    players = make_players(method, instance.players, nets, config, REGISTRY, length, choice.variant.fused)
    engine = Engine(instance, nets, players, device=device, seed=1, choice=choice)
    draws = torch.Generator().manual_seed(2)
    shape = (images, 3, size, size)
    batches = [{side: (torch.rand(shape, generator=draws) * 2 - 1).to(device) for side in sides} for _ in range(4)]
    return Training(engine, batches, choice.variant.tf32)


FIRST, LATER = 1e-4, 1e-2
"""Largest relative differences of losses in float32, where kernels add in another order: of the first step, and of the
ones after it."""
SMOOTH = {"uses": "adam", "lr": 1e-3, "eps": 1e-2}
"""An optimizer that does not divide the smallest gradients by their own size, and rounding with them."""


@dataclass(frozen=True)
class Gap:
    """The largest relative differences between losses of two trainings, of the first step and of all."""

    first: float
    later: float

    @property
    def small(self) -> bool:
        """Whether it is that of kernels which add in another order."""
        return self.first <= FIRST and self.later <= LATER

    def __str__(self) -> str:
        if self.later == 0:
            return "bit for bit"
        return f"{self.first:.1e} in the first step, {self.later:.1e} at most"


def difference(these: list[dict[str, float]], those: list[dict[str, float]]) -> Gap:
    """The relative differences between losses of two trainings, step by step."""
    gaps = []
    for mine, other in zip(these, those, strict=True):
        parts = [abs(v - other[name]) / max(abs(v), abs(other[name]), 1e-6) for name, v in mine.items()]
        gaps.append(max(parts))
    return Gap(gaps[0], max(gaps))


def drift(these: list[dict[str, float]], those: list[dict[str, float]]) -> float:
    """The median relative difference: that of trainings in different precisions, which part after some steps."""
    parts = [
        abs(mine[name] - other[name]) / max(abs(other[name]), 1e-6)
        for mine, other in zip(these, those, strict=True)
        for name in mine
    ]
    return statistics.median(parts)
