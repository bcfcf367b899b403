"""Trouble in the game is measured and told once."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from translate.training.validating.diagnostics import Diagnostics, diversity


class Listener:
    def __init__(self) -> None:
        self.told: list[str] = []

    def warn(self, text: str) -> None:
        self.told.append(text)


@pytest.fixture
def ear() -> Any:
    return Listener()


def test_diversity_is_the_mean_distance_of_two() -> None:
    black, white = torch.zeros(1, 32, 32), torch.ones(1, 32, 32)
    assert diversity([black, white]) == pytest.approx(16.0)  # 256 pixels, each 1 apart
    assert diversity([black, white, white]) == pytest.approx(16 * 2 / 3)
    assert diversity([black, black]) == 0


def test_collapse_is_told_once_per_direction(ear: Any) -> None:
    rng = torch.Generator().manual_seed(0)
    real = [torch.rand(3, 32, 32, generator=rng) for _ in range(5)]
    same = [real[0] + 0.01 * r for r in real]
    meter = Diagnostics(ear)
    assert meter.outputs(10, "a_to_b", real, real) == {"health/diversity/a_to_b": pytest.approx(1.0)}
    assert ear.told == []
    for step in (20, 30, 40):
        assert meter.outputs(step, "a_to_b", same, real)["health/diversity/a_to_b"] == pytest.approx(0.01, rel=0.01)
    assert len(ear.told) == 1
    assert "step 30: the outputs of a_to_b stay nearly alike" in ear.told[0]


def test_gradients_that_vanish_or_explode_are_told(ear: Any) -> None:
    meter = Diagnostics(ear)
    assert meter.gradients(1, {"grad_norm/D": 2.0, "grad_norm/G": 0.5, "l1": 3.0}) == {"health/gradient_ratio": 4.0}
    meter.gradients(2, {"grad_norm/D": 1e-9, "grad_norm/G": 1e6})
    meter.gradients(3, {"grad_norm/D": 1e-9, "grad_norm/G": 1e6})
    assert [t.split(" is ")[0] for t in ear.told] == [
        "step 2: the gradient of player D",
        "step 2: the gradient of player G",
    ]
