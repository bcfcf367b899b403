"""What the tests of the objectives share: a step, and images that are their own scores."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from translate.contracts import Step

MakeStep = Callable[..., Step]


@pytest.fixture
def step() -> MakeStep:
    def make(index: int = 0, seed: int = 0) -> Step:
        return Step(index, 0, {}, torch.Generator().manual_seed(seed))

    return make


@pytest.fixture
def scores() -> Callable[..., Tensor]:
    """Images of one pixel: with the identity as critic, their values are the raw scores."""

    def make(*values: float) -> Tensor:
        return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1, 1)

    return make
