"""What the best critic is, what the game is worth then, and how far two distributions can be told apart."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from translate.objectives.forms import OBJECTIVES

LOG_4 = math.log(4)
P, Q = (1, 2, 4, 3, 10), (5, 5, 4, 5, 1)
"""Two distributions over five points, in twentieths."""


def drawn(scores: Tensor, twentieths: tuple[int, ...]) -> Tensor:
    """The score of each draw, where a point comes so many times in twenty."""
    return scores.repeat_interleave(torch.tensor(twentieths))


def critic_loss(name: str, at_p: Tensor, at_q: Tensor) -> Tensor:
    return OBJECTIVES[name](OBJECTIVES[name].Config()).critic(at_p, at_q)


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    """KL(p || q) in nats."""
    inside = p > 0
    return float((p[inside] * np.log(p[inside] / q[inside])).sum())


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    middle = (p + q) / 2
    return divergence(p, middle) / 2 + divergence(q, middle) / 2


def statistical_distance(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.abs(p - q).sum() / 2)


def test_the_best_critic_is_p_by_p_plus_q_and_its_value_the_jensen_shannon_divergence() -> None:
    scores = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([scores], max_iter=200, tolerance_change=1e-15, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        value = critic_loss("minimax", drawn(scores, P), drawn(scores, Q))
        value.backward()  # type: ignore[no-untyped-call]
        return value

    search.step(loss)  # type: ignore[arg-type]
    p, q = np.array(P) / 20, np.array(Q) / 20
    assert scores.sigmoid().tolist() == pytest.approx((p / (p + q)).tolist(), abs=1e-5)
    assert -loss().item() == pytest.approx(2 * jensen_shannon(p, q) - LOG_4)


def test_the_game_is_worth_minus_log_4_where_nothing_can_be_told_apart() -> None:
    half = torch.zeros(5)
    assert -critic_loss("minimax", drawn(half, P), drawn(half, P)).item() == pytest.approx(-LOG_4)
    for seed in range(50):
        other = torch.randn(5, generator=torch.Generator().manual_seed(seed))
        assert -critic_loss("minimax", drawn(other, P), drawn(other, P)).item() < -LOG_4


@pytest.mark.parametrize(("shift", "divergence_of_shift"), [(1.0, 0.111421), (2.0, 0.336831)])
def test_the_best_critic_of_two_normal_distributions_is_linear(shift: float, divergence_of_shift: float) -> None:
    quantiles = torch.from_numpy(norm.ppf((np.arange(20_000) + 0.5) / 20_000))

    def score(x: Tensor) -> Tensor:
        return -shift * x + shift**2 / 2

    value = -critic_loss("minimax", score(quantiles), score(quantiles + shift)).item()
    assert value == pytest.approx(2 * divergence_of_shift - LOG_4, abs=1e-3)
    for slope, offset in ((0.8, 0.0), (1.2, 0.0), (1.0, 0.3)):
        worse = slope * score(quantiles) + offset, slope * score(quantiles + shift) + offset
        assert -critic_loss("minimax", *worse).item() < value


def test_the_jensen_shannon_divergence_lies_between_0_and_log_2_and_its_root_is_a_distance() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        p, q, r = rng.dirichlet(np.full(4, 0.3), 3)
        assert 0 <= jensen_shannon(p, q) <= math.log(2) + 1e-12
        assert math.sqrt(jensen_shannon(p, r)) <= math.sqrt(jensen_shannon(p, q)) + math.sqrt(jensen_shannon(q, r))
    one, other, both = np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([0.5, 0.5])
    assert jensen_shannon(one, one) == 0
    assert jensen_shannon(one, other) == pytest.approx(math.log(2))
    assert jensen_shannon(one, both) == pytest.approx(0.215762, abs=1e-6)
    assert jensen_shannon(one, other) > jensen_shannon(one, both) + jensen_shannon(both, other), "no distance itself"


def test_the_statistical_distance_is_the_advantage_of_the_best_distinguisher() -> None:
    p, q = np.array(P) / 20, np.array(Q) / 20
    distance = statistical_distance(p, q)
    advantages = [float(((p - q) * accepted).sum()) for accepted in product((0, 1), repeat=5)]
    assert max(advantages) == pytest.approx(distance)
    best = (p > q).astype(float)
    right = (p * best).sum() / 2 + (q * (1 - best)).sum() / 2
    assert 2 * right - 1 == pytest.approx(distance), "told from a fair coin's draw, it is right so much more often"


def test_the_hinge_critic_gets_to_the_statistical_distance() -> None:
    p, q = np.array(P) / 20, np.array(Q) / 20
    least = 2 * (1 - statistical_distance(p, q))
    best = torch.from_numpy(np.where(p > q, 1.0, -1.0))
    assert critic_loss("hinge", drawn(best, P), drawn(best, Q)).item() == pytest.approx(least)
    for seed in range(50):
        other = 2 * torch.randn(5, generator=torch.Generator().manual_seed(seed))
        assert critic_loss("hinge", drawn(other, P), drawn(other, Q)).item() >= least


@pytest.mark.parametrize(("shift", "distance"), [(0.5, 0.197413), (1.0, 0.382925), (2.0, 0.682689)])
def test_two_normal_distributions_are_told_apart_best_in_their_middle(shift: float, distance: float) -> None:
    thresholds = np.linspace(-2, 4, 601)
    advantages = norm.cdf(thresholds) - norm.cdf(thresholds - shift)
    assert advantages.max() == pytest.approx(distance, abs=1e-5)
    assert thresholds[advantages.argmax()] == pytest.approx(shift / 2, abs=0.006)
