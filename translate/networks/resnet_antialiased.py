"""The generator of CUT with the filters of its authors as tensors (Park et al. 2020; Zhang 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, cast

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from translate.networks.blocks import Output, has_bias, norm_layers, stack
from translate.networks.layouts.layout import Layout
from translate.networks.layouts.reference import CUT, binomial
from translate.networks.network import Count, NetworkConfig, Norm
from translate.networks.resnet import ResNet

Taps = Annotated[int, Field(ge=1, le=7)]


class AntialiasedResNetConfig(NetworkConfig):
    """Options of `resnet_antialiased`."""

    blocks: Count = 9
    """Residual blocks at a quarter of the height and width."""
    dropout: bool = False
    """Dropout of 0.5 inside of each block; the paper has none."""
    down: Literal["blurred", "strided"] = "blurred"
    """How the size is halved: by a convolution of stride 1 and a `blurred` subsampling, or by a `strided` one."""
    up: Literal["blurred", "transposed"] = "blurred"
    """How the size is doubled: by a `blurred` upsampling before a convolution, or by a `transposed` one."""
    down_taps: Taps = 3
    """The size of the filter that halves, in pixels."""
    up_taps: Taps = 4
    """The size of the filter that doubles, in pixels of the result."""
    output: Output = "tanh"
    """The last activation: `tanh` for images in [-1, 1], `none` for logits and other numbers."""


class AntialiasedResNet(ResNet):
    """`resnet` without aliasing, with filters that are tensors: what the authors of CUT trained is read into it.

    Its filters are Pascal's triangle at first, and no training changes them; those of a file take their place.
    `resnet_blurred` computes the same with these, in less time. N x in_channels x H x W to N x out_channels x H x W, H
    and W multiples of 4 and at least 8. Other sizes from 5 on come out rounded up to the next multiple of 4.
    """

    name = "resnet_antialiased"
    Config = AntialiasedResNetConfig
    layouts: ClassVar[Sequence[Layout]] = (CUT(),)

    def halving(self, channels: int) -> nn.Sequential:
        return _down(cast(AntialiasedResNetConfig, self.config), channels)

    def doubling(self, channels: int) -> nn.Sequential:
        return _up(cast(AntialiasedResNetConfig, self.config), channels)


class Subsample(nn.Module):
    """Halves height and width (rounded up) by a filter for each channel, mirrored at the border."""

    filt: Tensor

    def __init__(self, channels: int, taps: int) -> None:
        super().__init__()
        self.register_buffer("filt", binomial(taps, 1).repeat(channels, 1, 1, 1))
        before, behind = (taps - 1) // 2, taps // 2
        self.pad = (before, behind, before, behind)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, self.pad, "reflect"), self.filt, stride=2, groups=self.filt.shape[0])


class Interpolate(nn.Module):
    """Doubles height and width by a filter for each channel; the pixels of the border are repeated."""

    filt: Tensor

    def __init__(self, channels: int, taps: int) -> None:
        super().__init__()
        self.register_buffer("filt", binomial(taps, 2).repeat(channels, 1, 1, 1))
        # The repeated border is cut off again: two pixels of the result on either side, an odd filter's last one less.
        self.padding, self.more = 2 + (taps - 1) // 2, taps % 2

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (1, 1, 1, 1), "replicate")
        channels = self.filt.shape[0]
        return F.conv_transpose2d(padded, self.filt, None, 2, self.padding, self.more, channels)


def _down(config: AntialiasedResNetConfig, channels: int) -> nn.Sequential:
    kind: Norm = config.norm
    blurred = config.down == "blurred"
    conv = nn.Conv2d(channels, 2 * channels, 3, stride=1 if blurred else 2, padding=1, bias=has_bias(kind))
    layers: dict[str, nn.Module] = {"conv": conv, **norm_layers(kind, 2 * channels), "relu": nn.ReLU(inplace=True)}
    return stack({**layers, "blur": Subsample(2 * channels, config.down_taps)} if blurred else layers)


def _up(config: AntialiasedResNetConfig, channels: int) -> nn.Sequential:
    kind, half, bias = config.norm, channels // 2, has_bias(config.norm)
    behind: dict[str, nn.Module] = {**norm_layers(kind, half), "relu": nn.ReLU(inplace=True)}
    if config.up == "blurred":
        conv = nn.Conv2d(channels, half, 3, padding=1, bias=bias)
        return stack({"blur": Interpolate(channels, config.up_taps), "conv": conv, **behind})
    transposed = nn.ConvTranspose2d(channels, half, 3, stride=2, padding=1, output_padding=1, bias=bias)
    return stack({"conv": transposed, **behind})
