"""Degradations as people meet them: lists of steps, each with ranges that a generator draws from, for each image anew.

Zhang, Liang, Van Gool, Timofte, "Designing a Practical Degradation Model for Deep Blind Image Super-Resolution", ICCV
2021, and Wang, Xie, Dong, Shan, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data",
ICCV workshops 2021, section 3. Steps see images N x C x H x W in [0, 1], in float32, and return such.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from translate import Config
from translate_restore.blur import filtered, gaussian_kernels
from translate_restore.draws import Draws, Ordered
from translate_restore.jpeg import jpeg

Size = tuple[int, int]
"""(height, width) in pixels."""
Kernel = Literal["area", "bilinear", "bicubic"]
KERNELS: tuple[Kernel, ...] = ("area", "bilinear", "bicubic")

Share = Annotated[float, Field(ge=0, le=1)]
Width = Annotated[float, Field(gt=0, le=20)]
Level = Annotated[float, Field(ge=0, le=255)]
Factor = Annotated[float, Field(gt=0, le=8)]
Photons = Annotated[float, Field(gt=0, le=1e6)]
Quality = Annotated[int, Field(ge=1, le=100)]


class Degradation(Config):
    """What steps have in common."""

    p: Share = 1.0
    """How probable the step is, for each image by itself (`resize`: for all images of a batch together)."""

    def __call__(self, images: Tensor, happens: Tensor, draws: Draws, size: Size) -> Tensor:
        """The images after this step: those where it `happens` (N x 1 x 1 x 1) changed, the others as they were. `size`
        is the one that a factor of 1 means."""
        return torch.where(happens, self.change(images, draws), images)

    @abstractmethod
    def change(self, images: Tensor, draws: Draws) -> Tensor:
        """All images changed."""


class Blur(Degradation):
    """A Gaussian kernel, the same in all directions or, with the probability `anisotropic`, drawn for two axes of a
    random angle."""

    uses: Literal["blur"]
    sigma: Annotated[Width | tuple[Width, Width], Ordered] = (0.2, 3.0)
    """The standard deviation of the kernel in pixels, or the range that it is drawn from."""
    anisotropic: Share = 0.5
    """How probable two different deviations are, along and across a random angle."""

    def change(self, images: Tensor, draws: Draws) -> Tensor:
        along, across = draws.uniform(self.sigma), draws.uniform(self.sigma)
        across = torch.where(draws.chance(self.anisotropic), across, along)
        angle = draws.uniform((0.0, math.pi))
        widest = max(self.sigma) if isinstance(self.sigma, tuple) else self.sigma
        return filtered(images, gaussian_kernels(along, across, angle, 2 * math.ceil(4 * widest) + 1))


class Resize(Degradation):
    """Another size: `scale` times that of the network's input (in the first of two passes: of the image), with a random
    kernel. Reductions are antialiased. What comes last in a list is brought to the input's size in the same way."""

    uses: Literal["resize"]
    scale: Annotated[Factor | tuple[Factor, Factor], Ordered] = (0.5, 1.2)
    """The factor of height and width, or the range that it is drawn from, for all images of a batch."""
    kernels: Annotated[tuple[Kernel, ...], Field(min_length=1)] = KERNELS
    """The kernels, one of which is drawn: means of areas, `area`, `bilinear` or `bicubic`."""

    def __call__(self, images: Tensor, happens: Tensor, draws: Draws, size: Size) -> Tensor:
        factor, kernel = draws.one(self.scale), draws.choice(self.kernels)
        if not happens[0]:  # the images of a batch have one size: what the first one draws holds for all
            return images
        return resized(images, (max(1, round(factor * size[0])), max(1, round(factor * size[1]))), kernel)

    def change(self, images: Tensor, draws: Draws) -> Tensor:
        return images


class Noise(Degradation):
    """Gaussian noise, with the probability `grey` the same in all channels."""

    uses: Literal["noise"]
    sigma: Annotated[Level | tuple[Level, Level], Ordered] = (1.0, 30.0)
    """The standard deviation in levels from 0 to 255, or the range that it is drawn from."""
    grey: Share = 0.4
    """How probable noise is that is the same in all channels."""

    def change(self, images: Tensor, draws: Draws) -> Tensor:
        sigma, coloured = draws.uniform(self.sigma) / 255, draws.normal(images)
        same = draws.normal(images[:, :1]).expand_as(images)
        noise = torch.where(draws.chance(self.grey), same, coloured)
        return (images + sigma * noise).clamp(0, 1)


class Poisson(Degradation):
    """The noise of counting light: each value is the mean of a Poisson distribution, `photons` where it is 1. With the
    probability `grey` the noise of the mean of all channels is added to each."""

    uses: Literal["poisson"]
    photons: Annotated[Photons | tuple[Photons, Photons], Ordered] = (50.0, 1000.0)
    """The photons that make white, or the range that they are drawn from. Few make much noise."""
    grey: Share = 0.4
    """How probable noise is that is the same in all channels."""

    def change(self, images: Tensor, draws: Draws) -> Tensor:
        photons = draws.uniform(self.photons)
        mean = images.mean(1, keepdim=True)
        coloured = torch.poisson(images * photons, generator=draws.rng) / photons
        same = images + torch.poisson(mean * photons, generator=draws.rng) / photons - mean
        return torch.where(draws.chance(self.grey), same, coloured).clamp(0, 1)


class Jpeg(Degradation):
    """A JPEG file of a `quality` from 1 to 100, written and read again."""

    uses: Literal["jpeg"]
    quality: Annotated[Quality | tuple[Quality, Quality], Ordered] = (30, 95)
    """The quality from 1 to 100, or the range that it is drawn from, as libjpeg and most programs count it."""
    halved: bool = True
    """Stores the colours at half the height and width (4:2:0), as most programs do."""

    def change(self, images: Tensor, draws: Draws) -> Tensor:
        return jpeg(images, draws.uniform(self.quality).flatten(), halved=self.halved)


AnyStep = Annotated[Blur | Resize | Noise | Poisson | Jpeg, Field(discriminator="uses")]
"""A step as a pipeline names it: `{uses: blur, sigma: [0.2, 3]}`."""
Steps = tuple[AnyStep, ...]


def degraded(images: Tensor, passes: Sequence[Steps], scale: int, rng: torch.Generator, *, one: bool = False) -> Tensor:
    """Images N x C x H x W in [0, 1] after each list of steps in turn, N x C x H / scale x W / scale.

    Each step happens with its own probability; with `one`, exactly one of a list does for each image, drawn with
    weights in proportion to them. A `resize` of the last list takes the size of the result for 1, those of lists before
    it the size of the images. What is of another size in the end is brought to that of the result by a kernel that is
    drawn.
    """
    whole = images.shape[-2], images.shape[-1]
    wanted = whole[0] // scale, whole[1] // scale
    draws, values = Draws(len(images), rng), images.float()
    for number, steps in enumerate(passes, 1):
        size = wanted if number == len(passes) else whole
        shares = [step.p for step in steps]
        happens = draws.one_of(shares) if one else [draws.chance(p) for p in shares]
        for step, mask in zip(steps, happens, strict=True):
            values = step(values, mask, draws, size)
    if values.shape[-2:] != wanted:
        values = resized(values, wanted, draws.choice(KERNELS))
    return values


def resized(images: Tensor, size: Size, kernel: Kernel) -> Tensor:
    """Images in another size, in [0, 1]; cubic curves overshoot, and are cut there as a file cuts them."""
    if kernel == "area":
        return F.interpolate(images, size, mode="area")
    return F.interpolate(images, size, mode=kernel, antialias=True).clamp(0, 1)
