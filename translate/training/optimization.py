"""The built-in optimizers and schedules, registered by the hooks that plugins implement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import nn

from translate.contracts import Optimizer, OptimizerConfig, Schedule, ScheduleConfig
from translate.markers import hookimpl

Momentum = Annotated[float, Field(ge=0, lt=1)]
Params = Sequence[nn.Parameter]


class _DecayConfig(OptimizerConfig):
    weight_decay: NonNegativeFloat = 0.0
    """Weight of the L2 penalty; of adamw, the share of a weight that each step takes off, times `lr`."""


class AdamConfig(_DecayConfig):
    """Options of `adam` and `adamw`."""

    betas: tuple[Momentum, Momentum] = (0.5, 0.999)
    """Decay rates of the two running averages. GANs take 0.5 where torch has 0.9 (DCGAN)."""
    eps: PositiveFloat = 1e-8
    """Added to the denominator, so that nothing is divided by zero."""


class RMSpropConfig(_DecayConfig):
    """Options of `rmsprop`."""

    alpha: Momentum = 0.99
    """Decay rate of the running average of squared gradients."""
    eps: PositiveFloat = 1e-8
    """Added to the denominator, so that nothing is divided by zero."""
    momentum: Momentum = 0.0
    """Decay rate of the running average of the steps; 0 for none."""


class SGDConfig(_DecayConfig):
    """Options of `sgd`."""

    momentum: Momentum = 0.0
    """Decay rate of the running sum of gradients; 0 for none."""


class Adam(Optimizer[AdamConfig]):
    """Gradients divided by their running size (Kingma and Ba 2015): the default of GAN papers."""

    name = "adam"

    def build(self, params: Params, *, fused: bool) -> torch.optim.Optimizer:
        c = self.config
        return torch.optim.Adam(
            params, lr=c.lr, weight_decay=c.weight_decay, betas=c.betas, eps=c.eps, fused=fused or None
        )


class AdamW(Optimizer[AdamConfig]):
    """Adam whose weight decay does not pass through the division (Loshchilov and Hutter 2019)."""

    name = "adamw"

    def build(self, params: Params, *, fused: bool) -> torch.optim.Optimizer:
        c = self.config
        return torch.optim.AdamW(
            params, lr=c.lr, weight_decay=c.weight_decay, betas=c.betas, eps=c.eps, fused=fused or None
        )


class RMSprop(Optimizer[RMSpropConfig]):
    """Gradients divided by the root of their running square (Hinton 2012): the choice of WGAN."""

    name = "rmsprop"

    def build(self, params: Params, *, fused: bool) -> torch.optim.Optimizer:
        c = self.config
        return torch.optim.RMSprop(
            params, lr=c.lr, weight_decay=c.weight_decay, alpha=c.alpha, eps=c.eps, momentum=c.momentum
        )


class SGD(Optimizer[SGDConfig]):
    """Plain steps against the gradient, with momentum where that is set."""

    name = "sgd"

    def build(self, params: Params, *, fused: bool) -> torch.optim.Optimizer:
        c = self.config
        return torch.optim.SGD(params, lr=c.lr, weight_decay=c.weight_decay, momentum=c.momentum, fused=fused or None)


class StartConfig(ScheduleConfig):
    """Options of a schedule that is constant before it falls."""

    start: NonNegativeInt = 0
    """Where the fall begins, in `unit`; before it the factor is 1. CycleGAN: 100 of 200 epochs."""


class StepConfig(ScheduleConfig):
    """Options of `step`."""

    every: PositiveInt = 50
    """Length of a step, in `unit`."""
    gamma: PositiveFloat = 0.1
    """Factor of each step."""


class Constant(Schedule[ScheduleConfig]):
    """The learning rate stays."""

    name = "constant"

    def factor(self, position: int, total: int) -> float:
        return 1.0


class _Falling(Schedule[StartConfig]):
    def note(self, total: int) -> str:
        start, unit = self.config.start, self.config.unit
        if start < total:
            return ""
        return f"schedule.start {start} is past the last of {total} {unit}: the rate never falls"


class LinearDecay(_Falling):
    """A line from 1 at `start` down to 0 at the end.

    It is the one of the CycleGAN code: 1 until `start`, then down in equal steps, so that the one after the last would
    be zero: 1 - max(0, e - start) / (total - start + 1), e counted from 1.
    """

    name = "linear-decay"

    def factor(self, position: int, total: int) -> float:
        start = self.config.start
        return max(0.0, 1.0 - max(0, position + 1 - start) / max(1, total - start + 1))


class Cosine(_Falling):
    """Half a cosine wave from 1 at `start` down to 0 at the end."""

    name = "cosine"

    def factor(self, position: int, total: int) -> float:
        start = self.config.start
        done = max(0, position - start) / max(1, total - start)
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))


class StepDecay(Schedule[StepConfig]):
    """The learning rate times `gamma` after every `every`."""

    name = "step"

    def factor(self, position: int, total: int) -> float:
        return float(self.config.gamma ** (position // self.config.every))


@hookimpl
def translate_optimizers() -> list[type[Optimizer[Any]]]:
    """The built-in optimizers."""
    return [Adam, AdamW, RMSprop, SGD]


@hookimpl
def translate_schedules() -> list[type[Schedule[Any]]]:
    """The built-in schedules."""
    return [Constant, LinearDecay, Cosine, StepDecay]
