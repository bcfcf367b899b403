"""LPIPS and DISTS: distances of deep features that were fitted to what people call alike."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.contracts import C, Config, EvaluationContext, Metric
from translate.errors import DataError
from translate.metrics.features.spaces import in_colour
from translate.metrics.pairs import mean_score, paired_images
from translate.metrics.perceptual.backbones import ALEXNET, LEAST, VGG16, Backbone
from translate.networks.pretrained import published
from translate.networks.pretrained.features import DEVIATION, MEAN
from translate.storage.untrusted import read_tensors

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""LPIPS's normalisation of images in [-1, 1], R G B."""
SMALL = 1e-6
"""DISTS's constants c1 and c2."""


class DeepDistance(Metric[C]):
    """A mean distance of pairs of images in the features of a network that knows objects."""

    mean_of_images = True
    least_size = LEAST

    @abstractmethod
    def distance(self, a: Tensor, b: Tensor) -> float:
        """The distance of two images, each C x H x W in [0, 1] on one device."""

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        device = "cpu" if context is None else context.device
        return mean_score(self.distance(a.to(device), b.to(device)) for a, b in paired_images(outputs, references))


class LPIPSConfig(Config):
    """Options of `lpips`."""

    net: Literal["alex", "vgg"] = "alex"
    """The network: `alex` is the authors' choice for comparing, `vgg` (VGG16) for losses."""
    weights: Path | None = None
    """The file of the network, `alexnet-owt-7be5be79.pth` or `vgg16-397923af.pth`; empty: downloaded and kept."""
    heads: Path | None = None
    """The file of the fitted weights, version 0.1, a few kB; empty: downloaded and kept."""


class LPIPS(DeepDistance[LPIPSConfig]):
    """Learned perceptual image patch similarity: the distance of deep features, weighed as people judged.

    - Formula: the features of five layers, each place divided by its length; the squared differences, weighed by
      channel, their mean over places, the sum over layers.
    - Protocol: version 0.1; whole images of one or three channels, from 32 pixels a side on, output i against
      reference i. 0 is equal; `alex` and `vgg` do not compare.
    - Source: Zhang, Isola, Efros, Shechtman, Wang, "The Unreasonable Effectiveness of Deep Features as a Perceptual
      Metric", CVPR 2018, equation 1.
    """

    name = "lpips"
    ends = (0.0, math.inf)

    def fetch(self) -> None:
        _ = self._backbone, self._heads

    @cached_property
    def _backbone(self) -> Backbone:
        return Backbone(ALEXNET if self.config.net == "alex" else VGG16, self.config.weights)

    @cached_property
    def _heads(self) -> list[Tensor]:
        """The weights of channels, one tensor of 1 x C x 1 x 1 for each layer."""
        file = published.LPIPS_ALEX if self.config.net == "alex" else published.LPIPS_VGG
        path = file.path(self.config.heads)
        tensors = read_tensors(path)
        widths = [layer.outputs for layer in self._backbone.architecture.layers if layer.shown]
        heads: list[Tensor] = []
        for number, width in enumerate(widths):
            head = tensors.get(f"lin{number}.model.1.weight", torch.empty(0))
            if head.shape != (1, width, 1, 1):
                raise DataError(f"{path}: not the weights of LPIPS 0.1 with {self.config.net}")
            heads.append(head.float())
        return heads

    @torch.no_grad()
    def distance(self, a: Tensor, b: Tensor) -> float:
        pair = in_colour(torch.stack([a, b])).float() * 2 - 1
        shift, scale = (pair.new_tensor(values).view(1, 3, 1, 1) for values in (SHIFT, SCALE))
        total = 0.0
        for features, head in zip(self._backbone.maps((pair - shift) / scale), self._heads, strict=True):
            length = features.square().sum(1, keepdim=True).sqrt() + 1e-10
            x, y = torch.split(features / length, 1)
            total += float(((x - y).square() * head.to(x)).sum(1).mean())
        return total


class DISTSConfig(Config):
    """Options of `dists`."""

    weights: Path | None = None
    """The file of VGG16, `vgg16-397923af.pth`; empty: downloaded and kept."""
    heads: Path | None = None
    """The file of the fitted weights `alpha` and `beta`; empty: downloaded and kept."""


class DISTS(DeepDistance[DISTSConfig]):
    """Deep image structure and texture similarity: forgiving where a texture is drawn anew, strict where structure is.

    - Formula: 1 - the weighed sum over the image and five layers, over channels, of (2 m_x m_y + c) / (m_x^2 + m_y^2 +
      c) and (2 s_xy + c) / (s_x^2 + s_y^2 + c), with means, variances and covariances over all places, c = 1e-6.
    - Protocol: whole images of one or three channels, from 32 pixels a side on, VGG16 whose pooling is the root of a
      smoothed square; output i against reference i. 0 is equal.
    - Source: Ding, Ma, Wang, Simoncelli, "Image Quality Assessment: Unifying Structure and Texture Similarity", IEEE
      TPAMI 2020, equations 5 to 8.
    """

    name = "dists"
    ends = (0.0, 1.0)

    def fetch(self) -> None:
        _ = self._backbone, self._heads

    @cached_property
    def _backbone(self) -> Backbone:
        return Backbone(VGG16, self.config.weights, smooth_halving)

    @cached_property
    def _heads(self) -> tuple[Tensor, Tensor]:
        """alpha and beta by channel of the image and of all maps, 1 x C x 1 x 1, with a sum of 1 together."""
        path = published.DISTS.path(self.config.heads)
        tensors = read_tensors(path)
        width = 3 + sum(layer.outputs for layer in VGG16.layers if layer.shown)
        alpha, beta = (tensors.get(name, torch.empty(0)).float() for name in ("alpha", "beta"))
        if alpha.shape != (1, width, 1, 1) or beta.shape != alpha.shape:
            raise DataError(f"{path}: not the weights of DISTS")
        total = alpha.sum() + beta.sum()
        return alpha / total, beta / total

    @torch.no_grad()
    def distance(self, a: Tensor, b: Tensor) -> float:
        pair = in_colour(torch.stack([a, b])).float()
        mean, deviation = (pair.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
        textures: list[Tensor] = []
        structures: list[Tensor] = []
        for features in (pair, *self._backbone.maps((pair - mean) / deviation)):
            x, y = torch.split(features, 1)
            mx, my = x.mean((2, 3), keepdim=True), y.mean((2, 3), keepdim=True)
            vx, vy = (x - mx).square().mean((2, 3), keepdim=True), (y - my).square().mean((2, 3), keepdim=True)
            both = (x * y).mean((2, 3), keepdim=True) - mx * my
            textures.append((2 * mx * my + SMALL) / (mx.square() + my.square() + SMALL))
            structures.append((2 * both + SMALL) / (vx + vy + SMALL))
        alpha, beta = self._heads
        alike = (alpha.to(pair) * torch.cat(textures, 1)).sum() + (beta.to(pair) * torch.cat(structures, 1)).sum()
        return 1 - float(alike)


def smooth_halving(x: Tensor) -> Tensor:
    """DISTS's pooling: the root of the squares' mean under a Hann window of 3 x 3, at every second place."""
    line = x.new_tensor([0.5, 1.0, 0.5])
    window = torch.outer(line, line)
    kernel = (window / window.sum()).expand(x.shape[1], 1, 3, 3)
    return (F.conv2d(x.square(), kernel, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()
