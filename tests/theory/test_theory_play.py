"""How two players move, what a game is worth, and who goes first."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from translate.objectives.forms import OBJECTIVES

RATE = 0.1
PAYOFFS = np.array([[30.0, -10.0, 20.0], [-10.0, 20.0, -20.0]])
"""What the player of rows gets from the one of columns."""


def simultaneous(x: float, y: float) -> tuple[float, float]:
    return x - RATE * y, y + RATE * x


def alternating(x: float, y: float) -> tuple[float, float]:
    x = x - RATE * y
    return x, y + RATE * x


def looking_ahead(x: float, y: float) -> tuple[float, float]:
    ahead_x, ahead_y = simultaneous(x, y)
    return x - RATE * ahead_y, y + RATE * ahead_x


@pytest.mark.parametrize(
    ("step", "radius"), [(simultaneous, 1.644632), (alternating, 1.023414), (looking_ahead, 0.608069)]
)
def test_min_x_max_y_of_xy(step: object, radius: float) -> None:
    x, y = 1.0, 0.0
    path = [(x, y)]
    for _ in range(100):
        x, y = step(x, y)  # type: ignore[operator]
        path.append((x, y))
    assert math.hypot(x, y) == pytest.approx(radius, abs=1e-6)
    radii = [math.hypot(*point) for point in path]
    if step is simultaneous:
        assert [b / a for a, b in pairwise(radii)] == pytest.approx([math.sqrt(1 + RATE**2)] * 100)
    elif step is alternating:
        # on an ellipse for ever
        assert [x * x + y * y - RATE * x * y for x, y in path] == pytest.approx([1.0] * 101)
        assert max(radii) < 1.06
    else:
        factor = math.sqrt(1 - RATE**2 + RATE**4)
        assert [b / a for a, b in pairwise(radii)] == pytest.approx([factor] * 100)


def best_mixture(payoffs: np.ndarray) -> tuple[float, np.ndarray]:
    """What the player of rows gets for sure, and the mixture of rows that gets it."""
    rows, columns = payoffs.shape
    # maximise v, with v <= the mixture's payoff in each column
    bounds = np.hstack([-payoffs.T, np.ones((columns, 1))])
    sums = np.hstack([np.ones((1, rows)), [[0.0]]])
    found = linprog([*np.zeros(rows), -1.0], bounds, np.zeros(columns), sums, [1.0], [*[(0, 1)] * rows, (None, None)])
    return float(found.x[-1]), found.x[:-1]


def test_the_game_of_two_by_three() -> None:
    value, rows = best_mixture(PAYOFFS)
    minus, columns = best_mixture(-PAYOFFS.T)
    assert value == pytest.approx(20 / 7)
    assert -minus == pytest.approx(20 / 7), "both players secure the same: von Neumann"
    assert rows == pytest.approx([4 / 7, 3 / 7])
    assert columns == pytest.approx([0, 4 / 7, 3 / 7], abs=1e-9)
    assert (rows @ PAYOFFS)[1:] == pytest.approx([20 / 7] * 2), "against it the columns in use are worth the same"
    assert (rows @ PAYOFFS)[0] > 20 / 7


def test_whoever_moves_first_without_mixing_loses_by_it() -> None:
    assert PAYOFFS.min(1).max() == -10
    assert PAYOFFS.max(0).min() == 20
    rng = np.random.default_rng(0)
    for _ in range(100):
        payoffs = rng.normal(size=rng.integers(2, 6, 2))
        value, _ = best_mixture(payoffs)
        assert payoffs.min(1).max() <= value + 1e-9 <= payoffs.max(0).min() + 2e-9


def test_playing_the_best_answer_to_the_past_comes_near_the_value_and_never_rests() -> None:
    rows, columns = np.array([1.0, 0.0]), np.array([1.0, 0.0, 0.0])
    answers = []
    for _ in range(4000):
        row, column = (PAYOFFS @ columns).argmax(), (rows @ PAYOFFS).argmin()
        rows[row] += 1
        columns[column] += 1
        answers.append(int(row))
    mixture = rows / rows.sum()
    assert (mixture @ PAYOFFS).min() == pytest.approx(20 / 7, abs=0.6)
    assert mixture == pytest.approx([4 / 7, 3 / 7], abs=0.03)
    assert len(set(answers[-500:])) == 2, "the last moves are no equilibrium, their mean is"


def test_the_order_of_min_and_max_decides_whether_a_collapsed_generator_is_an_answer() -> None:
    """Both orders are worth -log 4, but to a fixed critic the best answer is a single point."""
    minimax = OBJECTIVES["minimax"](OBJECTIVES["minimax"].Config())
    real = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)

    def value(scores: torch.Tensor, fake: torch.Tensor) -> float:
        parts = [minimax.critic(score[None], score.new_full((1,), -60.0)) for score in scores]
        others = [minimax.critic(score.new_full((1,), 60.0), score[None]) for score in scores]
        return -float(sum(p * a + q * b for p, a, q, b in zip(real, parts, fake, others, strict=True)))

    points = torch.eye(4, dtype=torch.float64)
    rng = torch.Generator().manual_seed(0)
    for _ in range(30):
        scores = torch.randn(4, generator=rng, dtype=torch.float64)
        answers = [value(scores, point) for point in points]
        assert answers.index(min(answers)) == int(scores.argmax()), "all lies where the critic likes it best"
        mixture = torch.rand(4, generator=rng, dtype=torch.float64)
        assert value(scores, mixture / mixture.sum()) >= min(answers)
        assert min(answers) <= -math.log(4)
    flat = torch.zeros(4, dtype=torch.float64)
    assert min(value(flat, point) for point in points) == pytest.approx(-math.log(4)), "max min"
    assert value(flat, real) == pytest.approx(-math.log(4)), "min max"
