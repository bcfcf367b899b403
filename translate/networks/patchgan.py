"""Discriminators that judge patches (Isola et al. 2017, section 3.2.2 and appendix 6.1.2). All return raw scores."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from translate.networks.blocks import has_bias, norm_layers, stack
from translate.networks.layouts.layout import Layout
from translate.networks.layouts.reference import ReferencePatchGAN, ReferencePixelGAN
from translate.networks.network import Network, NetworkConfig


class PatchGANConfig(NetworkConfig):
    """Options of `patchgan`."""

    layers: Annotated[int, Field(ge=1, le=8)] = 3
    """Convolutions of stride 2. With 1 to 5 of them, a score sees a patch of 16, 34, 70, 142 or 286 pixels a side."""


class PatchGAN(Network[PatchGANConfig]):
    """The critic of patches of pix2pix and CycleGAN: C64-C128-C256-C512-C1 (Isola et al. 2017, section 3.2.2).

    4 x 4 convolutions, `layers` of them with stride 2, then two with stride 1. N x in_channels x H x W to N x
    out_channels x h x w raw scores, of any height H with h = H // 2 ** layers - 2 >= 1, and likewise the width. The
    channels double up to 8 times `filters`. No norm after the first convolution.
    """

    name = "patchgan"
    small = {"filters": 4}
    layouts: ClassVar[Sequence[Layout]] = (ReferencePatchGAN(),)

    def __init__(self, config: PatchGANConfig, *, in_channels: int, out_channels: int = 1) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        widths = [config.filters * min(2**layer, 8) for layer in range(config.layers + 1)]
        self.first = stack(
            {
                "conv": nn.Conv2d(in_channels, widths[0], 4, stride=2, padding=1),
                "leaky": nn.LeakyReLU(0.2, inplace=True),
            }
        )
        self.middle = nn.Sequential()
        for layer, (inputs, outputs) in enumerate(pairwise(widths), 1):
            stride = 2 if layer < config.layers else 1
            conv = nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1, bias=has_bias(config.norm))
            self.middle.append(
                stack({"conv": conv, **norm_layers(config.norm, outputs), "leaky": nn.LeakyReLU(0.2, inplace=True)})
            )
        self.last = nn.Conv2d(widths[-1], out_channels, 4, padding=1)
        self.initialise(config.init, config.gain, config.spectral)

    def forward(self, images: Tensor) -> Tensor:
        self.expect(images, smallest=3 * 2**self.config.layers, advice="use larger images or fewer `layers`")
        y: Tensor = self.last(self.middle(self.first(images)))
        return y


class PixelGAN(Network[NetworkConfig]):
    """The critic that judges every pixel alone: C64-C128-C1 of 1 x 1 convolutions (Isola et al. 2017, appendix 6.1.2).

    N x in_channels x H x W to N x out_channels x H x W raw scores, of any size. Under batch norm the last convolution
    has no bias, as in the authors' PyTorch code.
    """

    name = "pixel"
    layouts: ClassVar[Sequence[Layout]] = (ReferencePixelGAN(),)

    def __init__(self, config: NetworkConfig, *, in_channels: int, out_channels: int = 1) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        f, bias = config.filters, has_bias(config.norm)
        self.first = stack({"conv": nn.Conv2d(in_channels, f, 1), "leaky": nn.LeakyReLU(0.2, inplace=True)})
        self.middle = stack(
            {
                "conv": nn.Conv2d(f, 2 * f, 1, bias=bias),
                **norm_layers(config.norm, 2 * f),
                "leaky": nn.LeakyReLU(0.2, inplace=True),
            }
        )
        self.last = nn.Conv2d(2 * f, out_channels, 1, bias=bias)
        self.initialise(config.init, config.gain, config.spectral)

    def forward(self, images: Tensor) -> Tensor:
        y: Tensor = self.last(self.middle(self.first(images)))
        return y
