"""my-plugin: steps of one size, against the sign of a running average of gradients.

Bernstein, Wang, Azizzadenesheli, Anandkumar, "signSGD: Compressed Optimisation for Non-Convex Problems", ICML 2018,
arXiv 1802.04434; with momentum it is their Signum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import nn
from translate import Optimizer, OptimizerConfig, hookimpl

translate_contract = ">=2,<3"


class MyPluginConfig(OptimizerConfig):
    """The options of the optimizer, beside `lr`. The string below each is its description."""

    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """The share of the old average in the new one; 0 takes the sign of each gradient alone."""


class Signum(torch.optim.Optimizer):
    """A torch optimizer. What it keeps in `self.state` for a parameter is in every checkpoint."""

    def __init__(self, params: Sequence[nn.Parameter], lr: float, momentum: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is None:
                    continue
                average = self.state[param].setdefault("average", torch.zeros_like(param))
                average.lerp_(param.grad, 1 - group["momentum"])
                param.sub_(group["lr"] * average.sign())


class MyPlugin(Optimizer[MyPluginConfig]):
    """Moves every weight by `lr` a step, whatever the size of its gradient; rates are those of Adam or less."""

    name = "my-plugin"

    def build(self, params: Sequence[nn.Parameter], *, fused: bool) -> torch.optim.Optimizer:
        return Signum(params, self.config.lr, self.config.momentum)


@hookimpl
def translate_optimizers() -> list[type[Optimizer[Any]]]:
    return [MyPlugin]
