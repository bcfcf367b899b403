"""How sure a score is: percentile intervals of the bootstrap over images (Efron 1979)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from translate.seeding import derive

if TYPE_CHECKING:
    from torch import Tensor

    from translate.contracts import Metric

Interval = tuple[float, float]
LEVEL = 0.95


class Drawn(Sequence["Tensor"]):
    """The images of a sequence at the given places, one of them perhaps several times."""

    def __init__(self, images: Sequence[Tensor], places: Sequence[int]) -> None:
        self.images, self.places = images, places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> Drawn: ...
    def __getitem__(self, index: int | slice) -> Tensor | Drawn:
        if isinstance(index, slice):
            return Drawn(self.images, self.places[index])
        return self.images[self.places[index]]


def resampled(
    metric: Metric[Any], outputs: Sequence[Tensor], references: Sequence[Tensor], times: int, seed: int = 0
) -> list[float]:
    """The scores of `times` sets that are drawn from the outputs with replacement, each as large as the outputs.

    References of the same number are drawn alike, others stay. The draws depend on the seed and the number of images
    alone: two sets of outputs are scored on the same draws, so that their differences are paired.
    """
    count = len(outputs)
    draws = [np.random.default_rng(derive(seed, "draw", n)).integers(count, size=count).tolist() for n in range(times)]
    if metric.mean_of_images:
        singles = [metric.score(Drawn(outputs, [i]), Drawn(references, [i])) for i in range(count)]
        return [math.fsum(singles[i] for i in draw) / count for draw in draws]
    alike = len(references) == count
    return [metric.score(Drawn(outputs, d), Drawn(references, d) if alike else references) for d in draws]


def interval(scores: Sequence[float], value: float) -> Interval:
    """The middle 95 % of resampled scores around the score `value` of the set itself.

    Less the bias of drawing (mean of the scores minus `value`): a distance of sets grows when images come twice.
    """
    known = np.asarray(scores, float)
    low, high = np.quantile(known - (known.mean() - value), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
