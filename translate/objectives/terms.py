"""Loss terms that a pipeline adds to any method: `extra_losses: [{uses: total-variation, weight: 1e-4, ...}]`.

Here those that compare pixels one by one, and what all terms share.
"""

from __future__ import annotations

import inspect
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from translate.contracts import C, Config, Configured, NoOptions
from translate.objectives.penalties import precise


class LossTerm(Configured[C], nn.Module):
    """A loss of what an update shows: `forward` takes views by name and returns a scalar.

    The names of its arguments are what `on:` binds to the update's views; one with a default may be left out. Images
    are N x C x H x W in [-1, 1]; a view such as a critic is a function. The engine calls it with float32 tensors and
    outside of autocast, whatever the precision of the training, unless `autocast` says otherwise. A term may hold
    networks (features to compare); they are frozen and belong to no optimizer.
    """

    autocast: ClassVar[bool] = False
    """True: the term is called in the autocast of the training, so that the networks that it asks compute as fast as
    for the method; it brings to float32 what needs that."""

    def __init__(self, config: C) -> None:
        super().__init__()
        self.config = config

    @classmethod
    def arguments(cls) -> dict[str, bool]:
        """The arguments of `forward` by name, and whether `on:` has to bind them."""
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        parameters = list(inspect.signature(cls.forward).parameters.values())[1:]
        return {p.name: p.default is p.empty for p in parameters if p.kind in named}


class TotalVariation(LossTerm[NoOptions]):
    """Mean |difference of neighbours|, down plus right: smooth images (Rudin et al. 1992, anisotropic)."""

    name = "total-variation"

    def forward(self, output: Tensor) -> Tensor:
        output = precise(output)
        return output.diff(dim=2).abs().mean() + output.diff(dim=3).abs().mean()


class L1(LossTerm[NoOptions]):
    """Mean |output - target|. With the input as target it asks for an output that stays close to the input."""

    name = "l1"

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return (precise(output) - precise(target)).abs().mean()


class CharbonnierConfig(Config):
    """Options of `charbonnier`."""

    epsilon: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    """Differences below it (of values from -1 to 1) count about as squares, those above as absolute values."""


class Charbonnier(LossTerm[CharbonnierConfig]):
    """Mean sqrt((output - target)^2 + epsilon^2), a smooth L1 (Charbonnier et al. 1994)."""

    name = "charbonnier"

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return ((precise(output) - precise(target)).square() + self.config.epsilon**2).sqrt().mean()
