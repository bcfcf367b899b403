"""What a mean of answers is, how large a support is, and how far apart two distributions are, by samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from translate.metrics.distances.collisions import alike, support_size
from translate.metrics.distances.transport import assignment, bracket
from translate.objectives.forms import OBJECTIVES

DEVIATION = 0.3


def log_density(y: Tensor, mean: Tensor | float) -> Tensor:
    """Of a normal distribution, without its constant."""
    return -((y - mean) ** 2) / (2 * DEVIATION**2)


def test_the_squared_error_averages_two_answers_and_a_conditional_critic_makes_one_be_picked() -> None:
    """An input has the answers -1 and 1, each as often; the generator gives one."""
    non_saturating = OBJECTIVES["non-saturating"](OBJECTIVES["non-saturating"].Config())
    answers = torch.tensor([-1.0, 1.0])
    jitter = DEVIATION * torch.linspace(-2, 2, 41)

    def squared(answer: Tensor) -> Tensor:
        return (answer - answers).square().mean()

    def adversarial(answer: Tensor) -> Tensor:
        made = answer + jitter
        real = torch.logsumexp(torch.stack([log_density(made, each) for each in answers]), 0) - math.log(2)
        scores = real - log_density(made, answer.detach())  # those of the best critic, which knows the input
        return non_saturating.generator(scores[:0], scores)

    ends = {}
    for name, cost in (("squared", squared), ("adversarial", adversarial)):
        answer = torch.tensor(0.2, requires_grad=True)
        search = torch.optim.Adam([answer], lr=0.02)
        for _ in range(300):
            search.zero_grad()
            cost(answer).backward()  # type: ignore[no-untyped-call]
            search.step()
        ends[name] = answer.item()
    assert ends["squared"] == pytest.approx(0, abs=1e-3), "no answer at all, and the best by its measure"
    assert ends["adversarial"] == pytest.approx(1, abs=0.1)
    assert squared(torch.tensor(0.0)) == 1 and squared(torch.tensor(1.0)) == 2


def test_collisions_tell_the_size_of_a_uniform_support() -> None:
    rng = np.random.default_rng(0)
    sizes, draws = 365, 600
    found = [support_size(alike(_draws(rng, sizes, draws), 0.5), draws) for _ in range(20)]
    assert 1 / np.mean([1 / size for size in found]) == pytest.approx(sizes, rel=0.03)


def _draws(rng: np.random.Generator, size: int, count: int) -> Tensor:
    return torch.from_numpy(rng.integers(size, size=(count, 1)).astype(float))


def test_twenty_three_people_share_a_birthday_more_often_than_not() -> None:
    def share(people: int) -> float:
        return 1 - math.prod(1 - person / 365 for person in range(people))

    assert share(22) < 0.5 < share(23)
    assert 1.1774 * math.sqrt(365) == pytest.approx(22.49, abs=0.01)
    rng = np.random.default_rng(1)
    met = np.mean([alike(_draws(rng, 365, 23), 0.5) > 0 for _ in range(2000)])
    assert met == pytest.approx(share(23), abs=0.035)


def test_what_is_far_from_uniform_collides_more_often() -> None:
    """Half of the points are more likely by the factor 1 + e, the others less: e^2 more collisions."""
    size, count, excess = 200, 1000, 0.8
    shares = np.full(size, 1 / size)
    shares[: size // 2] *= 1 + excess
    shares[size // 2 :] *= 1 - excess
    rng = np.random.default_rng(2)
    expected = math.comb(count, 2) * (1 + excess**2) / size
    drawn = torch.from_numpy(rng.choice(size, (count, 1), p=shares).astype(float))
    assert alike(drawn, 0.5) == pytest.approx(expected, rel=0.08)
    spread = math.sqrt(math.comb(count, 2) / size * (1 - 1 / size))
    assert alike(drawn, 0.5) > math.comb(count, 2) / size + 5 * spread
    assert abs(alike(_draws(rng, size, count), 0.5) - math.comb(count, 2) / size) < 5 * spread


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_the_distance_of_two_distributions_lies_between_the_bounds_from_samples(shift: float) -> None:
    rng = np.random.default_rng(3)
    ours, theirs = (torch.from_numpy(rng.uniform(size=(200, 1))) for _ in range(2))
    bounds = bracket(ours, theirs + shift, splits=20, seed=0)
    assert bounds.low - 0.05 <= shift <= bounds.high + 0.05, "up to what the means of samples differ by"
    assert bounds.high - bounds.low < 0.1


def test_samples_of_one_distribution_are_as_far_apart_as_is_known() -> None:
    """Two samples of n numbers between 0 and 1: 0.4431 by the root of n in the mean."""
    rng = np.random.default_rng(4)
    for count in (50, 200):
        distances = []
        for _ in range(60):
            one, other = torch.from_numpy(rng.uniform(size=(2, count, 1)))
            distances.append(assignment(one, other))
        assert np.mean(distances) == pytest.approx(0.4431 / math.sqrt(count), rel=0.12)
