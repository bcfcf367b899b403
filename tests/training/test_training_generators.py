"""The global generators are set to a step's seed, from wherever they were."""

from __future__ import annotations

import random

import numpy as np
import torch

from translate.training.numerics.generators import seed_global

SEED = 2**62 + 5


def test_each_generator_draws_what_its_own_seed_gives() -> None:
    torch.manual_seed(SEED)
    expected = torch.rand(3)
    for _ in range(2):
        seed_global(SEED, torch.device("cpu"))
        assert torch.equal(torch.rand(3), expected)
        assert random.random() == random.Random(SEED).random()
        assert np.random.rand() == np.random.RandomState(SEED % 2**32).rand()
