"""The generator of Yu, Lin, Yang, Shen, Lu, Huang, "Free-Form Image Inpainting with Gated Convolution", ICCV 2019."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Network, NetworkConfig

DILATIONS = (2, 4, 8, 16)


class GatedConfig(NetworkConfig):
    """Options of `inpainting/gated`."""

    filters: int = 48
    """Channels after the first convolution, gates not counted; 48 in the paper."""
    norm: Literal["batch", "instance", "none"] = "none"
    """The norm behind convolutions: `none` as in the paper, since statistics would mix holes with what is known."""
    init: Literal["normal", "xavier", "kaiming", "orthogonal"] = "xavier"
    """How initial weights are drawn: `xavier` and `orthogonal`, times `gain`; `kaiming`; `normal` with deviation
    `gain`."""
    gain: float = 1.0
    """The factor of `xavier` and `orthogonal` weights, the deviation of `normal` ones."""


class Gated(nn.Module):
    """elu(W_f x) * sigmoid(W_g x): a convolution that learns where what it sees counts (section 3.1, equation 2)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        pad = dilation * (kernel // 2)
        self.conv = nn.Conv2d(inputs, 2 * outputs, kernel, stride, pad, dilation, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        feature, gate = self.conv(x).chunk(2, 1)
        y: Tensor = F.elu(feature) * torch.sigmoid(gate)
        return y


class GatedGenerator(Network[GatedConfig]):
    """The first of the two stages of the free-form network, with skips: gated convolutions all through (section 3.3).

    N x in_channels x H x W, of which one channel is the mask, to N x out_channels x H x W in [-1, 1]; H and W are
    multiples of 4. Two halvings, dilated convolutions that see across holes, and two doublings by the nearest pixel.
    Where the paper's second stage sharpens, the features of the encoder are joined to the decoder.
    """

    name = "gated"
    multiple = 4
    small: ClassVar = {"filters": 4}

    def __init__(self, config: GatedConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        f = config.filters
        self.full = Gated(in_channels, f, 5)
        self.halved = nn.Sequential(Gated(f, 2 * f, stride=2), Gated(2 * f, 2 * f))
        self.quartered = nn.Sequential(Gated(2 * f, 4 * f, stride=2), Gated(4 * f, 4 * f))
        self.context = nn.Sequential(*(Gated(4 * f, 4 * f, dilation=dilation) for dilation in DILATIONS))
        self.to_half = nn.Sequential(Gated(4 * f, 2 * f), Gated(2 * f, 2 * f))
        self.to_full = nn.Sequential(Gated(4 * f, f), Gated(f, f))
        self.last = nn.Conv2d(2 * f, out_channels, 3, padding=1, padding_mode="reflect")
        self.initialise(config.init, config.gain, config.spectral)

    def forward(self, images: Tensor) -> Tensor:
        smallest = 4 * (max(DILATIONS) + 1)
        self.expect(images, smallest=smallest, multiple=self.multiple, advice="resize or crop them")
        full = self.full(images)
        halved = self.halved(full)
        inside = self.context(self.quartered(halved))
        inside = self.to_half(F.interpolate(inside, scale_factor=2.0, mode="nearest"))
        inside = F.interpolate(torch.cat((halved, inside), 1), scale_factor=2.0, mode="nearest")
        y: Tensor = self.last(torch.cat((full, self.to_full(inside)), 1))
        return y.tanh()
