"""The distance of two images on the levels of their Laplacian pyramids."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from translate import Config, LossTerm, hookimpl


class PyramidConfig(Config):
    """Options of the loss."""

    levels: Annotated[int, Field(ge=1, le=8)] = 4
    """How many bands of detail to compare; below them lies what is left of the image. Each one halves its size."""


class Pyramid(LossTerm[PyramidConfig]):
    """The sum over levels j of 2^(2j) times the absolute difference there (Bojanowski et al. 2018).

    The paper sums over pixels. A level has 2^(-2j) times the pixels of the image, so that every level weighs the same
    in means, which do not depend on the size of images.
    """

    name = "pyramid"

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Images N x C x H x W in [-1, 1], of one size; the result is a scalar, 0 for equal images."""
        return pyramid_distance(output, target, self.config.levels)


def pyramid_distance(output: Tensor, target: Tensor, levels: int) -> Tensor:
    # The pyramid is linear: that of the difference is the difference of both.
    bands = laplacian_pyramid(output - target, levels)
    return torch.stack([band.abs().mean() for band in bands]).sum()


def laplacian_pyramid(image: Tensor, levels: int) -> list[Tensor]:
    """`levels` bands of detail, fine to coarse, and the small image that is left. Stops at a side below 2."""
    bands = []
    for _ in range(levels):
        if min(image.shape[-2:]) < 2:
            break
        smaller = F.avg_pool2d(image, 2, ceil_mode=True)
        bands.append(image - F.interpolate(smaller, size=image.shape[-2:], mode="bilinear", align_corners=False))
        image = smaller
    return [*bands, image]


@hookimpl
def translate_losses() -> list[type[LossTerm[Any]]]:
    return [Pyramid]
