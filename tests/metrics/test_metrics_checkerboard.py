"""The metric `checkerboard`: planted patterns in noise of known energy, and sets without any."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from translate.errors import DataError
from translate.metrics import Checkerboard

SIZE, DEVIATION = 64, 0.05


def noise(count: int, seed: int, size: int = SIZE) -> list[Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return [0.5 + DEVIATION * torch.randn(3, size, size, generator=rng) for _ in range(count)]


def stripes(period: int, amplitude: float) -> Tensor:
    """A cosine along the rows."""
    return amplitude * torch.cos(2 * torch.pi * torch.arange(SIZE) / period).expand(SIZE, SIZE)


@pytest.mark.parametrize(("period", "share"), [(2, 1.0), (4, 0.25), (16, 0.25)])
def test_a_planted_pattern_has_its_energy_over_that_of_the_noise(period: int, share: float) -> None:
    amplitude = 0.05
    images = [image + stripes(period, amplitude) for image in noise(30, 1)]
    metric = Checkerboard(Checkerboard.Config())
    # a cosine has half of its amplitude at each of two frequencies, except the fastest, which is one; noise has the
    # energy of its deviation times sum w^2 / (sum w)^2 of the Hann window, (3 / 2 / SIZE)^2 in two dimensions
    expected = 1 + share * amplitude**2 / (DEVIATION * 1.5 / SIZE) ** 2
    # the larger of two means of ten neighbours is about a sixth above their mean
    details = metric.details(images, noise(30, 2))
    assert 0.75 * expected < details["checkerboard/outputs"] < 0.95 * expected
    assert 1 < details["checkerboard/real"] < 3
    assert details["checkerboard/period"] == period
    apart = details["checkerboard/outputs"] - details["checkerboard/real"]
    assert metric.score(images, noise(30, 2)) == metric.score(noise(30, 2), images) == pytest.approx(apart)
    assert metric.score(images, images) == 0


def test_both_sets_are_looked_at_with_the_periods_that_fit_the_smallest_image() -> None:
    metric = Checkerboard(Checkerboard.Config())
    images = [image + stripes(16, 0.05) for image in noise(4, 1)]
    assert metric.score(images, noise(4, 2)) > 50
    assert metric.score(images, [*noise(4, 2), *noise(1, 3, size=32)]) < 10


def test_sets_that_cannot_be_looked_at() -> None:
    metric = Checkerboard(Checkerboard.Config())
    with pytest.raises(DataError, match="needs images of 8 pixels a side, and one has 6"):
        metric.score(noise(2, 1, size=6), noise(2, 2))
    with pytest.raises(DataError, match="one is empty"):
        metric.score([], noise(2, 2))
