"""The super-resolution generator of ESRGAN: residual-in-residual dense blocks (Wang et al. 2018, section 3.1)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from translate.contracts import Config
from translate.networks.network import Count, Network
from translate.networks.srresnet import Scale

DENSE, SHRINK = 5, 0.2
"""Convolutions of a dense block, and the factor of every residual branch (section 3.1, residual scaling)."""


class RRDBConfig(Config):
    """`scale`; `blocks` of three dense blocks each, whose convolutions add `growth` channels.

    `gain`: the kaiming weights are multiplied by it (section 3.1, smaller initialization).
    """

    scale: Scale = 4
    blocks: Count = 23
    filters: Count = 64
    growth: Count = 32
    gain: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1


class RRDB(Network[RRDBConfig]):
    """k3n64, blocks, a long skip, then nearest doubling and k3n64 for each doubling, k3n64, k3; no norm anywhere.

    N x in_channels x H x W to N x out_channels x (scale H) x (scale W), any size. 16,697,987 parameters at scale 4.
    """

    name = "rrdb"

    def __init__(self, config: RRDBConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        self.scale, f = config.scale, config.filters
        self.stem = nn.Conv2d(in_channels, f, 3, padding=1)
        self.blocks = nn.Sequential(*(_Block(f, config.growth) for _ in range(config.blocks)))
        self.trunk = nn.Conv2d(f, f, 3, padding=1)
        self.up = nn.ModuleList(nn.Conv2d(f, f, 3, padding=1) for _ in range(config.scale.bit_length() - 1))
        self.last = nn.Conv2d(f, f, 3, padding=1)
        self.head = nn.Conv2d(f, out_channels, 3, padding=1)
        self.initialise("kaiming")
        with torch.no_grad():
            for layer in self.modules():
                if isinstance(layer, nn.Conv2d):
                    layer.weight.mul_(config.gain)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        x = x + self.trunk(self.blocks(x))
        for conv in self.up:
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        y: Tensor = self.head(F.leaky_relu(self.last(x), 0.2))
        return y


class _Dense(nn.Module):
    """Five convolutions, each of which sees the input and all earlier outputs; the last one has no activation."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        widths = [growth] * (DENSE - 1) + [channels]
        self.convs = nn.ModuleList(
            nn.Conv2d(channels + n * growth, width, 3, padding=1) for n, width in enumerate(widths)
        )

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for conv in self.convs[:-1]:
            seen.append(F.leaky_relu(conv(torch.cat(seen, 1)), 0.2))
        y: Tensor = x + SHRINK * self.convs[-1](torch.cat(seen, 1))
        return y


class _Block(nn.Module):
    """Three dense blocks and a residual around them."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.dense = nn.Sequential(*(_Dense(channels, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + SHRINK * self.dense(x)
        return y
