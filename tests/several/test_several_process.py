"""The Brownian bridge against closed forms: marginals, the posterior by Bayes' rule, and a pixel of known law."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from translate_bridge.process import BrownianBridge, moments

MANY = 200_000
"""Pixels of a sample: a variance is known to half a percent."""


def normal(seed: int, count: int = MANY) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drawing(seed: int):  # type: ignore[no-untyped-def]
    rng = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(MANY, generator=rng, dtype=torch.float64)


def close(sample: Tensor, mean: float, variance: float) -> bool:
    spread = max(variance, 1e-6) ** 0.5
    right_mean = abs(float(sample.mean()) - mean) < 4 * spread / MANY**0.5 + 1e-9
    return right_mean and float(sample.var()) == pytest.approx(variance, rel=0.015, abs=1e-9)


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_a_bridge_is_tied_down_at_both_ends_and_widest_in_the_middle(scale: float) -> None:
    bridge, x_0, y = BrownianBridge(scale), torch.tensor([-0.3]), torch.tensor([0.8])
    for t, end in ((0.0, x_0), (1.0, y)):
        assert bridge.variance(t) == 0
        assert torch.equal(bridge.at(x_0, y, t, torch.tensor([5.0])), end)
    assert bridge.variance(0.5) == pytest.approx(scale / 2)
    assert max(bridge.variance(n / 100) for n in range(101)) == bridge.variance(0.5)


def test_marginals_have_the_mean_and_variance_of_the_paper() -> None:
    for t in (0.1, 0.5, 0.9):
        x_t = BrownianBridge(1.5).at(torch.tensor(-0.4), torch.tensor(0.7), t, normal(1))
        assert close(x_t, (1 - t) * -0.4 + t * 0.7, 2 * 1.5 * (t - t * t))


def test_a_time_for_each_image() -> None:
    bridge, x_0, noise = BrownianBridge(), torch.zeros(2, 1, 3, 3), torch.ones(2, 1, 3, 3)
    x_t = bridge.at(x_0, x_0, torch.tensor([0.5, 0.0])[:, None, None, None], noise)
    assert torch.allclose(x_t[0], torch.full((1, 3, 3), 0.5**0.5)) and not x_t[1].any()


@pytest.mark.parametrize(("s", "t"), [(0.1, 0.4), (0.5, 0.501), (0.9, 1.0)])
def test_a_step_forward_adds_what_the_variance_grows_by(s: float, t: float) -> None:
    bridge = BrownianBridge(1.3)
    a = (1 - t) / (1 - s)
    # The variance of a x_s + noise is that of x_t.
    assert a**2 * bridge.variance(s) + bridge.step_variance(s, t) == pytest.approx(bridge.variance(t))
    assert bridge.step_variance(s, t) >= 0


def test_a_step_back_is_the_posterior_by_bayes_rule() -> None:
    """(x_s, x_t) is normal with covariance a d_s, given x_0 and y: conditioning on x_t has a closed form."""
    bridge, x_0, y, s, t = BrownianBridge(0.7), torch.tensor([0.2]), torch.tensor([-0.9]), 0.3, 0.45
    a, d_s, d_t = (1 - t) / (1 - s), bridge.variance(s), bridge.variance(t)
    for x_t in (torch.tensor([-1.0]), torch.tensor([0.4])):
        mean = bridge.mean(x_0, y, s) + a * d_s / d_t * (x_t - bridge.mean(x_0, y, t))
        deviation = math.sqrt(d_s - (a * d_s) ** 2 / d_t)
        for e in (-1.5, 0.0, 2.0):
            stepped = bridge.back(x_t, x_0, y, t, s, 1.0, torch.tensor([e]))
            assert torch.allclose(stepped, mean + deviation * e, atol=1e-6)


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("steps", [3, 8])
def test_the_way_back_with_the_true_target_passes_through_every_marginal(eta: float, steps: int) -> None:
    bridge, x_0, y, draw = BrownianBridge(), torch.tensor(0.6), torch.tensor(-0.5), drawing(3)
    x = y.expand(MANY)
    for t, s in pairwise(moments(steps)):
        x = bridge.back(x, x_0, y, t, s, eta, draw())
        assert close(x, (1 - s) * 0.6 - s * 0.5, 2 * (s - s * s)), s


def variance_after(steps: int, eta: float) -> float:
    """The variance of one pixel after a walk with the perfect predictor, exactly: every step is linear.

    x_0 ~ N(0, 1) and y = 0, so that E[x_0 | x_t] = (1 - t) x_t / ((1 - t)^2 + d_t).
    """
    bridge, nothing, one = BrownianBridge(), torch.zeros(()).double(), torch.ones(()).double()
    variance = 0.0
    for t, s in pairwise(moments(steps)):
        guess = (1 - t) / max((1 - t) ** 2 + float(bridge.variance(t)), 1e-12)
        slope = bridge.back(one, one * guess, nothing, t, s, eta, nothing)
        fresh = bridge.back(nothing, nothing, nothing, t, s, eta, one)
        variance = float(slope) ** 2 * variance + float(fresh) ** 2
    return variance


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_one_pixel_with_the_perfect_predictor_has_its_law_again(eta: float) -> None:
    errors = [abs(variance_after(steps, eta) - 1) for steps in (10, 100, 1000)]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.015


def test_a_walk_is_those_steps_one_after_the_other() -> None:
    bridge = BrownianBridge()

    def perfect(x_t: Tensor, t: float) -> Tensor:
        return (1 - t) * x_t / max((1 - t) ** 2 + float(bridge.variance(t)), 1e-12)

    x_0 = bridge.walk(torch.zeros(MANY).double(), perfect, drawing(5), 12, 1.0)
    assert close(x_0, 0, variance_after(12, 1.0))


def test_a_walk_starts_from_the_input_and_draws_once_with_eta_zero() -> None:
    y, seen, draws = torch.full((1, 1, 2, 2), 0.3), [], []

    def predict(x_t: Tensor, t: float) -> Tensor:
        seen.append((x_t, t))
        return torch.zeros_like(x_t)

    def draw() -> Tensor:
        draws.append(len(seen))
        return torch.ones_like(y)

    end = BrownianBridge().walk(y, predict, draw, steps=4, eta=0.0)
    assert seen[0][1] == 1 and torch.equal(seen[0][0], y)
    assert [t for _, t in seen] == [1, 0.75, 0.5, 0.25] and draws == [1]
    assert not end.any()
    BrownianBridge().walk(y, predict, draw, steps=4, eta=0.5)
    assert len(draws) == 1 + 3  # the last step ends at the guess itself


def test_moments_end_exactly() -> None:
    for steps in (1, 3, 7, 1000):
        times = moments(steps)
        assert (times[0], times[-1], len(times)) == (1, 0, steps + 1)
        assert all(s < t for t, s in pairwise(times))
