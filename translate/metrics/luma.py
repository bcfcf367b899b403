"""PSNR and SSIM by the protocol of super-resolution papers: on luma, without a border."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import NonNegativeInt
from torch import Tensor

from translate.contracts import Config, DataSpec, EvaluationContext, Metric, NoOptions
from translate.errors import DataError
from translate.metrics.paired import PSNR, SSIM
from translate.metrics.pairs import paired_images

STUDIO = (65.481, 128.553, 24.966), 16.0
"""ITU-R BT.601, 8-bit studio range: Y = 16 + 65.481 R + 128.553 G + 24.966 B for R, G, B in [0, 1]."""


class BorderConfig(Config):
    """Options of the metrics of luma."""

    border: NonNegativeInt = 4
    """Pixels that are cut off at every side first: as many as the scale of the super-resolution, so 4 at scale 4."""


def luma(image: Tensor) -> Tensor:
    """3 x H x W in [0, 1] to 1 x H x W in [16/255, 235/255], not rounded; grey is taken for R = G = B."""
    weights, offset = STUDIO
    if image.shape[0] not in (1, 3):
        raise DataError(f"luma is that of grey or colour images, and one has {image.shape[0]} channels")
    rgb = image.double().expand(3, -1, -1)
    return ((rgb * rgb.new_tensor(weights).view(3, 1, 1)).sum(0, keepdim=True) + offset) / 255


class _OnLuma(Metric[BorderConfig]):
    """A metric of luma: it compares images as the protocol asks, and names the protocol as its unit."""

    mean_of_images = True
    better = "higher"

    def __init__(self, config: BorderConfig, spec: DataSpec | None = None) -> None:
        super().__init__(config, spec)
        protocol = f"Y of BT.601, {config.border} px border cut"
        unit = type(self).unit
        self.unit = f"{unit}, {protocol}" if unit else protocol

    def prepared(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor]
    ) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """Luma without the border. Errors: DataError where nothing is left, or shapes differ."""
        pairs = [(self._inside(a), self._inside(b)) for a, b in paired_images(outputs, references)]
        return [a for a, _ in pairs], [b for _, b in pairs]

    def _inside(self, image: Tensor) -> Tensor:
        b = self.config.border
        if min(image.shape[-2:]) <= 2 * b:
            raise DataError(f"{self.name}: nothing of {image.shape[2]} x {image.shape[1]} pixels is left inside {b}")
        return luma(image)[:, b : image.shape[1] - b, b : image.shape[2] - b]


class PSNRLuma(_OnLuma):
    """PSNR by the protocol of super-resolution papers: on luma, without a border.

    - Formula: 10 log10(255^2 / MSE) of Y = 16 + 65.481 R + 128.553 G + 24.966 B (ITU-R BT.601, R, G, B in [0, 1], not
      rounded), as in `psnr`; the mean over images.
    - Protocol: grey or colour images, `border` pixels cut off at every side. Compare scores of one border alone: it
      stands beside them.
    - Source: Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network", CVPR
      2017, section 3.1.
    """

    name = "psnr-y"
    unit = "dB"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return PSNR(NoOptions()).score(*self.prepared(outputs, references))


class SSIMLuma(_OnLuma):
    """SSIM by the protocol of super-resolution papers: on luma, without a border.

    - Formula: that of `ssim`, of Y as in `psnr-y` over 255; the mean over images.
    - Protocol: grey or colour images, `border` pixels cut off at every side.
    - Source: Ledig et al. 2017, section 3.1; Wang et al. 2004 for the measure.
    """

    name = "ssim-y"
    ends = (-1.0, 1.0)

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return SSIM(NoOptions()).score(*self.prepared(outputs, references))
