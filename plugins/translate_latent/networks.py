"""The networks of the games: the generator and the critic of DCGAN, and the critic of pairs of BiGAN."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Config, ConfigError, Network, Upsample, doubling, norm_layers, stack

Side = Annotated[int, Field(ge=8)]
COARSEST = 4
"""Generators begin at so many pixels (of the shorter side), and critics end there."""


class GeneratorConfig(Config):
    """Options of `latent/generator`."""

    filters: Annotated[int, Field(ge=1)] = 64
    """Channels before the last layer; each layer before it has twice as many."""
    norm: Literal["batch", "none"] = "batch"
    """The norm behind all layers but the last: `batch` (the paper) or `none`."""
    upsample: Upsample = "transposed"
    """How the size is doubled: by a `transposed` convolution as in the paper; `nearest` and `bilinear` before a
    convolution, which leave no checkerboard; `pixel-shuffle` after one."""
    size: tuple[Side, Side] = (64, 64)
    """Height and width of the images. Methods state that of the training images."""


class Generator(Network[GeneratorConfig]):
    """Latent vectors, N x in_channels, to images, N x out_channels x H x W in [-1, 1] (Radford et al. 2016, figure 1).

    A transposed convolution makes a map of 4 x 4, and others of stride 2 double it up to the size. ReLU and batch norm
    between them, tanh at the end; kernels of 4 as in the authors' Torch code. Errors: ConfigError for a size that is no
    small rectangle, doubled.
    """

    name = "generator"

    def __init__(self, config: GeneratorConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        base, doublings = coarsest(config.size)
        widths = [config.filters * 2**level for level in reversed(range(doublings))]
        bias = config.norm == "none"
        first = nn.ConvTranspose2d(in_channels, widths[0], base, bias=bias)
        layers = [stack({"conv": first, **norm_layers(config.norm, widths[0]), "relu": nn.ReLU(inplace=True)})]
        for inputs, outputs in pairwise(widths):
            conv = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)
            twice = doubling(config.upsample, conv)
            layers.append(stack({**twice, **norm_layers(config.norm, outputs), "relu": nn.ReLU(inplace=True)}))
        last = nn.ConvTranspose2d(widths[-1], out_channels, 4, stride=2, padding=1, bias=bias)
        self.layers = nn.Sequential(*layers, stack({**doubling(config.upsample, last), "tanh": nn.Tanh()}))
        self.initialise()

    def example(self, images: Tensor) -> tuple[Tensor, ...]:
        """Arguments of a call: vectors in the place of images, N x in_channels."""
        return (images.mean((2, 3)),)

    def forward(self, codes: Tensor) -> Tensor:
        images: Tensor = self.layers(codes[:, :, None, None])
        return images


class CriticConfig(Config):
    """Options of `latent/critic`."""

    filters: Annotated[int, Field(ge=1)] = 64
    """Channels after the first convolution; each further one has twice as many."""
    norm: Literal["batch", "layer", "none"] = "batch"
    """The norm behind all convolutions but the first: `batch` (DCGAN); `layer`, over all values of one image, or `none`
    for gradient penalties, which look at each image alone."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of channels that are dropped behind each convolution, in training alone."""
    size: tuple[Side, Side] = (64, 64)
    """Height and width of the images. Methods state that of the training images."""


class Critic(Network[CriticConfig]):
    """Images, N x in_channels x H x W of `size`, to raw values, N x out_channels (Radford et al. 2016, section 3).

    The generator's mirror image: convolutions of stride 2 with leaky ReLU down to 4 x 4 pixels (`layers`), and one
    over all of these (`values`). Errors: ConfigError for another size of images.
    """

    name = "critic"

    def __init__(self, config: CriticConfig, *, in_channels: int, out_channels: int = 1) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        base, halvings = coarsest(config.size)
        widths = [in_channels, *(config.filters * 2**level for level in range(halvings))]
        bias = config.norm != "batch"
        self.layers = nn.Sequential()
        for number, (inputs, outputs) in enumerate(pairwise(widths)):
            conv = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)
            norm = _norm(config.norm, outputs) if number else {}
            dropout = {"dropout": nn.Dropout2d(config.dropout)} if config.dropout else {}
            self.layers.append(stack({"conv": conv, **norm, "leaky": nn.LeakyReLU(0.2, inplace=True), **dropout}))
        self.values = nn.Conv2d(widths[-1], out_channels, base, bias=bias)
        self.initialise()

    def forward(self, images: Tensor) -> Tensor:
        if tuple(images.shape[-2:]) != self.config.size:
            height, width = self.config.size
            raise ConfigError(
                f"latent/critic judges images of {height} x {width} pixels, and these have {images.shape[2]} x "
                f"{images.shape[3]}; resize them"
            )
        values: Tensor = self.values(self.layers(images)).flatten(1)
        return values


class PairCritic(nn.Module):
    """Images, N x C x H x W, and latent vectors, N x n, to one raw score a pair, N x 1 (Donahue et al. 2017, figure 1).

    `images` turns images into N x width values; the vectors get as many, and a hidden layer joins both.
    """

    def __init__(self, images: nn.Module, *, width: int, latent: int) -> None:
        super().__init__()
        self.images = images
        self.codes = nn.Linear(latent, width)
        self.joined = nn.Sequential(
            nn.LeakyReLU(0.2), nn.Linear(2 * width, width), nn.LeakyReLU(0.2), nn.Linear(width, 1)
        )

    def forward(self, images: Tensor, codes: Tensor) -> Tensor:
        scores: Tensor = self.joined(torch.cat((self.images(images), self.codes(codes)), 1))
        return scores


def fitted(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Images in another size, (height, width); as they are where they have it."""
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    return F.interpolate(images, size, mode="bilinear", antialias=True)


def first_value(values: Tensor) -> Tensor:
    """The score of a critic that says more than that: N x 1 of N x m."""
    return values[:, :1]


class Parts:
    """A critic of whose values, N x m, `score` makes the score that an objective looks at.

    `calls` keeps the values of each call in order: an objective calls it with real images, then with fakes.
    """

    def __init__(self, net: Callable[[Tensor], Tensor], score: Callable[[Tensor], Tensor] = first_value) -> None:
        self.net, self.score = net, score
        self.calls: list[Tensor] = []

    def __call__(self, images: Tensor) -> Tensor:
        values = self.net(images)
        self.calls.append(values)
        return self.score(values)


def coarsest(size: tuple[int, int]) -> tuple[tuple[int, int], int]:
    """The smallest map (height, width) and how often it is doubled to images of this size: once at least.

    Errors: ConfigError where 2 does not divide the size often enough.
    """
    doublings = max(1, (min(size) // COARSEST).bit_length() - 1)
    step = 2**doublings
    if any(length % step for length in size):
        raise ConfigError(
            f"latent: {size[0]} x {size[1]} pixels are not a small map doubled {doublings} times; resize images to "
            f"multiples of {step} pixels"
        )
    return (size[0] // step, size[1] // step), doublings


def _norm(kind: Literal["batch", "layer", "none"], channels: int) -> dict[str, nn.Module]:
    return {"norm": nn.GroupNorm(1, channels)} if kind == "layer" else norm_layers(kind, channels)
