"""The classifier two-sample test: half right between equal sets, all right between sets that anybody tells apart."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from scipy.stats import binom
from torch import Tensor

from translate.contracts import EvaluationContext
from translate.errors import DataError
from translate.metrics import C2ST, Classifier
from translate.metrics.bootstrap import Drawn, drawn_sets
from translate.metrics.c2st import chance
from translate.metrics.classifier import Tried

COUNT = 160
TOLERANCE = 3 / (2 * COUNT**0.5)
"""Three standard deviations of the share of right guesses among the COUNT images that are tested: 80 of each set."""


def noise(count: int, seed: int, brightness: float = 0.5) -> list[Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return list((torch.rand(count, 3, 16, 16, generator=rng) * 0.5 + brightness / 2).clamp(0, 1))


def context(training: Sequence[Tensor]) -> EvaluationContext:
    return EvaluationContext("image", "image", [], [], [], lambda side: training)


def test_equal_sets_are_not_told_apart_and_others_are() -> None:
    metric = C2ST(C2ST.Config(epochs=4))
    assert metric.score(noise(COUNT, 1), noise(COUNT, 2)) == pytest.approx(0.5, abs=TOLERANCE)
    assert metric.score(noise(COUNT, 1), noise(COUNT, 2, brightness=0.9)) > 0.95
    assert metric.score(noise(COUNT, 1), noise(COUNT, 2)) == metric.score(noise(COUNT, 1), noise(COUNT, 2))


def test_real_images_stand_beside_the_score() -> None:
    metric = C2ST(C2ST.Config(epochs=4))
    dark, references = noise(COUNT, 3, brightness=0.1), noise(COUNT, 2)
    details = metric.details(dark, references, context(noise(COUNT + 40, 1)))
    assert details["c2st/real"] == pytest.approx(0.5, abs=TOLERANCE)
    assert details["c2st/p"] < 1e-6
    assert set(metric.details(dark, references)) == {"c2st/p"}
    darker = metric.details(references, references, context(noise(COUNT, 4, brightness=0.9)))
    assert darker["c2st/real"] > 0.95


def test_the_p_value_is_that_of_an_order_by_chance() -> None:
    def tried(ours: list[float], theirs: list[float]) -> Tried:
        logits = [torch.tensor([[margin, 0.0] for margin in margins]) for margins in (ours, theirs)]
        return Tried(Classifier(3, 1, 2), tuple(logits))

    # of the 20 orders of three and three, one is perfect, and one has a single pair the other way round
    assert chance(tried([7.0, 8.0, 9.0], [-1.0, 1.0, 2.0])) == pytest.approx(1 / 20)
    assert chance(tried([1.5, 8.0, 9.0], [-1.0, 1.0, 2.0])) == pytest.approx(2 / 20)
    assert tried([1.5, 8.0, 9.0], [-1.0, 1.0, 2.0]).accuracy == pytest.approx(4 / 6)


def test_the_larger_set_is_cut() -> None:
    metric = C2ST(C2ST.Config(epochs=1))
    assert metric.score(noise(20, 1), noise(50, 2)) == metric.score(noise(20, 1), noise(50, 2)[:20])
    with pytest.raises(DataError, match="needs 2 images of each, not 1"):
        metric.score(noise(1, 1), noise(50, 2))


def plain(side: int, channels: int = 3) -> list[torch.Tensor]:
    return [torch.full((channels, side, side), level / 4) for level in range(4)]


def test_images_of_several_sizes_are_compared_at_one() -> None:
    metric = C2ST(C2ST.Config(epochs=1))
    assert 0 <= metric.score(plain(48), plain(32)) <= 1
    assert 0 <= metric.score(plain(100), plain(16)) <= 1
    with pytest.raises(DataError, match="needs images of 16 pixels a side, and one has 8"):
        metric.score(plain(32), plain(8))
    with pytest.raises(DataError, match="cannot compare images of 1 and 3 channels"):
        metric.score(plain(32), plain(32, channels=1))


def test_the_sets_of_an_interval_hold_no_image_twice() -> None:
    """It would train the classifier and be told by it."""
    sets = drawn_sets(C2ST(C2ST.Config()), plain(16) * 3, plain(16) * 4, 5)
    for ours, theirs, _ in sets:
        for drawn in (ours, theirs):
            assert isinstance(drawn, Drawn) and len(set(drawn.places)) == len(drawn.places)
        assert (len(ours), len(theirs)) == (6, 8)


def test_equal_sets_are_rejected_as_rarely_as_the_p_value_says() -> None:
    metric = C2ST(C2ST.Config(epochs=1, width=2))
    trials = 200
    rejected = 0
    for trial in range(trials):
        images = noise(56, 1000 + trial)
        rejected += metric.details(images[:28], images[28:])["c2st/p"] <= 0.05
    low, high = binom.interval(0.999, trials, 0.05)
    assert low <= rejected <= high
