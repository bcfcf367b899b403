"""Metrics that compare two sets of images, whatever their sizes and without pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import Field
from torch import Tensor

from translate.contracts import Config, DataSpec, EvaluationContext, Metric
from translate.errors import DataError
from translate.metrics.bootstrap import Drawn
from translate.metrics.pairs import UnlikeImagesError
from translate.seeding import derive

Array = np.ndarray[Any, np.dtype[np.float32]]

BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16
PATCH = 7
COARSEST = 16
LIMIT = 1 << 16
"""Descriptors per level and set at most; the paper takes 2^21 of 16,384 images."""
FLOOR = 1 / 255
"""The least standard deviation that is divided by: a flat reference has none."""


class SWDConfig(Config):
    """Options of `swd`."""

    patches: int = Field(default=128, ge=1)
    """Patches that are drawn from each image and level (128 in the paper); at most 65,536 for a level of a set."""
    projections: int = Field(default=512, ge=1)
    """Random directions that patches are projected on (512 in the paper): more give a steadier score, and take
    longer."""
    seed: int = 0
    """The seed of patches and projections: equal seeds give equal scores."""
    normalise: Literal["reference", "each"] = "reference"
    """How each colour channel of a level is brought to mean 0 and deviation 1: by the statistics of the references
    (`reference`), so that a wrong colour or contrast counts; or of each set by its own (`each`, the paper), so that it
    does not."""
    level: Literal["all", "top"] = "all"
    """The mean of `all` levels, or the `top` one alone: the details that are lost when the size is halved."""


class SWD(Metric[SWDConfig]):
    """Sliced Wasserstein distance of patches of two sets, times 1000: do they have the same textures and colours?

    - Formula: patches of 7 x 7 pixels from every level of a Laplacian pyramid (full size down to 16 pixels), projected
      on random directions; mean |sort a - sort b| of the projections per level, then the mean over levels.
    - Protocol: values in [0, 1], images of any sizes from 7 pixels a side on, equal numbers of channels; two sets
      without pairs. 0 for equal sets. Small sets score higher than large ones of the same distribution: compare scores
      of equal numbers of images.
    - Source: Karras, Aila, Laine, Lehtinen, "Progressive Growing of GANs for Improved Quality, Stability, and
      Variation", ICLR 2018, section 5; normalised by the references where the paper normalises each set.
    """

    name = "swd"
    draws = 30
    halves = True
    ends = (0.0, math.inf)
    paired = False
    unit = "x1000"

    def __init__(self, config: SWDConfig, spec: DataSpec | None = None) -> None:
        super().__init__(config, spec)
        if config.level == "top":
            self.unit = f"{type(self).unit}, top level"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        levels = self.levels(outputs, references, 1 if self.config.level == "top" else None)
        return math.fsum(levels) / len(levels)

    def lighter(self) -> SWD:
        return _OfFewPatches(self.config, self.spec)

    def levels(self, outputs: Sequence[Tensor], references: Sequence[Tensor], most: int | None = None) -> list[float]:
        """The distance at every level that all images have (the first `most`), the finest first, times 1000."""
        if not len(outputs) or not len(references):
            raise DataError("swd compares two sets of images, and one is empty")
        total = min(self.config.patches * min(len(outputs), len(references)), LIMIT)
        ours, true = self._descriptors(outputs, total, most), self._descriptors(references, total, most)
        if ours[0].shape[2] != true[0].shape[2]:
            raise UnlikeImagesError(
                f"swd: the outputs have {ours[0].shape[2]} channels, the references {true[0].shape[2]}"
            )
        distances: list[float] = []
        while ours and true:  # a level that is done leaves memory
            distances.append(self._distance(ours.pop(0), true.pop(0), len(distances)))
        return distances

    def _descriptors(self, images: Sequence[Tensor], total: int, most: int | None) -> list[Array]:
        """Patches by level, each N x 49 x C, N = `total`, spread evenly over the images."""
        levels: list[Array] = []
        for number in range(len(images)):
            first, behind = total * number // len(images), total * (number + 1) // len(images)
            planes = laplacian(images[number], most)
            if not number:
                # made at once: many small arrays that stay, between large ones that go, fill memory with gaps
                levels = [np.empty((total, PATCH * PATCH, len(plane)), np.float32) for plane in planes]
            # Levels that a smaller image does not have are dropped for all.
            levels = levels[: len(planes)]
            if len(planes[0]) != levels[0].shape[2]:
                raise DataError(f"swd: an image has {len(planes[0])} channels, the first one {levels[0].shape[2]}")
            for level, chosen in enumerate(levels):
                rng = np.random.default_rng(derive(self.config.seed, "patches", level, number))
                chosen[first:behind] = patches(planes[level], behind - first, rng)
        return levels

    def _distance(self, ours: Array, true: Array, level: int) -> float:
        """The distance of two sets of descriptors, each N x 49 x C, of one level. Normalises them in place."""
        channels, width = ours.shape[2], ours.shape[1] * ours.shape[2]
        moments = _moments(true)
        _normalise(true, moments)
        _normalise(ours, _moments(ours) if self.config.normalise == "each" else moments)
        ours, true = ours.reshape(-1, width), true.reshape(-1, width)
        rng = np.random.default_rng(derive(self.config.seed, "projections", level, channels))
        directions = rng.standard_normal((width, self.config.projections), dtype=np.float32)
        directions /= np.linalg.norm(directions, axis=0)
        parts = np.array_split(directions, -(-self.config.projections // 64), axis=1)  # 64 at once fit the memory
        return 1000 * math.fsum(wasserstein(ours @ p, true @ p) * p.shape[1] for p in parts) / self.config.projections


class _OfFewPatches(SWD):
    """The same with few patches and directions, for draws: patches are cut once from each image, and what varies from
    draw to draw is the images."""

    PATCHES, PROJECTIONS = 16, 32
    TOGETHER = 6000
    """Patches of a level of all images, of which sets of many images have enough with fewer of each."""

    def __init__(self, config: SWDConfig, spec: DataSpec | None = None) -> None:
        fewer = {"patches": min(config.patches, self.PATCHES), "projections": min(config.projections, self.PROJECTIONS)}
        super().__init__(config.model_copy(update=fewer), spec)
        self._cut: dict[int, list[Array]] = {}
        self._held: dict[int, Sequence[Tensor]] = {}

    def _descriptors(self, images: Sequence[Tensor], total: int, most: int | None) -> list[Array]:
        items, places = (images.items, images.places) if isinstance(images, Drawn) else (images, range(len(images)))
        each = max(1, min(self.config.patches, self.TOGETHER // len(items)))
        total = min(total, self.TOGETHER // 2)  # the same number for both sets
        chosen = np.arange(total) * (len(places) * each) // total
        rows = np.asarray(places)[chosen // each] * each + chosen % each
        return [level[rows] for level in self._patches(items, each, most)]

    def _patches(self, images: Sequence[Tensor], each: int, most: int | None) -> list[Array]:
        """The patches of all images by level, so many of `each`, image after image."""
        if id(images) not in self._cut:
            self._held[id(images)] = images  # as long as it is held nothing else has its number
            self._cut[id(images)] = super()._descriptors(images, len(images) * each, most)
        return self._cut[id(images)]


def wasserstein(a: Array, b: Array) -> float:
    """W1 of two samples of equal size per column of N x L, then the mean over columns: mean |sort a - sort b|."""
    sorted_a, sorted_b = (np.sort(np.ascontiguousarray(x.T), axis=1) for x in (a, b))
    return float(np.abs(sorted_a - sorted_b).mean(dtype=np.float64))


def patches(plane: Array, count: int, rng: np.random.Generator) -> Array:
    """`count` random 7 x 7 patches of an image C x H x W: count x 49 x C."""
    windows = np.lib.stride_tricks.sliding_window_view(plane, (PATCH, PATCH), axis=(1, 2))
    top = rng.integers(windows.shape[1], size=count)
    left = rng.integers(windows.shape[2], size=count)
    return windows[:, top, left].transpose(1, 2, 3, 0).reshape(count, PATCH * PATCH, len(plane))


def laplacian(image: Tensor, most: int | None = None) -> list[Array]:
    """The Laplacian pyramid of C x H x W (Burt and Adelson 1983): what each halving loses, and at last what is left.

    Halving goes on while the shorter side stays at 16 pixels or more; `most` planes are enough. Errors: DataError
    below 7 pixels a side.
    """
    if min(image.shape[-2:]) < PATCH:
        raise DataError(
            f"swd needs images of at least {PATCH} pixels a side, and one is {image.shape[2]} x {image.shape[1]}"
        )
    planes: list[Array] = []
    rest: Array = image.float().cpu().numpy()
    while min(rest.shape[-2:]) >= 2 * COARSEST and len(planes) != most:
        small = _blur(rest)[..., ::2, ::2]
        large = np.zeros_like(rest)
        large[..., ::2, ::2] = small
        planes.append(rest - _blur(large) * 4)
        rest = small
    return [*planes, rest][:most]


def _blur(image: Array) -> Array:
    """The 5 x 5 binomial filter of C x H x W, reflected at the border."""
    # of OpenCV, which takes a tenth of the time of torch
    planes = [
        cv2.sepFilter2D(plane, cv2.CV_32F, BINOMIAL, BINOMIAL, borderType=cv2.BORDER_REFLECT_101) for plane in image
    ]
    return np.stack(planes)


def _moments(descriptors: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each channel."""
    mean = descriptors.mean((0, 1), dtype=np.float64)
    # by parts: the differences in float64 would take twice the memory of all descriptors
    parts = np.array_split(descriptors, -(-len(descriptors) // 4096))
    squares = sum(np.square(part - mean).sum((0, 1)) for part in parts)
    spread = np.sqrt(squares / (descriptors.shape[0] * descriptors.shape[1]))
    return mean.astype(np.float32), np.maximum(spread, FLOOR).astype(np.float32)


def _normalise(descriptors: Array, moments: tuple[Array, Array]) -> None:
    """Brings each channel to mean 0 and deviation 1 by the given moments, in place."""
    center, spread = moments
    descriptors -= center
    descriptors /= spread
