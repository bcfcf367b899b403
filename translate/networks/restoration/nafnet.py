"""NAFNet, a network of restoration without activation functions (Chen et al. 2022)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from translate.contracts import Config
from translate.networks.blocks import Output, output, stack
from translate.networks.network import Count, Network
from translate.networks.restoration.layer_norm import LayerNorm2d

Blocks = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1, max_length=6)]


class NAFNetConfig(Config):
    """Options of `nafnet`."""

    filters: Count = 32
    """Channels at the full size; each halving doubles them. 32 and 64 in the paper."""
    encoder: Blocks = (2, 2, 4, 8)
    """Blocks before each halving, from the full size on: as many numbers as halvings. The paper's network for noise has
    2, 2, 4, 8, the one for blur 1, 1, 1, 28."""
    middle: Annotated[int, Field(ge=0)] = 12
    """Blocks at the smallest size: 12 for noise, 1 for blur."""
    decoder: Annotated[int, Field(ge=0)] = 2
    """Blocks behind each doubling: 2 for noise, 1 for blur."""
    residual: bool = True
    """Adds the input to the output, where both have as many channels, so that training starts from the input. `false`
    for outputs that do not look like their inputs."""
    output: Output = "none"
    """The last activation, before the input is added: `none` as in the paper, or `tanh` for images in [-1, 1]."""


class NAFNet(Network[NAFNetConfig]):
    """The network of restoration without activation functions: products of channels take their place.

    Chen et al. 2022, "Simple Baselines for Image Restoration", section 3. N x in_channels x H x W to N x out_channels x
    H x W; H and W are multiples of 2 to the number of halvings. Blocks at each size of a U; 2 x 2 convolutions of
    stride 2 down, pixel shuffling up, and skips that are added. 29,159,715 parameters with three channels. The channel
    attention takes the mean of the whole image: in use, large images get that of all of them, whether they go whole or
    in strips.
    """

    name = "nafnet"
    small = {"filters": 4, "encoder": (1,), "middle": 1, "decoder": 1}

    def __init__(self, config: NAFNetConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        self.multiple = 2 ** len(config.encoder)
        self.adds_input = config.residual and in_channels == out_channels
        widths = [config.filters * 2**level for level in range(len(config.encoder))]
        innermost = config.filters * self.multiple
        self.stem = nn.Conv2d(in_channels, config.filters, 3, padding=1)
        self.encoder = nn.ModuleList(_blocks(*level) for level in zip(widths, config.encoder, strict=True))
        self.down = nn.ModuleList(nn.Conv2d(width, 2 * width, 2, stride=2) for width in widths)
        self.middle = _blocks(innermost, config.middle)
        self.up = nn.ModuleList(_up(width) for width in reversed(widths))
        self.decoder = nn.ModuleList(_blocks(width, config.decoder) for width in reversed(widths))
        head = nn.Conv2d(config.filters, out_channels, 3, padding=1)
        self.head = stack({"conv": head, **output(config.output)})
        self.initialise("kaiming")

    def forward(self, images: Tensor) -> Tensor:
        self.expect(images, multiple=self.multiple, advice="resize or crop them, or take fewer levels in `encoder`")
        x, skips = self.stem(images), []
        for blocks, down in zip(self.encoder, self.down, strict=True):
            x = blocks(x)
            skips.append(x)
            x = down(x)
        x = self.middle(x)
        for up, blocks in zip(self.up, self.decoder, strict=True):
            x = blocks(up(x) + skips.pop())
        y: Tensor = self.head(x)
        return images + y if self.adds_input else y


class NAFBlock(nn.Module):
    """Two residual branches, each normalised and scaled by a learned number for each channel, 0 at first.

    The first one mixes neighbours (a 3 x 3 convolution of each channel) and weights channels by the image's means; the
    second one mixes channels (Chen et al. 2022, figure 3d). N x channels x H x W to the same shape.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.spatial = stack(
            {
                "norm": LayerNorm2d(channels),
                "expand": nn.Conv2d(channels, wide, 1),
                "depthwise": nn.Conv2d(wide, wide, 3, padding=1, groups=wide),
                "gate": SimpleGate(),
                "attention": ChannelAttention(channels),
                "project": nn.Conv2d(channels, channels, 1),
            }
        )
        self.pointwise = stack(
            {
                "norm": LayerNorm2d(channels),
                "expand": nn.Conv2d(channels, wide, 1),
                "gate": SimpleGate(),
                "project": nn.Conv2d(channels, channels, 1),
            }
        )
        # At 0 the block is the identity, whatever the other weights are: deep networks begin to train as shallow ones.
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.beta * self.spatial(x)
        y: Tensor = x + self.gamma * self.pointwise(x)
        return y


class SimpleGate(nn.Module):
    """The product of one half of the channels with the other, in place of an activation."""

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, 1)
        return first * second


class ChannelAttention(nn.Module):
    """Each channel times a weight that depends on the means of all channels over the image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x * self.weigh(x.mean((2, 3), keepdim=True))
        return y


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(NAFBlock(channels) for _ in range(count)))


def _up(channels: int) -> nn.Sequential:
    """Doubles the size of twice as many channels: a 1 x 1 convolution, whose channels are interleaved."""
    conv = nn.Conv2d(2 * channels, 4 * channels, 1, bias=False)
    return stack({"conv": conv, "shuffle": nn.PixelShuffle(2)})
