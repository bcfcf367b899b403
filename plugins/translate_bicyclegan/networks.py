"""The networks of BicycleGAN (Zhu et al. 2017, section 4): a U-Net that is told a code everywhere, and an encoder."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Network, NetworkConfig, Upsample, doubling, norm_layers, stack

Norm = Literal["batch", "instance", "none"]


class CodedUNetConfig(NetworkConfig):
    """Options of `bicyclegan/unet`."""

    code: PositiveInt = 8
    """Numbers of a code z."""
    levels: Annotated[int, Field(ge=2, le=12)] = 8
    """How often the size is halved: 8 for 256 pixels, down to one. Height and width are multiples of 2 ** levels."""
    upsample: Upsample = "transposed"
    """How the decoder doubles the size: by a `transposed` convolution as in the paper; `nearest` and `bilinear` before
    a convolution, which leave no checkerboard; `pixel-shuffle` after one."""


class CodedUNet(Network[CodedUNetConfig]):
    """The U-Net of pix2pix, where the code z stands beside the input of every convolution of the encoder.

    `forward(images, z)`: N x in_channels x H x W and N x code to N x out_channels x H x W in [-1, 1]; H and W are
    multiples of 2 ** levels. The channels are 1, 2, 4, 8, 8, ... times `filters`; the first, the innermost and the last
    convolution have no norm.
    """

    name = "unet"
    small = {"filters": 4, "levels": 3}

    def __init__(self, config: CodedUNetConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        self.multiple = 2**config.levels
        widths = [config.filters * min(2**level, 8) for level in range(config.levels)]
        self.down = nn.ModuleList()
        for level, (inputs, outputs) in enumerate(pairwise([in_channels, *widths])):
            bare = level in (0, config.levels - 1)
            conv = nn.Conv2d(inputs + config.code, outputs, 4, stride=2, padding=1)
            layers = {} if bare else norm_layers(config.norm, outputs)
            self.down.append(stack({"conv": conv, **layers}))
        self.up = nn.ModuleList()
        for level in reversed(range(config.levels)):
            inputs = widths[level] * (1 if level == config.levels - 1 else 2)
            outputs = widths[level - 1] if level else out_channels
            layers = norm_layers(config.norm, outputs) if level else {"tanh": nn.Tanh()}
            transposed = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
            self.up.append(stack({"relu": nn.ReLU(), **doubling(config.upsample, transposed), **layers}))
        self.initialise(config.init, config.gain, config.spectral)

    def example(self, images: Tensor) -> tuple[Tensor, ...]:
        return images, images.new_ones(len(images), self.config.code)

    def forward(self, images: Tensor, z: Tensor) -> Tensor:
        self.expect(images, multiple=self.multiple, advice="resize or crop them, or take fewer `levels`")
        x, skips = images, []
        for level, down in enumerate(self.down):
            x = down(with_code(F.leaky_relu(x, 0.2) if level else x, z))
            skips.append(x)
        y: Tensor = self.up[0](skips.pop())
        for up in self.up[1:]:
            y = up(torch.cat((skips.pop(), y), 1))
        return y


def with_code(images: Tensor, z: Tensor) -> Tensor:
    """Images N x C x H x W with each number of the code, N x D, as a constant map behind them: N x (C + D) x H x W."""
    maps = z[..., None, None].to(images.dtype).expand(-1, -1, *images.shape[-2:])
    return torch.cat((images, maps), 1)


class EncoderConfig(NetworkConfig):
    """Options of `bicyclegan/encoder`."""

    norm: Norm = "none"
    """The norm before activations: `none`, `batch`, or `instance` as in the authors' code, which takes the mean of each
    map away, and with it most of the colours that a code is to hold."""
    init: Literal["normal", "xavier", "kaiming", "orthogonal"] = "kaiming"
    """How initial weights are drawn: `kaiming` keeps the variance through layers without a norm; see `unet`."""
    blocks: Annotated[int, Field(ge=1, le=6)] = 4
    """Residual blocks, each of which halves the size: images have at least 2 ** (blocks + 1) pixels a side."""


class Encoder(Network[EncoderConfig]):
    """A small residual network from images to the mean and the log variance of a code's normal distribution.

    N x in_channels x H x W to two tensors N x out_channels. The channels are 1, 2, 3, 4, 4, ... times `filters`; the
    mean over all places comes before the last layers, so that any size will do.
    """

    name = "encoder"
    small = {"filters": 4}

    def __init__(self, config: EncoderConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        widths = [config.filters * min(n, 4) for n in range(1, config.blocks + 2)]
        self.first = nn.Conv2d(in_channels, widths[0], 4, stride=2, padding=1)
        self.blocks = nn.Sequential(*(HalvingBlock(a, b, config) for a, b in pairwise(widths)))
        self.mean = nn.Linear(widths[-1], out_channels)
        self.log_variance = nn.Linear(widths[-1], out_channels)
        self.initialise(config.init, config.gain, config.spectral)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.expect(images, smallest=2 ** (self.config.blocks + 1), advice="use larger images or fewer `blocks`")
        x = F.leaky_relu(self.blocks(self.first(images)), 0.2).mean((2, 3))
        return self.mean(x), self.log_variance(x)


class HalvingBlock(nn.Module):
    """A residual block that halves the size: the mean of 2 x 2 places behind two convolutions, and beside them."""

    def __init__(self, inputs: int, outputs: int, config: EncoderConfig) -> None:
        super().__init__()
        self.branch = stack(
            {
                **norm_layers(config.norm, inputs, "norm1"),
                "leaky1": nn.LeakyReLU(0.2),
                "conv1": nn.Conv2d(inputs, inputs, 3, padding=1),
                **norm_layers(config.norm, inputs, "norm2"),
                "leaky2": nn.LeakyReLU(0.2),
                "conv2": nn.Conv2d(inputs, outputs, 3, padding=1),
                "halve": nn.AvgPool2d(2),
            }
        )
        self.skip = stack({"halve": nn.AvgPool2d(2), "conv": nn.Conv2d(inputs, outputs, 1)})

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.skip(x) + self.branch(x)
        return y
