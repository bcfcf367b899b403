"""Pairs of images that Python holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

SMALL = {"generator": {"uses": "unet_64", "levels": 3, "filters": 4}, "discriminator": {"uses": "pixel", "filters": 4}}
"""Options of pix2pix that make its networks small."""


def image(index: int, channels: int = 3, size: int = 16) -> Tensor:
    rng = torch.Generator().manual_seed(index)
    return torch.rand(channels, size, size, generator=rng) * 2 - 1


class Pairs(torch.utils.data.Dataset[dict[str, Any]]):
    """Images and their negatives; `change` is called with each item."""

    def __init__(self, count: int = 6, change: Callable[[int, dict[str, Any]], Any] | None = None) -> None:
        self.count, self.change = count, change

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        if index >= self.count:
            raise IndexError(index)
        item: Any = {"input": image(index), "target": -image(index)}
        changed = self.change(index, item) if self.change else None
        return item if changed is None else changed
