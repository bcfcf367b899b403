"""MS-SSIM: structural similarity at five scales."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from translate.contracts import EvaluationContext, Metric, NoOptions
from translate.errors import DataError
from translate.metrics.pairs import mean_score, paired_images, size_of
from translate.networks.kornia_functions import ssim
from translate.objectives.image_terms import SCALES, WINDOW, contrast_structure

LEAST = WINDOW * 2 ** (len(SCALES) - 1)
"""Pixels a side from which the window lies inside of the smallest scale."""


class MSSSIM(Metric[NoOptions]):
    """Structural similarity at five scales, each half the size of the one before; 1 for identical images.

    - Formula: the product over scales j of cs_j^w_j, the last one being SSIM^w: cs is contrast and structure alone, the
      mean of an image; w = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333. A mean below 0 counts as 0.
    - Protocol: values in [0, 1] in float64, each channel by itself, from 176 pixels a side on; a window of 11 x 11
      pixels, sigma 1.5, inside of the image; halved by the mean of 2 x 2.
    - Source: Wang, Simoncelli, Bovik, "Multi-scale Structural Similarity for Image Quality Assessment", Asilomar 2003,
      equation 7.
    """

    name = "ms-ssim"
    ends = (0.0, 1.0)
    least_size = LEAST
    mean_of_images = True
    better = "higher"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return mean_score(_similarity(a, b) for a, b in paired_images(outputs, references))


def _similarity(a: Tensor, b: Tensor) -> float:
    if min(a.shape[-2:]) < LEAST:
        raise DataError(f"ms-ssim needs images of at least {LEAST} pixels a side, and one is {size_of(a)}")
    x, y = a[None].double(), b[None].double()
    product: float = 1.0
    for weight in SCALES[:-1]:
        product *= max(0.0, float(contrast_structure(x, y))) ** weight
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    product *= max(0.0, float(ssim(x, y, WINDOW).mean())) ** SCALES[-1]
    return product
