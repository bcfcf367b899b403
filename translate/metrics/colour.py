"""Metrics of colour alone: how far off the ab of CIE Lab is, and how colourful images are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from translate.contracts import Config, EvaluationContext, Metric, NoOptions
from translate.errors import DataError
from translate.metrics.paired import mean, pairs

if TYPE_CHECKING:
    from torch import Tensor

PEAK = 255.0
LARGEST = 150
"""The largest ab error of the accuracy curve (Zhang et al. 2016, section 3.1)."""
BIN = 10.0


def ab_of(image: Tensor) -> Tensor:
    """3 x H x W in [0, 1] to its ab: 2 x H x W."""
    from translate.networks import to_lab

    if image.shape[0] != 3:
        raise DataError(f"colour is that of RGB images, and one has {image.shape[0]} channels")
    return to_lab(image[None] * 2 - 1)[1][0].double()


def mean_ab(references: Sequence[Tensor]) -> Tensor:
    """The mean ab over all images, each counting alike: 2 x 1 x 1."""
    import torch

    return torch.stack([ab_of(image).mean((1, 2)) for image in references]).mean(0).view(2, 1, 1)


class AbPSNR(Metric[NoOptions]):
    """10 log10(255^2 / MSE of a and b, in Lab's own units) per image, then the mean; lightness does not count.

    The best constant is the mean ab of the references at the true lightness.
    """

    name = "ab-psnr"
    mean_of_images = True
    better = "higher"
    unit = "dB, ab against 255"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return mean(_decibel(ab_of(a) - ab_of(b)) for a, b in pairs(outputs, references))

    def best_constant(self, references: Sequence[Tensor]) -> float | None:
        colour = mean_ab(references)
        return mean(_decibel(ab_of(image) - colour) for image in references)


class AbAuCConfig(Config):
    """`rebalanced`: every ab bin of 10 x 10 that occurs in the references counts alike, however rare its colours."""

    rebalanced: bool = False


class AbAuC(Metric[AbAuCConfig]):
    """The area under the curve of pixels whose ab is off by at most t, t from 0 to 150, in per cent (Zhang et al.)."""

    name = "ab-auc"
    better = "higher"
    unit = "%"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return self._area((ab_of(a), ab_of(b)) for a, b in pairs(outputs, references))

    def best_constant(self, references: Sequence[Tensor]) -> float | None:
        """The mean ab, which is not quite the best constant of this metric."""
        colour = mean_ab(references)
        return self._area((colour.expand_as(true), true) for true in map(ab_of, references))

    def _area(self, found: Iterator[tuple[Tensor, Tensor]]) -> float:
        import torch

        side = 2 * 12 + 1
        right, total = torch.zeros(side * side, dtype=torch.float64), torch.zeros(side * side, dtype=torch.float64)
        for made, true in found:
            error = (made - true).square().sum(0).sqrt().flatten()
            within = (LARGEST + 1 - error.ceil().clamp(max=LARGEST + 1)) / (LARGEST + 1)  # thresholds 0, 1, ..., 150
            a, b = true.div(BIN).round().long().add(12).flatten(1)
            right.index_add_(0, a * side + b, within)
            total.index_add_(0, a * side + b, torch.ones_like(within))
        if self.config.rebalanced:
            seen = total > 0
            return 100 * float((right[seen] / total[seen]).mean())
        return 100 * float(right.sum() / total.sum())


class Colourfulness(Metric[NoOptions]):
    """How far the mean colourfulness of the outputs is from that of the references (Hasler and Suesstrunk 2003).

    The scale of one image: 0 grey, 15 slightly, 33 moderately, 59 quite, 109 extremely colourful.
    """

    name = "colourfulness"
    paired = False
    unit = "difference"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        found = self.details(outputs, references)
        made, true = found.values()
        return abs(made - true)

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        sets = {"outputs": outputs, "references": references}
        return {f"colourfulness/{name}": mean(colourfulness(image) for image in of) for name, of in sets.items()}


def colourfulness(image: Tensor) -> float:
    """Of 3 x H x W in [0, 1], computed on values of 0 to 255: pure red has 85.53."""
    if image.shape[0] != 3:
        raise DataError(f"colourfulness is that of RGB images, and one has {image.shape[0]} channels")
    red, green, blue = image.double().mul(PEAK)
    rg, yb = red - green, 0.5 * (red + green) - blue
    spread = math.sqrt(float(rg.var(correction=0) + yb.var(correction=0)))
    return spread + 0.3 * math.hypot(float(rg.mean()), float(yb.mean()))


def _decibel(difference: Tensor) -> float:
    error = float(difference.square().mean())
    return 10 * math.log10(PEAK**2 / error) if error > 0 else math.inf
