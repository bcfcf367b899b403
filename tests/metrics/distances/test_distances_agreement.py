"""Distances of sets against another implementation, against definitions written out, and tests against their level."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from scipy.stats import binom
from torch import Tensor, nn

from translate.metrics.distances.frechet import frechet_distance, moments_of
from translate.metrics.distances.kernels import Significance, kernel_distance, mmd_test
from translate.metrics.distances.neighbours import one_neighbour_test, support


def drawn(count: int, width: int, seed: int, shift: float = 0.0) -> Tensor:
    """Vectors of a normal distribution, all of whose numbers are shifted."""
    rng = torch.Generator().manual_seed(seed)
    return shift + torch.randn(count, width, generator=rng, dtype=torch.float64)


class Identity(nn.Module):
    """Features that are the vectors themselves."""

    num_features = 16

    def forward(self, vectors: Tensor) -> Tensor:
        return vectors


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_the_frechet_distance_is_that_of_torchmetrics(shift: float) -> None:
    from torchmetrics.image.fid import FrechetInceptionDistance

    a, b = drawn(300, 16, 1), drawn(250, 16, 2, shift)
    oracle = FrechetInceptionDistance(feature=Identity()).set_dtype(torch.float64)
    oracle.update(a, real=False)
    oracle.update(b, real=True)
    assert frechet_distance(moments_of(a), moments_of(b)) == pytest.approx(float(oracle.compute()), abs=1e-4)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save")
@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_the_kernel_distance_is_that_of_torchmetrics(shift: float) -> None:
    from torchmetrics.image.kid import KernelInceptionDistance

    a, b = drawn(200, 16, 1), drawn(200, 16, 2, shift)
    oracle = KernelInceptionDistance(feature=Identity(), subsets=2, subset_size=200).set_dtype(torch.float64)
    oracle.update(a, real=False)
    oracle.update(b, real=True)
    # subsets of the whole sets do not depend on how either of the two draws them
    assert kernel_distance(a, b, 100, 200, 0)[0] == pytest.approx(float(oracle.compute()[0]), abs=1e-4)


def within_manifold(points: Tensor, of: Tensor, k: int) -> float:
    """The share of points that lie at most as far from some vector of a set as its k-th nearest other one does
    (Kynkäänniemi et al. 2019, equation 2), pair by pair."""
    inside = 0
    for point in points:
        for place, centre in enumerate(of):
            others = sorted(float((centre - other).norm()) for j, other in enumerate(of) if j != place)
            if float((centre - point).norm()) <= others[k - 1]:
                inside += 1
                break
    return inside / len(points)


@pytest.mark.parametrize("shift", [0.0, 0.8])
def test_precision_and_recall_are_those_of_their_definition(shift: float) -> None:
    real, fake = drawn(30, 3, 1), drawn(24, 3, 2, shift)
    found = support(real, fake, 3)
    assert found.precision == pytest.approx(within_manifold(fake, real, 3), abs=1e-4)
    assert found.recall == pytest.approx(within_manifold(real, fake, 3), abs=1e-4)


@pytest.mark.parametrize("test", [mmd_test, one_neighbour_test])
def test_equal_sets_are_rejected_as_often_as_the_level_says(test: Callable[..., Significance]) -> None:
    rejected = sum(test(drawn(20, 3, n), drawn(20, 3, n + 1000), 99, n).p_value <= 0.05 for n in range(200))
    low, high = binom.interval(0.999, 200, 0.05)
    assert low <= rejected <= high
