"""What tests of the games share: small options and batches."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from translate.testing import tiny_batch
from translate.training.engine import Engine

SMALL = {
    "latent": 6,
    "generator": {"uses": "latent/generator", "filters": 4},
    "discriminator": {"uses": "latent/critic", "filters": 4},
}
SEED = 7
Make = Callable[..., Engine]


def batch(engine: Engine, number: int, count: int = 4) -> dict[str, Tensor]:
    return tiny_batch(engine.method.data, size=16, seed=number, count=count)
