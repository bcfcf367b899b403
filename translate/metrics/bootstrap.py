"""Confidence intervals of scores: percentiles over sets that are drawn from the images, with replacement (the
bootstrap, Efron 1979) or as halves without (Politis and Romano 1994)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar, overload

import numpy as np
from torch import Tensor

from translate.contracts import EvaluationContext, Metric
from translate.errors import DataError
from translate.seeding import derive

Item = TypeVar("Item")
Interval = tuple[float, float]
LEVEL = 0.95
"""The share of resampled scores that an interval holds."""
LEAST_HALVED = 6
"""Images of a set below which its halves say nothing: of fewer, whole sets are drawn with replacement."""


class Drawn(Sequence[Item]):
    """The items of a sequence at the given places, one of them perhaps several times."""

    def __init__(self, items: Sequence[Item], places: Sequence[int]) -> None:
        self.items, self.places = items, places

    def __len__(self) -> int:
        return len(self.places)

    @property
    def names(self) -> list[str] | None:
        """What errors call the items, where they have names."""
        names = getattr(self.items, "names", None)
        return [names[place] for place in self.places] if names else None

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
    """The scores of `times` sets that are drawn from outputs and references; see `drawn_sets`.

    Empty where half of the images are too few for the metric.
    """
    if metric.mean_of_images:  # each image is scored once, whatever the number of draws
        return means_of_draws(single_scores(metric, outputs, references, context), times, seed)
    metric = metric.lighter()
    sets = drawn_sets(metric, outputs, references, times, context=context, seed=seed)
    try:
        return [metric.score(*each) for each in sets]
    except DataError:  # all images together could be scored
        return []


def resampled_details(
    metric: Metric[Any],
    outputs: Sequence[Tensor],
    references: Sequence[Tensor],
    times: int,
    *,
    context: EvaluationContext | None = None,
) -> dict[str, list[float]]:
    """The details that the metric has ends for, by their names in tables, on the same sets as `resampled`."""
    if not metric.detail_ends:
        return {}
    names = {f"{metric.name}/{name}" for name in metric.detail_ends}
    values: dict[str, list[float]] = {name: [] for name in names}
    try:
        for each in drawn_sets(metric, outputs, references, times, context=context):
            details = metric.details(*each)
            for name in names & details.keys():
                values[name].append(details[name])
    except DataError:
        return {}
    return {name: drawn for name, drawn in values.items() if len(drawn) == times}


def drawn_sets(
    metric: Metric[Any],
    outputs: Sequence[Tensor],
    references: Sequence[Tensor],
    times: int,
    *,
    context: EvaluationContext | None = None,
    seed: int = 0,
) -> Iterator[tuple[Sequence[Tensor], Sequence[Tensor], EvaluationContext | None]]:
    """Outputs, references and context of `times` sets, drawn from the outputs with replacement and each as large.

    For a metric of `halves` they are halves of both sets instead, drawn without replacement: the score of n/2 out of n
    varies around their mean as that of n does around its own, and no image is its own neighbour. References of the same
    number are drawn alike, others stay, or are halved by themselves. The draws depend on the seed and the number of
    images alone: two sets of outputs are scored on the same draws, so that their differences are paired.
    """
    paired = len(references) == len(outputs)
    halved = metric.halves and min(len(outputs), len(references)) >= LEAST_HALVED
    for number in range(times):
        if halved:
            ours = _half(len(outputs), derive(seed, "half", number, len(outputs)))
            true = _half(len(references), derive(seed, "half", number, len(references)))
            chosen: Sequence[Tensor] = Drawn(references, true)
        else:
            ours = _draw(len(outputs), number, seed)
            chosen = Drawn(references, ours) if paired else references
        yield Drawn(outputs, ours), chosen, drawn_context(context, ours)


def _half(count: int, seed: int) -> list[int]:
    """Half of so many places, without repetition; equal numbers and seeds give equal halves."""
    places: list[int] = np.random.default_rng(seed).permutation(count)[: count // 2].tolist()
    return places


def single_scores(
    metric: Metric[Any],
    outputs: Sequence[Tensor],
    references: Sequence[Tensor],
    context: EvaluationContext | None = None,
) -> list[float]:
    """The scores of the outputs one by one, by a metric that is the mean of them."""
    paired = len(references) == len(outputs)
    scores: list[float] = []
    for place in range(len(outputs)):
        chosen = Drawn(references, [place]) if paired else references
        scores.append(metric.score(Drawn(outputs, [place]), chosen, drawn_context(context, [place])))
    return scores


def means_of_draws(scores: Sequence[float], times: int, seed: int = 0) -> list[float]:
    """The means of `times` sets that are drawn from scores with replacement, each as large as they are."""
    return [math.fsum(map(scores.__getitem__, draw)) / len(scores) for draw in draws_of(len(scores), times, seed)]


def draws_of(count: int, times: int, seed: int = 0) -> list[list[int]]:
    """`times` draws of so many places out of as many."""
    return [_draw(count, number, seed) for number in range(times)]


def _draw(count: int, number: int, seed: int) -> list[int]:
    """The draw of this number: `count` places out of as many."""
    places: list[int] = np.random.default_rng(derive(seed, "draw", number)).integers(count, size=count).tolist()
    return places


def interval(scores: Sequence[float], value: float, ends: Interval = (-math.inf, math.inf)) -> Interval:
    """The middle 95 % of resampled scores around the score `value` of the set itself, which it always holds, within the
    `ends` of the metric.

    Less the bias of drawing (mean of the scores minus `value`): a distance of sets grows when images come twice. Where
    scores are infinite, as the PSNR of equal images is, there is no such mean, and the interval is that of the draws.
    """
    samples = np.asarray(scores, float)
    if not np.isfinite([*samples, value]).all():
        low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="nearest")
        return float(low), float(high)
    low, high = np.quantile(samples - (samples.mean() - value), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return max(ends[0], min(float(low), value)), min(ends[1], max(float(high), value))
