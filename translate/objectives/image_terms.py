"""Loss terms that compare two images beyond single pixels: structure, edges, colours, frequencies."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from translate.contracts import Config, NoOptions
from translate.errors import ConfigError
from translate.networks.kornia_functions import gaussian_mean, slopes, soft_histogram, ssim
from translate.objectives.penalties import precise
from translate.objectives.terms import LossTerm

WINDOW, SIGMA = 11, 1.5
"""The Gaussian window of the papers: pixels a side, standard deviation."""
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""The weight of each scale, from full size on (Wang et al. 2003, section 3.2)."""


def unit(image: Tensor) -> Tensor:
    """[-1, 1] to [0, 1], in float32: the papers' constants are shares of a range that begins at 0."""
    return (precise(image) + 1) / 2


def _expect(name: str, image: Tensor, least: int, advice: str) -> None:
    height, width = image.shape[-2:]
    if min(height, width) < least:
        raise ConfigError(f"{name} needs images of at least {least} x {least} pixels, not {height} x {width}; {advice}")


def similarity(x: Tensor, y: Tensor) -> Tensor:
    """The mean SSIM of each image, N, of images in [0, 1] whose window lies inside of the image."""
    return ssim(x, y, WINDOW).flatten(1).mean(1)


def contrast_structure(x: Tensor, y: Tensor) -> Tensor:
    """SSIM without its luminance, (2 s_xy + c) / (s_x^2 + s_y^2 + c) with c = 0.03^2: the mean of each image, N."""

    def mean(image: Tensor) -> Tensor:
        return gaussian_mean(image, WINDOW, SIGMA)

    mx, my, c = mean(x), mean(y), 0.03**2
    both = mean(x * y) - mx * my
    each = mean(x * x) - mx.square() + mean(y * y) - my.square()
    return ((2 * both + c) / (each + c)).flatten(1).mean(1)


class SSIM(LossTerm[NoOptions]):
    """1 - SSIM, from 0 (equal) to 2 (Wang et al. 2004, equation 13): Gaussian window of 11 pixels, sigma 1.5."""

    name = "ssim"

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        _expect(self.name, output, WINDOW, "use larger images")
        return 1 - similarity(unit(output), unit(target)).mean()


class MSSSIMConfig(Config):
    """Options of `ms-ssim`."""

    scales: Annotated[int, Field(ge=1, le=len(SCALES))] = len(SCALES)
    """The first so many of the paper's five scales, each half the size of the one before; their weights are divided by
    their sum. Five need images of 176 pixels, four of 88."""


class MSSSIM(LossTerm[MSSSIMConfig]):
    """1 - the product over scales j of cs_j^w_j, the last one being SSIM^w (Wang, Simoncelli, Bovik 2003, equation 7).

    cs is the mean contrast and structure of an image. Means below 1e-6, where a power has no slope, count as that.
    """

    name = "ms-ssim"

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        weights = SCALES[: self.config.scales]
        _expect(self.name, output, WINDOW * 2 ** (len(weights) - 1), "use larger images or fewer `scales`")
        x, y = unit(output), unit(target)
        product = torch.ones(len(x), device=x.device)
        for scale, weight in enumerate(weights, 1):
            # The luminance counts at the coarsest scale alone.
            part = (similarity if scale == len(weights) else contrast_structure)(x, y)
            product = product * part.clamp(min=1e-6) ** (weight / sum(weights))
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        return 1 - product.mean()


class Edge(LossTerm[NoOptions]):
    """Mean |Sobel(output) - Sobel(target)|, across plus down: edges as sharp as the target's, at the same places.

    The slopes are in values per pixel, by the kernels of Sobel and Feldman (1968) over 8; the gradient difference loss
    of Mathieu, Couprie, LeCun (2016, equation 6) with Sobel's slopes, and with their signs.
    """

    name = "edge"

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return 2 * slopes(precise(output) - precise(target)).abs().mean()


class ColourHistogramConfig(Config):
    """Options of `colour-histogram`."""

    bins: Annotated[int, Field(ge=2, le=256)] = 64
    """How many bins each channel has from -1 to 1; a Gaussian is as wide as a bin."""
    size: Annotated[int, Field(ge=1)] = 64
    """The side in pixels that larger images are reduced to first, by the mean of areas, for speed."""


class ColourHistogram(LossTerm[ColourHistogramConfig]):
    """The earth mover's distance of the histograms of each channel: how far values have to move, on average.

    Sum over bins |C(output) - C(target)| times their width, C being the cumulated soft histogram (Gaussians as wide as
    a bin). In one dimension that is the distance of Rubner, Tomasi, Guibas (2000). It asks for the target's colours
    wherever they are, so that the target need not show the same thing.
    """

    name = "colour-histogram"

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        width = 2 / (self.config.bins - 1)
        apart = (self.histogram(output) - self.histogram(target)).cumsum(1)
        return width * apart.abs().sum(1).mean()

    def histogram(self, images: Tensor) -> Tensor:
        """N C x bins, each row of sum 1."""
        images, bins = precise(images), self.config.bins
        height, width = (min(n, self.config.size) for n in images.shape[-2:])
        values = F.adaptive_avg_pool2d(images, (height, width)).flatten(0, 1).flatten(1)
        centres = torch.linspace(-1, 1, bins, device=images.device)
        return soft_histogram(values, centres, torch.full((), 2 / (bins - 1), device=images.device))


class FocalFrequencyConfig(Config):
    """Options of `focal-frequency`."""

    alpha: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """How much more the frequencies count that are furthest off; 0 is the plain distance of spectra, 1 the paper's."""


class FocalFrequency(LossTerm[FocalFrequencyConfig]):
    """Mean w |F(output) - F(target)|^2 over the frequencies of each channel, F being the orthonormal 2-D transform.

    The weight w = |F(output) - F(target)|^alpha over its largest value in the channel, without gradient (Jiang, Dai,
    Wu, Loy, "Focal Frequency Loss for Image Reconstruction and Synthesis", ICCV 2021, section 3).
    """

    name = "focal-frequency"

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        apart = torch.fft.fft2(precise(output) - precise(target), norm="ortho")
        squared = apart.real.square() + apart.imag.square()
        weight: Tensor = squared.detach() ** (self.config.alpha / 2)
        weight = weight / weight.amax((2, 3), keepdim=True).clamp(min=torch.finfo(weight.dtype).tiny)
        loss: Tensor = (weight * squared).mean()
        return loss
