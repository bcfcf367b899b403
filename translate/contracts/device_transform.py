"""Transforms of whole batches on the device, between the loader and a training step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from translate.contracts.options import C, Configured

if TYPE_CHECKING:
    from torch import Tensor


class DeviceTransform(Configured[C], ABC):
    """A random change of batches on the device, for `device_augment:` of a train stage.

    It sees what `Method.step` will see, and replaces it: cheap where a GPU would wait for the processor's transforms.
    """

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def __call__(self, batch: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
        """The changed batch, of the sides that belong together: they get the same geometry, image by image.

        Images are float32, N x C x H x W in [-1, 1], and frames N x F x C x H x W; label maps are long, N x H x W, with
        `IGNORE` where there is no class; everything else (classes, vectors) is passed on as it is. What comes back has
        the same types and ranges. `seed` decides all draws: a restart at this batch gives the same one again.
        """

    def size(self, before: tuple[int, int]) -> tuple[int, int]:
        """(height, width) in pixels of the images that come out. Errors: DataError for a size that it cannot take."""
        return before
