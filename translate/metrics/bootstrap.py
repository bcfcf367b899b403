"""Confidence intervals of scores: percentiles of the bootstrap over images (Efron 1979)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar, overload

import numpy as np
from torch import Tensor

from translate.contracts import EvaluationContext, Metric
from translate.seeding import derive

Item = TypeVar("Item")
Interval = tuple[float, float]
LEVEL = 0.95
"""The share of resampled scores that an interval holds."""


class Drawn(Sequence[Item]):
    """The items of a sequence at the given places, one of them perhaps several times."""

    def __init__(self, items: Sequence[Item], places: Sequence[int]) -> None:
        self.items, self.places = items, places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Drawn[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Drawn[Item]:
        if isinstance(index, slice):
            return Drawn(self.items, self.places[index])
        return self.items[self.places[index]]


def drawn_context(context: EvaluationContext | None, places: Sequence[int]) -> EvaluationContext | None:
    """The context of the outputs at the given places."""
    if context is None:
        return None
    return replace(
        context,
        keys=Drawn(context.keys, places),
        inputs=Drawn(context.inputs, places),
        exemplars=Drawn(context.exemplars, places),
        counterparts=None if context.counterparts is None else Drawn(context.counterparts, places),
        values={name: Drawn(values, places) for name, values in context.values.items()},
    )


def resampled(
    metric: Metric[Any],
    outputs: Sequence[Tensor],
    references: Sequence[Tensor],
    times: int,
    *,
    context: EvaluationContext | None = None,
    seed: int = 0,
) -> list[float]:
    """The scores of `times` sets that are drawn from the outputs with replacement, each as large as the outputs.

    References of the same number are drawn alike, others stay. The draws depend on the seed and the number of images
    alone: two sets of outputs are scored on the same draws, so that their differences are paired.
    """
    count = len(outputs)
    draws: list[list[int]] = []
    for number in range(times):
        rng = np.random.default_rng(derive(seed, "draw", number))
        draws.append(rng.integers(count, size=count).tolist())
    paired = len(references) == count

    def score(places: Sequence[int]) -> float:
        chosen = Drawn(references, places) if paired else references
        return metric.score(Drawn(outputs, places), chosen, drawn_context(context, places))

    if metric.mean_of_images:  # each image is scored once, whatever the number of draws
        singles = [score([place]) for place in range(count)]
        return [math.fsum(map(singles.__getitem__, draw)) / count for draw in draws]
    return [score(draw) for draw in draws]


def interval(scores: Sequence[float], value: float) -> Interval:
    """The middle 95 % of resampled scores around the score `value` of the set itself.

    Less the bias of drawing (mean of the scores minus `value`): a distance of sets grows when images come twice. Where
    scores are infinite, as the PSNR of equal images is, there is no such mean, and the interval is that of the draws.
    """
    samples = np.asarray(scores, float)
    if not np.isfinite([*samples, value]).all():
        low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="nearest")
        return float(low), float(high)
    low, high = np.quantile(samples - (samples.mean() - value), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
