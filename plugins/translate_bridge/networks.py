"""The network of the bridge: a U-Net that knows the time (Ho, Jain, Abbeel 2020, appendix B; Dhariwal, Nichol 2021)."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Config, Network

LONGEST = 10_000
"""The slowest wave of the time's embedding is so many times as long as the fastest."""
FAINT = 1e-3
"""The standard deviation of the last convolution's initial weights."""
CLOCK = 1000
"""The time from 0 to 1 goes into the embedding as 0 to 1000, the steps of the papers."""


class TimeUNetConfig(Config):
    """Options of `bridge/unet`."""

    filters: PositiveInt = 64
    """Channels of the first level; the next ones have two and then four times as many."""
    levels: Annotated[int, Field(ge=1, le=6)] = 3
    """How often the size is halved; height and width of images are multiples of `patch` * 2 ** `levels`."""
    blocks: PositiveInt = 2
    """Residual blocks of each level and each way."""
    attention: bool = True
    """Lets every place of the coarsest level look at every other (self-attention)."""
    patch: Annotated[int, Field(ge=1, le=8)] = 1
    """Pixels a side that are joined into one place: 1 looks at every pixel by itself, 2 is four times as fast, and less
    sharp."""


class TimeUNet(Network[TimeUNetConfig]):
    """A U-Net of residual blocks, each of which is told the time.

    `forward(images, time, condition)`: N x C x H x W, time N in [0, 1], N x D x H x W; C + D are `in_channels`. Returns
    N x out_channels x H x W without a last activation; C and out_channels are equal. H and W are multiples of `patch` *
    2 ** `levels`. Second convolutions of blocks begin at 0, and the last one near it: the fresh network nearly returns
    its images.
    """

    name = "unet"
    small = {"filters": 4, "levels": 1, "blocks": 1}

    def __init__(self, config: TimeUNetConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        c, area = config, config.patch**2
        self.multiple = c.patch * 2**c.levels
        widths = [c.filters * min(2**level, 4) for level in range(c.levels + 1)]
        told = 4 * c.filters
        self.time = nn.Sequential(nn.Linear(2 * c.filters, told), nn.SiLU(), nn.Linear(told, told), nn.SiLU())
        self.first = nn.Conv2d(in_channels * area, widths[0], 3, padding=1)
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        skips, width = list[int](), widths[0]
        for level in range(c.levels):
            for _ in range(c.blocks):
                self.down.append(Block(width, widths[level], told))
                width = widths[level]
                skips.append(width)
            self.shrink.append(nn.Conv2d(width, width, 3, stride=2, padding=1))
        self.middle = nn.ModuleList([Block(width, widths[-1], told), Block(widths[-1], widths[-1], told)])
        self.attention = Attention(widths[-1]) if c.attention else nn.Identity()
        self.up, self.grow, width = nn.ModuleList(), nn.ModuleList(), widths[-1]
        for level in reversed(range(c.levels)):
            self.grow.append(nn.Conv2d(width, widths[level], 3, padding=1))
            width = widths[level]
            for _ in range(c.blocks):
                self.up.append(Block(width + skips.pop(), width, told))
        self.norm = norm(width)
        self.share = nn.Linear(told, out_channels)
        self.last = nn.Conv2d(width, out_channels * area, 3, padding=1)
        self.initialise("kaiming")
        for block in self.modules():
            if isinstance(block, Block):
                nn.init.zeros_(block.second.weight)
        nn.init.normal_(self.last.weight, 0, FAINT)
        nn.init.zeros_(self.share.weight)
        nn.init.ones_(self.share.bias)

    def example(self, images: Tensor) -> tuple[Tensor, ...]:
        time = torch.linspace(0, 1, len(images), device=images.device)
        return images[:, : self.out_channels], time, images[:, self.out_channels :]

    def forward(self, images: Tensor, time: Tensor, condition: Tensor | None = None) -> Tensor:
        c = self.config
        self.expect(images, multiple=self.multiple, advice="resize or crop them, or take fewer `levels`")
        told = self.time(waves(time, 2 * c.filters).to(images.dtype))
        x = images if condition is None else torch.cat((images, condition), 1)
        x, skips = self.first(F.pixel_unshuffle(x, c.patch)), []
        down = iter(self.down)
        for shrink in self.shrink:
            for _ in range(c.blocks):
                x = next(down)(x, told)
                skips.append(x)
            x = shrink(x)
        x = self.middle[1](self.attention(self.middle[0](x, told)), told)
        up = iter(self.up)
        for grow in self.grow:
            x = grow(F.interpolate(x, scale_factor=2.0, mode="nearest"))
            for _ in range(c.blocks):
                x = next(up)(torch.cat((x, skips.pop()), 1), told)
        # What is guessed, x_t - x_0, is mostly noise. The noise of x_t goes around the layers, which are left with x_0.
        y = F.pixel_shuffle(self.last(F.silu(self.norm(x))), c.patch)
        guess: Tensor = y + self.share(told)[..., None, None] * images
        return guess


class Block(nn.Module):
    """x + conv(conv(x)), where the time sets scale and shift between the two convolutions."""

    def __init__(self, inputs: int, outputs: int, told: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(inputs), norm(outputs)
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.modulate = nn.Linear(told, 2 * outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        h = self.first(F.silu(self.norm1(x)))
        scale, shift = self.modulate(told)[..., None, None].chunk(2, 1)
        h = self.norm2(h) * (1 + scale) + shift
        y: Tensor = self.skip(x) + self.second(F.silu(h))
        return y


class Attention(nn.Module):
    """x + what every place takes from all places, by one head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = norm(channels)
        self.ask = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        # N x 1 x places x channels: the exporters to ONNX follow attention with an axis of heads alone.
        query, key, value = (part.flatten(2).transpose(1, 2)[:, None] for part in self.ask(self.norm(x)).chunk(3, 1))
        mixed = F.scaled_dot_product_attention(query, key, value)[:, 0]
        y: Tensor = x + self.out(mixed.transpose(1, 2).reshape(x.shape))
        return y


def norm(channels: int) -> nn.GroupNorm:
    """Group norm of up to eight groups, which takes no statistics over the batch."""
    return nn.GroupNorm(math.gcd(8, channels), channels)


def waves(time: Tensor, size: int) -> Tensor:
    """Sines and cosines of a time N in [0, 1], of `size` / 2 lengths each: N x `size` (Vaswani et al. 2017)."""
    rates = LONGEST ** -(torch.arange(size // 2, device=time.device) / (size // 2))
    angles = CLOCK * time[:, None].float() * rates
    return torch.cat((angles.sin(), angles.cos()), 1)
