"""Metrics of colour alone: how far off the ab of CIE Lab is, and how colourful images are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from translate import (
    Config,
    DataError,
    EvaluationContext,
    Metric,
    NoOptions,
    decibel,
    mean_score,
    paired_images,
    to_lab,
)

PEAK = 255.0
LARGEST = 150
"""The largest ab error of the accuracy curve (Zhang et al. 2016, section 3.1)."""
BIN, REACH = 10.0, 12
"""The side of a bin of ab, and how many of them lie on either side of grey."""


def ab_of(image: Tensor) -> Tensor:
    """3 x H x W in [0, 1] to its ab: 2 x H x W, float64, in Lab's units."""
    if image.shape[0] != 3:
        raise DataError(f"colour is that of RGB images, and one has {image.shape[0]} channels")
    return to_lab(image[None] * 2 - 1)[1][0].double()


def mean_ab(references: Sequence[Tensor]) -> Tensor:
    """The mean ab over all images, each counting alike: 2 x 1 x 1."""
    return torch.stack([ab_of(image).mean((1, 2)) for image in references]).mean(0).view(2, 1, 1)


def ab_psnr(difference: Tensor) -> float:
    """The PSNR of a difference of ab, by the peak of 8 bits."""
    return decibel(float(difference.square().mean()), PEAK)


class AbPSNR(Metric[NoOptions]):
    """PSNR of the colours alone: 10 log10(255^2 / MSE) with the MSE over a and b of CIE Lab.

    - Formula: per image over all pixels of both channels, in Lab's own units (a from -86 to 98, b from -108 to 94 for
      sRGB); then the mean over images. Lightness does not count.
    - Protocol: whole images of three channels, sRGB to Lab of D65, no crop. Higher is better; equal colours give
      infinity. The best constant is the mean ab of the references at the true lightness.
    - Source: the usual PSNR, of ab alone and by the peak of 8-bit images.
    """

    name = "ab-psnr"
    mean_of_images = True
    better = "higher"
    unit = "dB, ab against 255"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return mean_score(ab_psnr(ab_of(a) - ab_of(b)) for a, b in paired_images(outputs, references))

    def best_constant(self, references: Sequence[Tensor]) -> float | None:
        colour = mean_ab(references)
        return mean_score(ab_psnr(ab_of(image) - colour) for image in references)


class AbAuCConfig(Config):
    """Options of `ab-auc`."""

    rebalanced: bool = False
    """Every bin of 10 x 10 ab that occurs in the references counts alike, however rare its colours.

    Without it, most of the score is that of greyish pixels, which most pixels are.
    """


class AbAuC(Metric[AbAuCConfig]):
    """How many pixels have about the right colour: the area under the curve of accuracy by tolerance, in per cent.

    - Formula: the share of pixels with |ab - ab of the reference|_2 <= t, the mean over t = 0, 1, ..., 150; counted
      over all pixels of the set. `rebalanced`: this share for each bin of true colours, then the mean over the bins.
    - Protocol: whole images of three channels, sRGB to Lab of D65, no crop. 100 is right everywhere. The best constant
      is scored with the mean ab, which is nearly the best.
    - Source: Zhang, Isola, Efros, "Colorful Image Colorization", ECCV 2016, section 3.1 (AuC and its rebalanced form).
    """

    name = "ab-auc"
    better = "higher"
    unit = "%"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return self.area((ab_of(a), ab_of(b)) for a, b in paired_images(outputs, references))

    def best_constant(self, references: Sequence[Tensor]) -> float | None:
        colour = mean_ab(references)
        return self.area((colour.expand_as(true), true) for true in map(ab_of, references))

    def area(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> float:
        """The area, in per cent, of pairs of ab: that of an output, that of its reference."""
        side = 2 * REACH + 1
        right, total = torch.zeros(side * side, dtype=torch.float64), torch.zeros(side * side, dtype=torch.float64)
        for ab, true in pairs:
            error = (ab - true).square().sum(0).sqrt().flatten()
            # The share of the thresholds 0, 1, ..., 150 that an error stays within.
            within = (LARGEST + 1 - error.ceil().clamp(max=LARGEST + 1)) / (LARGEST + 1)
            a, b = true.div(BIN).round().long().add(REACH).flatten(1)
            right.index_add_(0, a * side + b, within)
            total.index_add_(0, a * side + b, torch.ones_like(within))
        if self.config.rebalanced:
            occurring = total > 0
            return 100 * float((right[occurring] / total[occurring]).mean())
        return 100 * float(right.sum() / total.sum())


class Colourfulness(Metric[NoOptions]):
    """How far the mean colourfulness of the outputs is from that of the references; 0 is as colourful as they are.

    - Formula: sqrt(var rg + var yb) + 0.3 sqrt(mean rg^2 + mean yb^2) with rg = R - G and yb = (R + G) / 2 - B of
      values from 0 to 255; the mean over the images of either set, then their absolute difference. The rows below the
      score are both means: 0 grey, 15 slightly, 33 moderately, 59 quite, 109 extremely colourful.
    - Protocol: whole images of three channels; two sets of any sizes, no pairs.
    - Source: Hasler and Suesstrunk, "Measuring Colourfulness in Natural Images", SPIE 2003, equation 7.
    """

    name = "colourfulness"
    paired = False
    unit = "difference"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return abs(mean_colourfulness(outputs) - mean_colourfulness(references))

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        return {
            "colourfulness/outputs": mean_colourfulness(outputs),
            "colourfulness/references": mean_colourfulness(references),
        }


def mean_colourfulness(images: Sequence[Tensor]) -> float:
    return mean_score(colourfulness(image) for image in images)


def colourfulness(image: Tensor) -> float:
    """Of 3 x H x W in [0, 1], computed on values of 0 to 255: pure red has 85.53."""
    if image.shape[0] != 3:
        raise DataError(f"colourfulness is that of RGB images, and one has {image.shape[0]} channels")
    red, green, blue = image.double().mul(PEAK)
    rg, yb = red - green, 0.5 * (red + green) - blue
    spread = math.sqrt(float(rg.var(correction=0) + yb.var(correction=0)))
    return spread + 0.3 * math.hypot(float(rg.mean()), float(yb.mean()))
