"""The built-in optimizers, registered by the hook that plugins implement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import nn

from translate.contracts import Optimizer, OptimizerConfig
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


@hookimpl
def translate_optimizers() -> list[type[Optimizer[Any]]]:
    """The built-in optimizers."""
    return [Adam, AdamW, RMSprop, SGD]
