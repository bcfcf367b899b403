"""What the generator's costs pull at, what they miss, and which distance a curve follows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from translate.metrics.distances.transport import wasserstein_1d
from translate.objectives.forms import OBJECTIVES

REAL = torch.tensor([0.05, 0.1, 0.2, 0.15, 0.5], dtype=torch.float64)


def slopes(costs: Any, name: str, scores: Tensor) -> Tensor:
    """The slope of the generator's cost at each score."""
    scores = scores.clone().requires_grad_()
    (slope,) = torch.autograd.grad(costs(name, scores).sum(), scores)
    return slope


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("minimax", (-0.017986, -0.268941, -0.5, -0.880797)),
        ("non-saturating", (-0.982014, -0.731059, -0.5, -0.119203)),
        ("maximum-likelihood", (-0.009158, -0.183940, -0.5, -3.694528)),
        ("lsgan", (-10, -4, -2, 2)),
        ("hinge", (-1, -1, -1, -1)),
        ("wgan", (-1, -1, -1, -1)),
    ],
)
def test_slopes_of_the_costs(name: str, expected: tuple[float, ...], costs: Any) -> None:
    scores = torch.tensor([-4.0, -1.0, 0.0, 2.0], dtype=torch.float64)
    assert slopes(costs, name, scores).tolist() == pytest.approx(expected, abs=1e-6)


def test_the_saturating_cost_vanishes_where_the_critic_is_sure(costs: Any) -> None:
    scores = torch.tensor([-10.0, -5.0, -1.0], dtype=torch.float64)
    saturating, heuristic = slopes(costs, "minimax", scores), slopes(costs, "non-saturating", scores)
    assert (saturating / heuristic).tolist() == pytest.approx(scores.exp().tolist())
    assert abs(saturating[0]) < 5e-5 and abs(heuristic[0]) > 0.999


def pull(costs: Any, name: str, logits: Tensor) -> Tensor:
    """The gradient of a cost for a generator of probabilities, where the critic is the best one and stands still."""
    logits = logits.clone().requires_grad_()
    fake = logits.softmax(0)
    scores = (REAL / fake.detach()).log()  # of D = p / (p + q)
    (gradient,) = torch.autograd.grad((fake * costs(name, scores)).sum(), logits)
    return gradient


def slope_of(function: Any, logits: Tensor) -> Tensor:
    logits = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(logits.softmax(0)), logits)
    return gradient


def kl(p: Tensor, q: Tensor) -> Tensor:
    return (p * (p / q).log()).sum()


def js(p: Tensor, q: Tensor) -> Tensor:
    return kl(p, (p + q) / 2) / 2 + kl(q, (p + q) / 2) / 2


@pytest.mark.parametrize(
    ("name", "distance"),
    [
        ("minimax", lambda fake: 2 * js(REAL, fake)),
        ("non-saturating", lambda fake: kl(fake, REAL) - 2 * js(REAL, fake)),
        ("maximum-likelihood", lambda fake: kl(REAL, fake) / 2),
    ],
)
def test_against_the_best_critic_each_cost_goes_down_a_divergence(name: str, distance: Any, costs: Any) -> None:
    for seed in range(5):
        logits = torch.randn(5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        torch.testing.assert_close(pull(costs, name, logits), slope_of(distance, logits))


def test_one_direction_of_the_divergence_covers_both_modes_and_the_other_seeks_one() -> None:
    x = np.linspace(-15, 15, 3001)
    width = x[1] - x[0]

    def normal(mean: float, deviation: float) -> np.ndarray:
        return np.exp(-(((x - mean) / deviation) ** 2) / 2) / (deviation * math.sqrt(2 * math.pi)) + 1e-300

    real = (normal(-3, 0.5) + normal(3, 0.5)) / 2
    found = {}
    for name in ("covering", "seeking"):
        best = (math.inf, 0.0, 0.0)
        for mean in np.arange(0, 4.01, 0.25):
            for deviation in (0.25, 0.5, 1.0, 2.0, math.sqrt(9.25), 4.0):
                fake = normal(mean, deviation)
                p, q = (real, fake) if name == "covering" else (fake, real)
                best = min(best, (float((p * np.log(p / q)).sum() * width), float(mean), deviation))
        found[name] = best
    assert found["covering"][1:] == (0.0, math.sqrt(9.25)), "the mean and the deviation of the whole mixture"
    assert found["seeking"][1:] == (3.0, 0.5), "one of the modes"
    assert found["seeking"][0] == pytest.approx(math.log(2), abs=1e-3), "half of what is there is never made"


def test_the_curve_of_wgan_follows_the_distance_and_that_of_the_log_losses_stays() -> None:
    real = torch.zeros(8, 1)
    for name, expected in (("wgan", lambda shift: shift), ("minimax", lambda shift: math.log(4))):
        for shift in (0.5, 1.0, 2.0, 4.0):
            objective = OBJECTIVES[name](OBJECTIVES[name].Config())
            critic = nn.Linear(1, 1, bias=False)
            nn.init.zeros_(critic.weight)
            fake = real + shift
            if name == "wgan":
                search = torch.optim.SGD(critic.parameters(), lr=0.02)
                for _ in range(5):
                    search.zero_grad()
                    objective.critic(critic(real), critic(fake)).backward()
                    search.step()
                    with torch.no_grad():
                        objective.constrain([critic])
                value = -objective.critic(critic(real), critic(fake)).item() / 0.01
                assert value == pytest.approx(float(wasserstein_1d(real, fake)[0]), rel=1e-5)
            else:
                # apart, all is told apart: the best critic's value is 0 = 2 log 2 - log 4 at any distance
                sure = torch.full((8,), 40.0)
                value = math.log(4) - objective.critic(sure, -sure).item()
            assert value == pytest.approx(expected(shift), rel=1e-4)


@pytest.mark.parametrize("dimensions", [10, 100, 1000])
def test_good_likelihood_and_good_samples_have_little_to_do_with_each_other(dimensions: int) -> None:
    rng = np.random.default_rng(0)
    real = rng.standard_normal((200, dimensions))

    def log_density(x: np.ndarray, deviation: float) -> np.ndarray:
        return -0.5 * ((x / deviation) ** 2 + math.log(2 * math.pi * deviation**2)).sum(1)

    whole = log_density(real, 1.0)
    # 99 % of what this model draws is noise, and its likelihood is lower by log 100 at most
    mixed = np.logaddexp(math.log(0.01) + whole, math.log(0.99) + log_density(real, 10.0))
    assert 0 <= (whole - mixed).mean() <= math.log(100) + 1e-9
    assert math.log(100) / abs(whole.mean()) < 0.5 * 10 / dimensions
    # a model that repeats its training images has perfect samples, and hardly any likelihood elsewhere
    training, test = real[:100], real[100:]
    squares = ((test[:, None] - training[None]) ** 2).sum(2) / 0.01**2
    copied = -0.5 * squares.min(1) - dimensions * math.log(0.01)
    assert copied.mean() < whole.mean() - 1000
