"""Networks of segmentation: the U-Net with two convolutions per level, a thinner one, and what a network is shown."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Config, Network, norm_layers

Norm = Literal["batch", "instance", "none"]


class UNetConfig(Config):
    """Options of `segmentation/unet` and `segmentation/linknet`."""

    filters: PositiveInt = 64
    """Channels of the first level, doubled from level to level up to eight times as many."""
    levels: Annotated[int, Field(ge=1, le=8)] = 4
    """How often the size is halved; height and width of images are multiples of 2 ** levels."""
    norm: Norm = "batch"
    """The norm behind each convolution, which the paper does not have: `batch`, `instance` or `none`."""


class UNet(Network[UNetConfig]):
    """Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015.

    Two 3 x 3 convolutions per level, max pooling on the way down, 2 x 2 up-convolutions and skips on the way up.

    N x in_channels x H x W to logits N x out_channels x H x W; H and W are multiples of 2 ** levels. Unlike the paper's
    it pads, so that the size stays, normalises after each convolution, and stops doubling its channels at 8 `filters`.
    """

    name = "unet"
    small = {"filters": 4, "levels": 2}

    def __init__(self, config: UNetConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        self.multiple = 2**config.levels
        widths = _widths(config)
        self.down = nn.ModuleList(_twice(a, b, config.norm) for a, b in pairwise([in_channels, *widths]))
        self.pool = nn.MaxPool2d(2)
        upwards = list(pairwise(reversed(widths)))
        self.grow = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in upwards)
        self.up = nn.ModuleList(_twice(2 * b, b, config.norm) for _, b in upwards)
        self.head = nn.Conv2d(widths[0], out_channels, 1)
        self.initialise("kaiming")

    def forward(self, images: Tensor) -> Tensor:
        self.expect(images, multiple=self.multiple, advice="resize or crop them, or take fewer `levels`")
        skips = [self.down[0](images)]
        for down in self.down[1:]:
            skips.append(down(self.pool(skips[-1])))
        x = skips.pop()
        for grow, up in zip(self.grow, self.up, strict=True):
            x = up(torch.cat((skips.pop(), grow(x)), 1))
        logits: Tensor = self.head(x)
        return logits


class LinkNet(Network[UNetConfig]):
    """A U-Net that adds its skips, as LinkNet does (Chaurasia, Culurciello, VCIP 2017), so that its way up is thin.

    Two 3 x 3 convolutions per level and max pooling on the way down, as in `segmentation/unet`, with a shortcut around
    both from the second level on (He et al. 2016). On the way up channels are first brought down to those of the skip,
    then enlarged (nearest), the skip is added, and one 3 x 3 convolution follows: half the work of a level that joins
    them. LinkNet's own encoder is a ResNet-18, and its decoder has transposed convolutions.

    N x in_channels x H x W to logits N x out_channels x H x W; H and W are multiples of 2 ** levels.
    """

    name = "linknet"
    small = {"filters": 4, "levels": 2}

    def __init__(self, config: UNetConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        self.multiple = 2**config.levels
        widths = _widths(config)
        self.first = _twice(in_channels, widths[0], config.norm)
        self.down = nn.ModuleList(Residual(a, b, config.norm) for a, b in pairwise(widths))
        self.pool = nn.MaxPool2d(2)
        upwards = list(pairwise(reversed(widths)))
        self.narrow = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in upwards)
        self.up = nn.ModuleList(_once(b, config.norm) for _, b in upwards)
        self.head = nn.Conv2d(widths[0], out_channels, 1)
        self.initialise("kaiming")

    def forward(self, images: Tensor) -> Tensor:
        self.expect(images, multiple=self.multiple, advice="resize or crop them, or take fewer `levels`")
        skips = [self.first(images)]
        for down in self.down:
            skips.append(down(self.pool(skips[-1])))
        x = skips.pop()
        for narrow, up in zip(self.narrow, self.up, strict=True):
            x = up(skips.pop() + F.interpolate(narrow(x), scale_factor=2.0, mode="nearest"))
        logits: Tensor = self.head(x)
        return logits


class Residual(nn.Module):
    """Two 3 x 3 convolutions and a shortcut around them: N x inputs x H x W to N x outputs x H x W.

    Where the number of channels changes, the shortcut is a 1 x 1 convolution.
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm) -> None:
        super().__init__()
        self.body = _twice(inputs, outputs, norm)[:-1]  # the last activation stands behind the sum
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


def _widths(config: UNetConfig) -> list[int]:
    """Channels of each level, from the full size down."""
    return [config.filters * min(2**level, 8) for level in range(config.levels + 1)]


def _once(channels: int, norm: Norm) -> nn.Sequential:
    """A 3 x 3 convolution behind the sum of a skip and what comes from below, which has no activation yet."""
    return nn.Sequential(
        *norm_layers(norm, channels).values(),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1, bias=norm != "batch"),
        *norm_layers(norm, channels).values(),
        nn.ReLU(inplace=True),
    )


def _twice(inputs: int, outputs: int, norm: Norm) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers.append(nn.Conv2d(channels, outputs, 3, padding=1, bias=norm != "batch"))
        layers += [*norm_layers(norm, outputs).values(), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class Shrunk(nn.Module):
    """A network that sees images shrunk by a whole factor: each pixel the mean of a block."""

    def __init__(self, net: nn.Module, factor: int) -> None:
        super().__init__()
        self.net, self.factor = net, factor
        self.multiple = factor * int(getattr(net, "multiple", 1))

    def forward(self, images: Tensor) -> Tensor:
        small: Tensor = self.net(shrunk(images, self.factor))
        return small


def shrunk(images: Tensor, factor: int) -> Tensor:
    """N x C x H x W to the means of blocks, or labels N x H x W to the values in their middles."""
    if images.ndim == 3:
        return images[:, factor // 2 :: factor, factor // 2 :: factor]
    return F.avg_pool2d(images, factor)


def on_shrunk(net: nn.Module, factor: int) -> nn.Module:
    """The network, seeing images shrunk by the factor, where that is more than 1."""
    return Shrunk(net, factor) if factor > 1 else net


def joined(critic: nn.Module, x: Tensor) -> Callable[[Tensor], Tensor]:
    """The critic as a function of a map alone, which it sees together with the image x."""
    return lambda maps: critic(torch.cat((x, maps), 1))
