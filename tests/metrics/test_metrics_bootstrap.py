from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from translate.contracts import Metric, MetricUse, NoOptions
from translate.errors import DataError
from translate.metrics import Comparison, Deferred, score_sets
from translate.metrics.bootstrap import interval, resampled
from translate.metrics.features.of_sets import FDRandom, PrecisionRandom
from translate.metrics.paired import L1
from translate.metrics.scores import table
from translate.metrics.two_sample import SWD, SWDConfig
from translate.plugins import Registry


def grey(levels: list[float]) -> list[Tensor]:
    return [torch.full((1, 8, 8), level) for level in levels]


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    errors = np.random.default_rng(0).uniform(0.2, 0.4, 400)
    black, outputs = grey([0.0] * 400), grey(errors.tolist())
    low, high = interval(resampled(L1(NoOptions()), outputs, black, 2000), float(errors.mean()))
    half = 1.96 * errors.std() / math.sqrt(400)
    assert low == pytest.approx(errors.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(errors.mean() + half, abs=0.1 * half)


def test_a_mean_of_images_is_drawn_without_scoring_every_set() -> None:
    calls = 0

    class Counted(L1):
        def score(self, outputs: object, references: object, context: object = None) -> float:
            nonlocal calls
            calls += 1
            return super().score(outputs, references)  # type: ignore[arg-type]

    outputs, black = grey([0.1, 0.5, 0.3]), grey([0.0] * 3)
    cheap = resampled(Counted(NoOptions()), outputs, black, 50)
    assert calls == 3
    Counted.mean_of_images = False
    assert resampled(Counted(NoOptions()), outputs, black, 50) == pytest.approx(cheap)
    assert calls == 53


def test_a_rival_is_scored_on_the_same_draws() -> None:
    errors = np.random.default_rng(1).uniform(0.1, 0.9, 30)
    references = grey([0.0] * 30)
    outputs, rival = grey(errors.tolist()), grey((errors + 0.05).tolist())
    (score,) = score_sets([L1(NoOptions())], outputs, references, Comparison(rival=rival, bootstrap=100))
    assert score.rival == pytest.approx(score.value + 0.05)
    assert score.difference == pytest.approx((-0.05, -0.05), abs=1e-6)  # constant, although each alone is unsure
    assert score.interval is not None and score.interval[1] - score.interval[0] > 0.1
    columns, (row,) = table([score])
    assert columns[3:6] == ["95 %", "rival", "score - rival, 95 %"] and row[5] == "-0.05 to -0.05"


def test_sets_without_a_mean_are_drawn_whole() -> None:
    generator = torch.Generator().manual_seed(0)
    references = [torch.rand(3, 24, 24, generator=generator) for _ in range(6)]
    blurred = [image.mean((1, 2), keepdim=True).expand(-1, 24, 24).contiguous() for image in references]
    swd = SWD(SWDConfig(projections=16))
    (score,) = score_sets([swd], blurred, references, Comparison(rival=references, bootstrap=20, constant=False))
    assert score.rival == 0
    assert score.interval is not None and score.difference is not None
    assert score.interval[0] <= score.value <= score.interval[1]
    assert score.difference[0] > 0


def test_infinite_scores_have_an_interval_without_a_warning() -> None:
    assert interval([math.inf] * 40, math.inf) == (math.inf, math.inf)
    low, high = interval([10.0, 11.0, 12.0] * 10 + [math.inf] * 10, math.inf)
    assert (low, high) == (10.0, math.inf)


class Shift(Metric[NoOptions]):
    """The difference between the mean levels of two sets, from halves of them."""

    name, paired, halves = "shift", False, True

    def score(self, outputs: Any, references: Any) -> float:
        ours, true = ([float(image.mean()) for image in images] for images in (outputs, references))
        return float(np.mean(ours) - np.mean(true))


@pytest.mark.parametrize("count", [300, 400])
def test_halves_spread_as_the_sets_would(count: int) -> None:
    """The deviation of a difference of means is known: sqrt(var / n + var / m)."""
    draw = np.random.default_rng(0)
    ours, true = draw.uniform(0, 1, 400), draw.uniform(0, 0.6, count)
    outputs, references = grey(ours.tolist()), grey(true.tolist())
    (score,) = score_sets([Shift(NoOptions())], outputs, references, Comparison(bootstrap=600))
    assert score.interval is not None
    half = 1.96 * math.sqrt(ours.var() / 400 + true.var() / count)
    assert score.interval == pytest.approx((score.value - half, score.value + half), abs=0.12 * half)


class OfVectors:
    """Stands for the features of a metric of sets: images are vectors, and features are they themselves."""

    def vectors(self, outputs: Any, references: Any, context: Any) -> tuple[Tensor, Tensor]:
        return torch.stack(list(outputs)), torch.stack(list(references))


class Neighbours(OfVectors, PrecisionRandom):
    name = "neighbours"


class Distance(OfVectors, FDRandom):
    name = "distance"


def gaussians(rng: np.random.Generator) -> tuple[list[Tensor], list[Tensor]]:
    """Sixty outputs that are narrower than twice as many real ones, and beside them."""
    ours, true = 0.3 + 0.7 * rng.standard_normal((60, 6)), rng.standard_normal((120, 6))
    return list(torch.from_numpy(ours)), list(torch.from_numpy(true))


@pytest.mark.parametrize("kind", [Neighbours, Distance])
def test_intervals_of_sets_hold_the_mean_score_of_such_sets(kind: Any) -> None:
    """As often as they say, also where sets differ in size: the references are drawn, too."""
    metric, rng, trials = kind(kind.Config()), np.random.default_rng(0), 40
    means: dict[str, float] = {}
    for _ in range(200):
        for score in score_sets([metric], *gaussians(rng)):
            means[score.metric] = means.get(score.metric, 0.0) + score.value / 200
    held: dict[str, int] = {}
    for _ in range(trials):
        for score in score_sets([metric], *gaussians(rng), Comparison(bootstrap=24)):
            if score.interval is not None:
                low, high = score.interval
                held[score.metric] = held.get(score.metric, 0) + (low <= means[score.metric] <= high)
    assert set(held) == {metric.name, *(f"{metric.name}/{name}" for name in metric.detail_ends)}
    # 95 %, less what 24 draws lose; 79 % where outputs alone are drawn with replacement
    assert 0.87 < sum(held.values()) / (trials * len(held)) < 0.99


def test_halves_of_too_few_images_have_no_interval() -> None:
    metric = Neighbours(Neighbours.Config(k=4))
    ours, true = (images[:8] for images in gaussians(np.random.default_rng(0)))
    scores = score_sets([metric], ours, true, Comparison(rival=true, bootstrap=10))
    assert all(score.interval is None for score in scores)
    assert scores[0].value > 0 and scores[0].rival == 1


def test_an_interval_holds_its_score_and_stays_within_the_ends() -> None:
    assert interval([0.9, 1.0, 1.1, 1.2], 0.98, (0.0, 1.0)) == (pytest.approx(0.8375, abs=0.02), 1.0)
    low, high = interval([0.0] * 99 + [100.0], 1.0, (0.0, math.inf))
    assert low == 0 and high >= 1


@pytest.mark.parametrize(
    "name", ["swd", "fd-random", "kd-random", "precision-random", "mmd", "c2st-1nn", "wasserstein"]
)
def test_metrics_of_sets_have_intervals_that_hold_their_scores(name: str) -> None:
    metric = Registry([]).build(MetricUse(uses=name))
    rng = torch.Generator().manual_seed(0)
    images = [torch.rand(3, 24, 24, generator=rng) for _ in range(48)]
    # as files are: features of a set that stays are computed once
    outputs, references = Deferred(lambda: images[:24]), Deferred(lambda: images[24:])
    (score, *_) = score_sets([metric], outputs, references, Comparison(bootstrap=min(metric.draws, 12), constant=False))
    assert metric.draws and score.interval is not None
    low, high = score.interval
    assert metric.ends[0] <= low <= score.value <= high <= metric.ends[1]
    assert low < high
    assert score.protocol


class OnlyBright(Metric[NoOptions]):
    """The mean of all pixels of the outputs, and an error for a set with a dark image beside others."""

    paired = False
    halves = True

    def score(self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: object = None) -> float:
        if len(outputs) < 8 and min(float(image.mean()) for image in outputs) < 0.5:
            raise DataError("too few bright images")
        return float(torch.stack(list(outputs)).mean())


def test_a_rival_whose_halves_cannot_be_scored_has_no_difference() -> None:
    rng = torch.Generator().manual_seed(0)
    bright = [0.6 + 0.1 * torch.rand(3, 8, 8, generator=rng) for _ in range(8)]
    dark = [torch.zeros(3, 8, 8) for _ in range(8)]
    (score,) = score_sets(
        [OnlyBright(NoOptions())], bright, bright, Comparison(rival=dark, bootstrap=5, constant=False)
    )
    assert score.interval is not None
    assert (score.rival, score.difference) == (0, None)
