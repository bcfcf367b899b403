"""Random images as batches."""

from __future__ import annotations

import torch
from torch import Tensor


def random_batches(sides: tuple[str, ...], count: int, batch: int = 1, size: int = 32) -> list[dict[str, Tensor]]:
    rng = torch.Generator().manual_seed(1)
    return [{s: torch.rand(batch, 3, size, size, generator=rng) * 2 - 1 for s in sides} for _ in range(count)]
