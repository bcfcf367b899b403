"""The U-Net generator of pix2pix (Isola et al. 2017, section 3.2.1 and appendix 6.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from translate.networks.blocks import Layers, Output, has_bias, norm_layers, output, stack
from translate.networks.layouts.layout import Layout
from translate.networks.layouts.reference import ReferenceUNet
from translate.networks.network import Network, NetworkConfig, Norm
from translate.networks.upsample import Upsample, doubling


class UNetConfig(NetworkConfig):
    """Options of `unet`."""

    norm: Norm = "batch"
    """The norm behind convolutions: `batch` as in the paper, `instance`, or `none`."""
    levels: Annotated[int, Field(ge=2, le=12)] = 8
    """How often the size is halved: 8 for 256 pixels, down to one. Height and width are multiples of 2 ** levels."""
    dropout: bool = True
    """Dropout of 0.5 in the inner layers of the decoder, of networks with six levels and more."""
    upsample: Upsample = "transposed"
    """How the decoder doubles the size: by a `transposed` convolution as in the paper; `nearest` and `bilinear` before
    a convolution, which leave no checkerboard; `pixel-shuffle` after one."""
    attention: bool = False
    """Weighs every place of a skip by what the decoder knows there (attention gates, Oktay et al. 2018), so that it
    takes details from where they matter."""
    output: Output = "tanh"
    """The last activation: `tanh` for images in [-1, 1], `none` for logits and other numbers."""


class UNet(Network[UNetConfig]):
    """The U-Net generator of pix2pix: an encoder and its mirror image, joined by a skip at every size.

    `levels` 4 x 4 convolutions of stride 2 each way (Isola et al. 2017, section 3.2.1 and appendix 6.1.1). N x
    in_channels x H x W to N x out_channels x H x W; H and W are multiples of 2 ** levels. The channels are 1, 2, 4, 8,
    8, ... times `filters`. An activation stands before each convolution; the first and the innermost convolution have
    no norm (one pixel has no statistics). Dropout stands in the decoder from its second layer on, up to where the
    channels begin to shrink: levels - 5 times, which is never for five levels and fewer. With `attention` it is the
    attention U-Net (Oktay et al. 2018).
    """

    name = "unet"
    small = {"filters": 4}
    layouts: ClassVar[Sequence[Layout]] = (ReferenceUNet(),)

    def __init__(self, config: UNetConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        self.multiple = 2**config.levels
        widths = [config.filters * min(2**level, 8) for level in range(config.levels)]
        steps = enumerate(pairwise([in_channels, *widths]))
        self.down = nn.ModuleList(_down(config, level, inputs, outputs) for level, (inputs, outputs) in steps)
        self.up = nn.ModuleList(_up(config, level, widths, out_channels) for level in reversed(range(config.levels)))
        if config.attention:
            # In the order of `up`: the first one gates the innermost skip. What the decoder holds there are the
            # innermost features, and from then on a skip and as many channels beside it.
            known = [widths[-1], *(2 * width for width in widths[-2:0:-1])]
            self.gates = nn.ModuleList(map(AttentionGate, reversed(widths[:-1]), known))
        self.initialise(config.init, config.gain, config.spectral)

    def forward(self, images: Tensor) -> Tensor:
        self.expect(images, multiple=self.multiple, advice="resize or crop them, or take fewer `levels`")
        x, skips = images, []
        for down in self.down:
            x = down(x)
            skips.append(x)
        skips.pop()
        for number, up in enumerate(self.up):
            skip = skips.pop() if skips else None
            if skip is not None and self.config.attention:
                skip = self.gates[number](skip, x)
            x = up(x)
            if skip is not None:
                x = torch.cat((skip, x), 1)
        return x


class AttentionGate(nn.Module):
    """Weighs each place of a skip by a number in (0, 1), which skip and decoder decide on together.

    a = sigmoid(psi relu(W_x skip + W_g decoder)), at the decoder's size, then interpolated to the skip's (Oktay et al.
    2018, equations 1 and 2). A skip N x channels x 2h x 2w and the decoder's N x `known` x h x w to the
    skip's shape. Between them stand half as many channels as the skip has.
    """

    def __init__(self, channels: int, known: int) -> None:
        super().__init__()
        inner = max(1, channels // 2)
        self.of_skip = nn.Conv2d(channels, inner, 2, stride=2, bias=False)
        self.of_decoder = nn.Conv2d(known, inner, 1)
        self.psi = nn.Conv2d(inner, 1, 1)

    def forward(self, skip: Tensor, decoder: Tensor) -> Tensor:
        # The decoder's next layer is a ReLU in place: what is read here must be a tensor of its own.
        both = self.of_skip(skip) + self.of_decoder(F.relu(decoder))
        weights = torch.sigmoid(self.psi(F.relu(both)))
        return skip * F.interpolate(weights, scale_factor=2.0, mode="bilinear")


def _down(config: UNetConfig, level: int, inputs: int, outputs: int) -> nn.Sequential:
    outermost, innermost = level == 0, level == config.levels - 1
    return stack(
        {
            **({} if outermost else {"leaky": nn.LeakyReLU(0.2)}),
            "conv": nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=has_bias(config.norm)),
            **({} if outermost or innermost else norm_layers(config.norm, outputs)),
        }
    )


def _up(config: UNetConfig, level: int, widths: list[int], out_channels: int) -> nn.Sequential:
    outermost, innermost = level == 0, level == config.levels - 1
    inputs = widths[level] if innermost else 2 * widths[level]
    outputs = out_channels if outermost else widths[level - 1]
    bias = outermost or has_bias(config.norm)
    transposed = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)
    layers: Layers = {"relu": nn.ReLU(inplace=True), **doubling(config.upsample, transposed)}
    if outermost:
        return stack({**layers, **output(config.output)})
    layers |= norm_layers(config.norm, outputs)
    if config.dropout and 4 <= level < config.levels - 1:
        layers["dropout"] = nn.Dropout(0.5)
    return stack(layers)
