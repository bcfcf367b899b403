"""my-plugin: images a little beside their place, so that critics do not learn small sets by heart.

The translation of Zhao, Liu, Lin, Zhu, Han, "Differentiable Augmentation for Data-Efficient GAN Training",
NeurIPS 2020, arXiv 2006.10738.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F
from translate import IGNORE, Config, DeviceTransform, hookimpl

translate_contract = ">=2,<3"


class MyPluginConfig(Config):
    """The options of the transform. The string below each is its description."""

    share: Annotated[float, Field(gt=0, lt=0.5)] = 0.125
    """How far an image moves at most, as a share of its height and width."""


class MyPlugin(DeviceTransform[MyPluginConfig]):
    """Moves each image of a batch by its own distance; what comes in is black in images, and no class in label maps."""

    name = "my-plugin"

    def __call__(self, batch: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
        """Sides that belong together: image n of each moves alike. `seed` is another one for each batch."""
        rng = torch.Generator().manual_seed(seed)
        draws = torch.rand((max(map(len, batch.values())), 2), generator=rng) * 2 - 1
        moved = dict(batch)
        for side, values in batch.items():
            if values.ndim > 2:  # classes and vectors have no place
                moved[side] = torch.stack([self.shifted(v, d) for v, d in zip(values, draws.tolist(), strict=True)])
        return moved

    def shifted(self, values: Tensor, draw: list[float]) -> Tensor:
        """An image ... x H x W, or a label map H x W, moved down and right by shares of the largest distance."""
        height, width = values.shape[-2:]
        down, right = round(draw[0] * self.config.share * height), round(draw[1] * self.config.share * width)
        # Negative pads cut off what leaves on the other side.
        fill = -1 if values.is_floating_point() else IGNORE
        return F.pad(values, (right, -right, down, -down), value=fill)


@hookimpl
def translate_device_transforms() -> list[type[DeviceTransform[Any]]]:
    return [MyPlugin]
