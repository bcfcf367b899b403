"""SwinIR, a transformer for super-resolution and restoration (Liang et al. 2021), in its lightweight form."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from translate.contracts import Config
from translate.networks.blocks import stack
from translate.networks.network import Count, Network
from translate.networks.resample import bicubic
from translate.networks.restoration.layer_norm import LayerNorm2d
from translate.networks.restoration.window_attention import window_attention

DEVIATION, EPSILON = 0.02, 1e-5
"""Of initial weights, and in the layer norms."""


class SwinIRConfig(Config):
    """Options of `swinir`, which are those of the paper's lightweight network."""

    scale: Literal[1, 2, 3, 4] = 4
    """How many times higher and wider the output is than the input: 2, 3 or 4, or 1 for a restoration."""
    filters: Count = 60
    """Channels of all layers, a multiple of `heads`. 60 in the lightweight network, 180 in the large one."""
    groups: Count = 4
    """Groups of layers, each with a convolution behind it and a residual around it. 4, and 6 in the large network."""
    layers: Count = 6
    """Transformer layers of a group; every second one has its windows shifted by half."""
    heads: Count = 6
    """Heads of the attention."""
    window: Annotated[int, Field(ge=2, le=64)] = 8
    """Side of the windows in pixels, within which pixels attend to each other. Images are padded to multiples of it
    inside."""
    expand: Count = 2
    """How many times more channels stand between the two layers behind each attention."""
    residual: bool = False
    """Adds the bicubic enlargement of the input to the output, so that training starts from there. For `scale: 1` it is
    the input itself, as in the paper."""

    @model_validator(mode="after")
    def _whole_heads(self) -> SwinIRConfig:
        if self.filters % self.heads:
            raise ValueError(f"`filters`, {self.filters}, is no multiple of `heads`, {self.heads}")
        return self


class SwinIR(Network[SwinIRConfig]):
    """The lightweight network of SwinIR: groups of transformer layers at the input's size, then one pixel shuffle.

    Liang et al. 2021, section 3. A 3 x 3 convolution; `groups` of `layers`, in which pixels attend to each
    other within windows; a convolution and a long skip; a convolution to scale^2 times the output's channels, which are
    interleaved. N x in_channels x H x W to N x out_channels x (scale H) x (scale W), of any size above half a window.
    929,628 parameters at scale 4, 918,267 at 3, 910,152 at 2. In use, images larger than memory go in strips, with the
    same result. Training has no stochastic depth here.
    """

    name = "swinir"
    small = {"filters": 4, "groups": 1, "layers": 2, "heads": 2, "window": 4}

    def __init__(self, config: SwinIRConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        self.scale, f = config.scale, config.filters
        self.stem = nn.Conv2d(in_channels, f, 3, padding=1)
        self.norm_first = LayerNorm2d(f, EPSILON)
        self.groups = nn.Sequential(*(SwinGroup(config) for _ in range(config.groups)))
        self.norm_last = LayerNorm2d(f, EPSILON)
        self.trunk = nn.Conv2d(f, f, 3, padding=1)
        head = nn.Conv2d(f, out_channels * self.scale**2, 3, padding=1)
        self.head = stack({"conv": head, "shuffle": nn.PixelShuffle(self.scale)})
        self.initialise("normal", DEVIATION)

    def forward(self, images: Tensor) -> Tensor:
        window, scale = self.config.window, self.scale
        self.expect(images, smallest=window // 2 + 1, advice="use larger images or a smaller `window`")
        height, width = images.shape[-2:]
        first = self.stem(F.pad(images, (0, -width % window, 0, -height % window), mode="reflect"))
        x = self.trunk(self.norm_last(self.groups(self.norm_first(first))))
        y: Tensor = self.head(first + x)[..., : scale * height, : scale * width]
        if not self.config.residual:
            return y
        return y + (images if scale == 1 else bicubic(images, scale).to(y.dtype))


class SwinGroup(nn.Module):
    """x + a convolution of transformer layers: the residual Swin Transformer block, RSTB (section 3.2)."""

    def __init__(self, config: SwinIRConfig) -> None:
        super().__init__()
        half = config.window // 2
        layers = (SwinLayer(config, shift=half * (number % 2)) for number in range(config.layers))
        conv = nn.Conv2d(config.filters, config.filters, 3, padding=1)
        self.branch = stack({"layers": nn.Sequential(*layers), "conv": conv})

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.branch(x)
        return y


class SwinLayer(nn.Module):
    """A transformer layer: attention within windows, then two layers on each pixel, each with a norm and a residual.

    Section 3.2. N x filters x H x W to the same shape, H and W multiples of the window. What a transformer calls a
    linear layer is a 1 x 1 convolution here.
    """

    def __init__(self, config: SwinIRConfig, shift: int) -> None:
        super().__init__()
        f, self.window, self.shift = config.filters, config.window, shift
        self.norm1 = LayerNorm2d(f, EPSILON)
        self.qkv = nn.Conv2d(f, 3 * f, 1)
        self.position = nn.Parameter(torch.empty((2 * self.window - 1) ** 2, config.heads))
        self.project = nn.Conv2d(f, f, 1)
        self.norm2 = LayerNorm2d(f, EPSILON)
        wide = config.expand * f
        self.mlp = stack({"expand": nn.Conv2d(f, wide, 1), "gelu": nn.GELU(), "project": nn.Conv2d(wide, f, 1)})
        nn.init.normal_(self.position, 0.0, DEVIATION)

    def forward(self, x: Tensor) -> Tensor:
        attended = window_attention(self.qkv(self.norm1(x)), self.bias(), self.window, self.shift)
        x = x + self.project(attended)
        y: Tensor = x + self.mlp(self.norm2(x))
        return y

    def bias(self) -> Tensor:
        """What is added to the scores of each head by the relative position of query and key: heads x w^2 x w^2."""
        w = self.window
        place = torch.arange(w, device=self.position.device)
        apart = place[:, None] - place + w - 1  # from 0 to 2 w - 2: the query's row minus the key's, likewise columns
        index = apart[:, None, :, None] * (2 * w - 1) + apart[:, None, :]
        return self.position[index.reshape(w * w, w * w)].permute(2, 0, 1)
