from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from translate.objectives.forms import OBJECTIVES

Costs = Callable[[str, Tensor], Tensor]


@pytest.fixture
def costs() -> Costs:
    """What the generator pays for each of some scores of fakes, one by one, under an objective of a name."""

    def costs_of(name: str, scores: Tensor) -> Tensor:
        objective = OBJECTIVES[name](OBJECTIVES[name].Config())
        return torch.stack([objective.generator(scores[:0], score[None]) for score in scores])

    return costs_of
