"""Metrics that compare output i with reference i: L1, PSNR, SSIM. The score of a set is the mean over its images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from translate.contracts import Config, EvaluationContext, Metric, NoOptions
from translate.errors import DataError
from translate.metrics.pairs import decibel, mean_score, paired_images, size_of

LEVELS = 65535
"""Grey levels of a histogram: fine enough for 8 and for 16 bits, whose values it meets exactly."""
WINDOW = 11
"""The window of SSIM, in pixels a side."""

Plane = np.ndarray[Any, np.dtype[np.float64]]


class L1(Metric[NoOptions]):
    """Mean absolute difference of values in [0, 1]; times 255, in grey levels of 8 bits.

    - Formula: mean |output - reference| over all pixels and channels of an image; then the mean over images.
    - Protocol: whole images of any size and number of channels, no crop; output i against reference i. 0 is equal. The
      best constant is the median colour of the references.
    - Source: the usual mean absolute error.
    """

    name = "l1"
    ends = (0.0, 1.0)
    mean_of_images = True
    unit = "of 0 to 1"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return mean_score(float((a - b).abs().double().mean()) for a, b in paired_images(outputs, references))

    def best_constant(self, references: Sequence[Tensor]) -> float | None:
        """L1 of the per-channel median colour, which minimises it. Each image counts alike, whatever its size."""
        counts: Tensor | None = None
        for image in references:
            flat = image.flatten(1).mul(LEVELS).round().long()
            channels = [torch.bincount(channel, minlength=LEVELS + 1) for channel in flat]
            histogram = torch.stack(channels).double() / image.numel()
            if counts is None:
                counts = histogram
            elif counts.shape == histogram.shape:
                counts = counts + histogram
            else:
                return None
        if counts is None:
            return None
        total = counts.cumsum(1)
        median = (total < total[:, -1:] / 2).sum(1, keepdim=True)
        distance = (torch.arange(LEVELS + 1)[None] - median).abs() / LEVELS
        return float((counts * distance).sum() / len(references))


class PixelMatchConfig(Config):
    """Options of `pixel-match`."""

    within: float = Field(default=5, ge=0, le=255)
    """The largest difference of a channel that still counts as equal, in grey levels of 8 bits."""


class PixelMatch(Metric[PixelMatchConfig]):
    """The share of pixels that are what they should be, up to a few grey levels: for maps, which have few colours.

    - Formula: a pixel is right where |output - reference| <= `within` in each channel; right / all of an image, then
      the mean over images.
    - Protocol: values in [0, 1], times 255; any number of channels, output i against reference i, whole images. 1 is
      right everywhere. Papers show `within: 5` and `within: 10`.
    - Source: Fu et al., "Geometry-Consistent Generative Adversarial Networks for One-Sided Unsupervised Domain
      Mapping", CVPR 2019, section 4, on aerial photographs to maps.
    """

    name = "pixel-match"
    ends = (0.0, 1.0)
    mean_of_images = True
    better = "higher"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        def one(a: Tensor, b: Tensor) -> float:
            # a hair more, since levels of 8 bits in float32 are not quite whole
            right = (a - b).abs().mul(255).amax(0) <= self.config.within + 1e-3
            return float(right.double().mean())

        return mean_score(one(a, b) for a, b in paired_images(outputs, references))


class PSNR(Metric[NoOptions]):
    """Peak signal-to-noise ratio in decibels: 10 log10(1 / MSE) of values in [0, 1].

    - Formula: the MSE is the mean squared difference over all pixels and channels of an image; the score of a set is
      the mean of the images' PSNR, and not the PSNR of their mean error.
    - Protocol: whole images of any number of channels, no crop (`psnr-y` is that of super-resolution papers). Higher is
      better; identical images give infinity. The best constant is the mean colour of the references.
    - Source: the usual definition.
    """

    name = "psnr"
    ends = (0.0, math.inf)
    mean_of_images = True
    better = "higher"
    unit = "dB"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return mean_score(
            decibel(float((a - b).double().square().mean())) for a, b in paired_images(outputs, references)
        )

    def best_constant(self, references: Sequence[Tensor]) -> float | None:
        """PSNR of the mean colour of all references, which has the least squared error (not quite the best PSNR)."""
        # numbers, not tensors: small ones that stay between large ones that go would keep all memory
        images = [_moments(image) for image in references]
        if len({len(first) for first, _ in images}) != 1:
            return None
        first, second = (torch.tensor(moments, dtype=torch.double) for moments in zip(*images, strict=True))
        colour = first.mean(0)
        errors = (second - 2 * colour * first + colour.square()).mean(1).clamp(min=0)
        return mean_score(decibel(float(error)) for error in errors)


def _moments(image: Tensor) -> tuple[list[float], list[float]]:
    """The mean of each channel, and of its squares."""
    values = image.double()
    return values.mean((1, 2)).tolist(), values.square().mean((1, 2)).tolist()


class SSIM(Metric[NoOptions]):
    """Structural similarity of luminance, contrast and structure in a window; 1 for identical images.

    - Formula: (2 m_x m_y + C1) (2 s_xy + C2) / ((m_x^2 + m_y^2 + C1) (s_x^2 + s_y^2 + C2)) with C1 = 0.01^2 and C2 =
      0.03^2, means and covariances under a Gaussian of 11 x 11 pixels and sigma 1.5; the mean over all places where the
      window lies inside of the image, over channels, then over images.
    - Protocol: values in [0, 1] in float64, each channel by itself, from 11 pixels a side on; no crop, no downsampling.
    - Source: Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment: From Error Visibility to Structural
      Similarity", IEEE TIP 2004, equation 13.
    """

    name = "ssim"
    ends = (-1.0, 1.0)
    least_size = WINDOW
    mean_of_images = True
    better = "higher"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        def one(a: Tensor, b: Tensor) -> float:
            if min(a.shape[-2:]) < WINDOW:
                raise DataError(f"ssim needs images of at least {WINDOW} pixels a side, and one is {size_of(a)}")
            planes = zip(a.double().numpy(), b.double().numpy(), strict=True)
            return math.fsum(similarity(x, y) for x, y in planes) / len(a)

        return mean_score(one(a, b) for a, b in paired_images(outputs, references))


def similarity(x: Plane, y: Plane) -> float:
    """The SSIM of one channel, H x W in [0, 1]: the mean over all places where the window lies inside of the image."""
    kernel = cv2.getGaussianKernel(WINDOW, 1.5, cv2.CV_64F)
    border = WINDOW // 2

    def mean(plane: Plane) -> Plane:
        # of OpenCV, which takes a tenth of the time that torch does for filters in float64
        filtered = cv2.sepFilter2D(plane, cv2.CV_64F, kernel, kernel)
        return np.asarray(filtered[border:-border, border:-border], np.float64)

    mean_x, mean_y = mean(x), mean(y)
    variances = mean(x * x) - mean_x**2 + mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float((luminance * (2 * covariance + c2) / (variances + c2)).mean())
