"""Metrics that read images as maps of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from translate.contracts import Config, DataSpec, Metric
from translate.errors import ConfigError, DataError
from translate.metrics.paired import pairs

if TYPE_CHECKING:
    from torch import Tensor

Colour = tuple[int, int, int]


class PaletteConfig(Config):
    """`palette`: colours of the classes, R G B from 0 to 255; default: the palette of the data."""

    palette: tuple[Colour, ...] = Field(default=(), max_length=256)


class PaletteAccuracy(Metric[PaletteConfig]):
    """The share of pixels whose class is right, the class being the nearest colour of the palette (L2 in RGB), as
    pix2pix reads label maps (Isola et al. 2017, photo to labels). Counted over all pixels of the set."""

    name = "palette-accuracy"
    better = "higher"

    def __init__(self, config: PaletteConfig, spec: DataSpec | None = None) -> None:
        super().__init__(config, spec)
        self.palette: Sequence[Colour] = config.palette or (spec.palette if spec else ())
        if len(self.palette) < 2:
            raise ConfigError(
                "palette-accuracy needs a palette, and this data has none; give it as `palette: [[r, g, b], ...]`"
            )

    def score(self, outputs: Sequence[Tensor], references: Sequence[Tensor]) -> float:
        right = total = 0
        for output, reference in pairs(outputs, references):
            hits = self.classes(output) == self.classes(reference)
            right, total = right + int(hits.sum()), total + hits.numel()
        return right / total

    def best_constant(self, references: Sequence[Tensor]) -> float | None:
        """The share of the most frequent class."""
        counts = sum(self.classes(image).flatten().bincount(minlength=len(self.palette)) for image in references)
        return None if isinstance(counts, int) else int(counts.max()) / int(counts.sum())

    def classes(self, image: Tensor) -> Tensor:
        """C x H x W in [0, 1] to the index of the nearest palette colour, long H x W; ties go to the first."""
        import torch

        if image.shape[0] != 3:
            raise DataError(f"palette-accuracy compares colour images, and one has {image.shape[0]} channels")
        colours = torch.tensor(self.palette, dtype=torch.float32, device=image.device)
        nearest = torch.cdist(image.mul(255).flatten(1).T, colours, compute_mode="donot_use_mm_for_euclid_dist").argmin(
            1
        )
        return nearest.view(image.shape[1:])
