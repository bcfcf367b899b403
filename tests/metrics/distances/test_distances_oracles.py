"""Distances of vectors against closed forms of known distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from translate.errors import DataError
from translate.metrics.distances import neighbours
from translate.metrics.distances.collisions import alike, support_size, usual_distance
from translate.metrics.distances.frechet import Moments, frechet_distance, moments_of
from translate.metrics.distances.kernels import (
    Significance,
    gaussian_kernel,
    kernel_distance,
    mmd_test,
    mmd_unbiased,
    polynomial_kernel,
)
from translate.metrics.distances.neighbours import (
    copies,
    coverage_of_equal,
    one_neighbour_accuracy,
    one_neighbour_test,
    support,
)
from translate.metrics.distances.transport import assignment, bracket, projected, sliced, wasserstein_1d


def normal(count: int, width: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> Tensor:
    """Vectors of a normal distribution whose first number is shifted."""
    rng = torch.Generator().manual_seed(seed)
    vectors = scale * torch.randn(count, width, generator=rng, dtype=torch.float64)
    vectors[:, 0] += shift
    return vectors


def gaussian(mean: list[float], deviations: list[float]) -> Moments:
    """Moments that are said, not estimated."""
    count = 1001
    covariance = torch.tensor(deviations, dtype=torch.float64).square().diag()
    return Moments(count, torch.tensor(mean, dtype=torch.float64), covariance * (count - 1))


def test_frechet_distance_is_that_of_known_gaussians() -> None:
    shifted = frechet_distance(gaussian([0, 0], [1, 2]), gaussian([3, 4], [1, 2]))
    assert shifted == pytest.approx(25, abs=1e-9)
    wider = frechet_distance(gaussian([0, 1], [1, 2]), gaussian([0, 0], [3, 5]))
    assert wider == pytest.approx(1 + (3 - 1) ** 2 + (5 - 2) ** 2, abs=1e-9)


def test_frechet_distance_of_a_set_to_itself_is_zero_also_without_full_rank() -> None:
    few = moments_of(normal(10, 64, 1))
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_has_the_bias_of_small_sets() -> None:
    found = [
        frechet_distance(moments_of(normal(1000, 8, seed)), moments_of(normal(1000, 8, seed + 100)))
        for seed in range(20)
    ]
    assert np.mean(found) == pytest.approx(2 * 8 / 1000 + 8 * 9 / (2 * 999), rel=0.15)


def test_moments_by_batches_are_those_of_numpy() -> None:
    vectors = normal(257, 5, 3) + 1e6
    moments = Moments.empty(5)
    for part in torch.split(vectors, 50):
        moments.add(part)
    np.testing.assert_allclose(moments.covariance, np.cov(vectors.numpy(), rowvar=False), rtol=1e-9, atol=1e-9)
    with pytest.raises(DataError, match="at least 2 images"):
        _ = moments_of(vectors[:1]).covariance


@pytest.mark.parametrize(("width", "expected"), [(1, 0.177268), (2, 0.102346)])
def test_mmd_of_shifted_gaussians(width: int, expected: float) -> None:
    found = []
    for seed in range(4):
        a, b = normal(1500, width, seed), normal(1500, width, seed + 50, shift=1)
        kernels = [gaussian_kernel(x, y, [1.0]) for x, y in ((a, a), (b, b), (a, b))]
        found.append(mmd_unbiased(*kernels))
    assert np.mean(found) == pytest.approx(expected, abs=0.008)


def test_mmd_p_values_are_uniform_between_equal_sets_and_small_between_others() -> None:
    rejected = sum(mmd_test(normal(20, 3, n), normal(20, 3, n + 1000), 99, n).p_value <= 0.05 for n in range(200))
    assert 1 <= rejected <= 22, "the 99.9 % interval of 200 draws at 5 %"
    assert mmd_test(normal(40, 3, 1), normal(40, 3, 2, shift=2), 199, 0).p_value == 1 / 200


def test_mmd_test_has_the_statistic_of_the_estimator() -> None:
    a, b = normal(12, 3, 1), normal(17, 3, 2)
    kernels = [gaussian_kernel(x, y, [0.7, 2.0]) for x, y in ((a, a), (b, b), (a, b))]
    assert mmd_test(a, b, 9, 0, [0.7, 2.0]).statistic == pytest.approx(mmd_unbiased(*kernels), abs=1e-12)


def test_kernel_distance_sees_three_moments() -> None:
    zeros, ones = torch.zeros(50, 1), torch.ones(50, 1)
    assert kernel_distance(zeros, ones, 3, 20, 0) == pytest.approx((7, 0), abs=1e-9)
    found = [kernel_distance(normal(800, 1, n), normal(800, 1, n + 60, shift=1), 5, 600, 0) for n in range(8)]
    assert np.mean([value for value, _ in found]) == pytest.approx(22, rel=0.12)
    assert min(deviation for _, deviation in found) > 0
    few = normal(10, 4, 1)
    zero = torch.zeros_like(few)
    kernels = [polynomial_kernel(x, y) for x, y in ((few, few), (zero, zero), (few, zero))]
    whole, deviation = kernel_distance(few, zero, 3, 10, 0)
    assert whole == pytest.approx(mmd_unbiased(*kernels)) and math.isnan(deviation), "all subsets would be the set"
    halves, deviation = kernel_distance(few, zero, 400, 1000, 0)
    assert halves == pytest.approx(whole, rel=0.3) and deviation > 0, "of a small set halves are drawn"


def test_kernel_distance_is_the_mean_over_its_subsets_however_it_is_computed() -> None:
    """Kernel values of all pairs, computed once by blocks of rows, give what each subset by itself gives."""
    a, b = normal(1500, 3, 1), normal(1100, 3, 2, shift=0.5)
    rng = np.random.default_rng(7)
    values = []
    for _ in range(9):
        x, y = (v[torch.from_numpy(rng.choice(len(v), 500, replace=False))] for v in (a, b))
        values.append(mmd_unbiased(*(polynomial_kernel(p, q) for p, q in ((x, x), (y, y), (x, y)))))
    expected = pytest.approx((np.mean(values), np.std(values)), rel=1e-9)
    assert kernel_distance(a, b, 9, 500, 7) == expected, "each pair of vectors once"
    few = kernel_distance(a[:60], b[:60], 2, 10, 7)
    rng = np.random.default_rng(7)
    values = []
    for _ in range(2):
        x, y = (v[torch.from_numpy(rng.choice(60, 10, replace=False))] for v in (a, b))
        values.append(mmd_unbiased(*(polynomial_kernel(p, q) for p, q in ((x, x), (y, y), (x, y)))))
    assert few == pytest.approx((np.mean(values), np.std(values)), rel=1e-9), "each subset by itself"


def test_neighbours_by_blocks_of_rows_are_those_of_the_whole_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = normal(30, 3, 1), normal(25, 3, 2, shift=0.5)
    whole = one_neighbour_test(a, b, 19, 0), support(a, b, 3)
    monkeypatch.setattr(neighbours, "ROWS", 7)
    assert (one_neighbour_test(a, b, 19, 0), support(a, b, 3)) == whole


def test_support_of_equal_and_of_distant_sets() -> None:
    equal = [support(normal(300, 4, n), normal(300, 4, n + 10)) for n in range(5)]
    assert np.mean([s.coverage for s in equal]) == pytest.approx(coverage_of_equal(300, 300, 5), abs=0.01)
    assert np.mean([s.density for s in equal]) == pytest.approx(1, abs=0.06)
    apart = support(normal(50, 4, 1), normal(50, 4, 2, shift=100))
    assert (apart.precision, apart.recall, apart.density, apart.coverage) == (0, 0, 0, 0)
    point = support(normal(200, 2, 1), normal(200, 2, 2, scale=1e-6))
    assert point.precision == 1 and point.recall == 0 and point.coverage < 0.1, "one mode: precise, without recall"
    with pytest.raises(DataError, match="more than 5 images"):
        support(normal(5, 2, 1), normal(50, 2, 1))


def test_support_follows_its_definition() -> None:
    real = torch.tensor([[0.0], [1.0], [3.0]])
    fake = torch.tensor([[1.0], [2.5], [9.0]])
    found = support(real, fake, k=1)
    # real radii 1, 1, 2: fake 1 lies in balls of 1 (0 < 1) and, on the border, of 0 and 3; fake 2.5 in that of 3
    assert found.precision == pytest.approx(2 / 3)
    assert found.density == pytest.approx(2 / 3)
    assert found.coverage == pytest.approx(2 / 3)
    # fake radii 1.5, 1.5, 6.5: reals 0, 1 and 3 lie in balls
    assert found.recall == 1


def test_one_neighbour_accuracy() -> None:
    equal = [one_neighbour_accuracy(normal(100, 3, n), normal(100, 3, n + 20)) for n in range(10)]
    assert np.mean(equal) == pytest.approx(0.5, abs=0.05)
    assert one_neighbour_accuracy(normal(30, 3, 1), normal(30, 3, 2, shift=100)) == 1
    assert one_neighbour_test(normal(30, 3, 1), normal(30, 3, 2, shift=100), 199, 0) == Significance(1, 1 / 200)
    pairs = [(normal(15, 2, n), normal(15, 2, n + 1000)) for n in range(200)]
    rejected = sum(one_neighbour_test(a, b, 99, 0).p_value <= 0.05 for a, b in pairs)
    assert rejected <= 22, "the 99.9 % interval of 200 draws at 5 %, and fewer where accuracies are equal"
    near = normal(30, 3, 1)
    assert one_neighbour_accuracy(near, near + 1e-9) == 0, "copies have each their original next to them"


def test_copies_of_training_images_are_counted() -> None:
    training, unseen = normal(400, 6, 1), normal(400, 6, 2)
    fakes = torch.cat([training[:30] + 1e-6, normal(70, 6, 3)])
    assert copies(fakes, training, unseen) == pytest.approx(0.3, abs=0.04)
    assert copies(normal(300, 6, 4), training, unseen) == pytest.approx(0.01, abs=0.02)


def test_wasserstein_of_one_dimension() -> None:
    a = torch.tensor([[0.0], [1.0], [2.0]])
    assert wasserstein_1d(a, a + 3).item() == pytest.approx(3)
    assert wasserstein_1d(a, a + 3, power=2).item() == pytest.approx(9)
    # of two sizes: 0, 1 against 0, 0, 1: a sixth of the mass moves by 1
    assert wasserstein_1d(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [0.0], [1.0]])).item() == pytest.approx(
        1 / 6
    )
    wide = wasserstein_1d(normal(20000, 1, 1), normal(20000, 1, 2, scale=3)).item()
    assert wide == pytest.approx(2 * math.sqrt(2 / math.pi), rel=0.03)


@pytest.mark.parametrize(("width", "mean_part"), [(1, 1.0), (2, 0.636620), (3, 0.5), (16, 0.202610)])
def test_sliced_wasserstein_of_a_shift(width: int, mean_part: float) -> None:
    a = normal(50, width, 1)
    b = a.clone()
    b[:, 0] += 2
    first, error = sliced(a, b, projections=20000)
    assert first == pytest.approx(2 * mean_part, abs=0.03) and error < 0.01
    second, _ = sliced(a, b, projections=20000, power=2)
    assert second == pytest.approx(2 / math.sqrt(width), rel=0.02)


def test_projections_bound_the_distance_from_below() -> None:
    a = normal(60, 8, 1)
    b = a.clone()
    b[:, 0] += 3
    whole = assignment(a, b)
    assert whole == pytest.approx(3)
    mean, largest = projected(a, b, dims=2, projections=200, seed=0)
    assert mean < largest <= whole + 1e-9
    with pytest.raises(DataError, match="equally many"):
        assignment(a, b[:5])


def test_the_bracket_holds_the_distance_and_its_low_end_is_near_zero_between_equal_sets() -> None:
    shifted = [bracket(normal(100, 3, n), normal(100, 3, n + 40, shift=2), splits=3, seed=n) for n in range(20)]
    low, high = (np.mean([getattr(found, end) for found in shifted]) for end in ("low", "high"))
    assert low < 2 < high, "in the mean over samples"
    equal = bracket(normal(200, 3, 1), normal(200, 3, 2), splits=5, seed=0)
    assert equal.low < 0.1 < equal.high


def test_collisions_count_what_there_is() -> None:
    rng = torch.Generator().manual_seed(0)
    sizes = []
    for _ in range(30):
        drawn = torch.randint(50, (60, 1), generator=rng).double()
        sizes.append(1 / support_size(alike(drawn, 0.5), 60))
    assert 1 / np.mean(sizes) == pytest.approx(50, rel=0.1)
    assert support_size(0, 10) == math.inf
    assert usual_distance(normal(100, 2, 1)) > 0
    with pytest.raises(DataError, match="at least 2"):
        support_size(0, 1)
