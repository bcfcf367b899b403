"""The networks of SRGAN (Ledig et al. 2017, section 2.2, figure 4) and the generator of ESRGAN (Wang et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Config, ConfigError, Layout, Network, NetworkConfig, bicubic, norm_layers, shuffling, stack
from translate_srgan.layouts import ESRGAN, OldESRGAN, RealESRGAN, SRGANLayout

Norm = Literal["batch", "instance", "none"]
Scale = Literal[2, 3, 4, 8]
Count = Annotated[int, Field(ge=1)]

DENSE, SHRINK = 5, 0.2
"""Convolutions of a dense block, and the factor of every residual branch (ESRGAN, section 3.1, residual scaling)."""
HIDDEN = 1024
"""Units of the critic's hidden fully connected layer."""


class SRResNetConfig(NetworkConfig):
    """Options of `srresnet`, whose norm is `batch` as in the paper."""

    norm: Norm = "batch"
    """The norm behind the convolutions of a residual block: `batch` as in the paper, `instance`, or `none`."""
    scale: Scale = 4
    """How many times higher and wider the output is than the input: 4 as in the paper, 2, 3 or 8."""
    blocks: Count = 16
    """Residual blocks, all of them at the input's size. The paper has 16."""
    residual: bool = False
    """Adds the bicubic enlargement of the input to the output, so that training starts from there."""
    output: Literal["tanh", "none"] = "none"
    """The last activation: `none` as in the authors' later code, or `tanh`, which bounds the values to [-1, 1]."""
    tail: Literal["doublings", "resized", "direct"] = "doublings"
    """What enlarges the features: `doublings` as in the paper, with a 9 x 9 convolution at the output's size;
    `resized`, the same with repeated pixels before each convolution in the place of a pixel shuffle after it, so that
    a critic leaves no checkerboard; or `direct`, one 3 x 3 convolution and one pixel shuffle, which leave the time to
    the blocks (as in ESPCN)."""


class SRResNet(Network[SRResNetConfig]):
    """The generator of SRGAN: k9n64, residual blocks k3n64, a long skip, pixel shuffling by 2 for each doubling (at
    scale 3 by 3 once), k9.

    N x in_channels x H x W to N x out_channels x (scale H) x (scale W), any size. All blocks work at the input's size.
    Biases stand before batch norms too, as in the count of the paper's figure: 1,549,462 parameters at scale 4.
    """

    name = "srresnet"
    small = {"filters": 4, "blocks": 1}
    layouts: ClassVar[Sequence[Layout]] = (SRGANLayout(),)

    def __init__(self, config: SRResNetConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        self.scale = config.scale
        f = config.filters
        self.stem = stack({"conv": nn.Conv2d(in_channels, f, 9, padding=4), "prelu": nn.PReLU()})
        self.trunk = nn.Sequential(
            *(Residual(f, config.norm) for _ in range(config.blocks)),
            stack({"conv": nn.Conv2d(f, f, 3, padding=1), **norm_layers(config.norm, f)}),
        )
        last: dict[str, nn.Module] = {"tanh": nn.Tanh()} if config.output == "tanh" else {}
        if config.tail == "direct":
            self.up = nn.Sequential()
            self.head = stack({**shuffling(f, out_channels, config.scale), **last})
        else:
            enlarging = _resizing if config.tail == "resized" else _enlarging
            self.up = nn.Sequential(*(enlarging(f, factor) for factor in factors(config.scale)))
            self.head = stack({"conv": nn.Conv2d(f, out_channels, 9, padding=4), **last})
        self.initialise(config.init, config.gain, config.spectral)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        y: Tensor = self.head(self.up(x + self.trunk(x)))
        return y + bicubic(images, self.scale).to(y.dtype) if self.config.residual else y


# Bundles record the names of layer classes: under another one, models that exist would be refused.
class Residual(nn.Module):
    """x + branch(x): two convolutions, each with its norm, and a PReLU between them."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.branch = stack(
            {
                "conv1": nn.Conv2d(channels, channels, 3, padding=1),
                **norm_layers(norm, channels, "norm1"),
                "prelu": nn.PReLU(),
                "conv2": nn.Conv2d(channels, channels, 3, padding=1),
                **norm_layers(norm, channels, "norm2"),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.branch(x)
        return y


def factors(scale: int) -> list[int]:
    """The enlargements, one after another, that make up a scale: doublings, or three times at once."""
    return [3] if scale == 3 else [2] * (scale.bit_length() - 1)


def _enlarging(channels: int, factor: int) -> nn.Sequential:
    """`factor` times the height and width: its square times the channels, interleaved (Shi et al. 2016)."""
    conv = nn.Conv2d(channels, factor**2 * channels, 3, padding=1)
    return stack({"conv": conv, "shuffle": nn.PixelShuffle(factor), "prelu": nn.PReLU()})


def _resizing(channels: int, factor: int) -> nn.Sequential:
    """`factor` times the height and width: repeated pixels, then a convolution (Odena et al. 2016)."""
    conv = nn.Conv2d(channels, channels, 3, padding=1)
    return stack({"resample": nn.Upsample(scale_factor=factor, mode="nearest"), "conv": conv, "prelu": nn.PReLU()})


class RRDBConfig(Config):
    """Options of `rrdb`."""

    scale: Literal[1, 2, 3, 4, 8] = 4
    """How many times higher and wider the output is than the input: 4 as in the paper, 2, 3, 8, or 1 for a restoration.
    """
    unshuffle: Literal[1, 2, 4] = 1
    """Makes channels of squares of so many pixels before the first convolution, so that all blocks work at a smaller
    size: Real-ESRGAN has 2 at scale 2, and 4 at scale 1."""
    blocks: Count = 23
    """Residual-in-residual blocks of three dense blocks each. The paper has 23; 16 make a smaller model."""
    filters: Count = 64
    """Channels of the trunk."""
    growth: Count = 32
    """Channels that each convolution of a dense block adds to those that the next ones see."""
    gain: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1
    """The factor of the initial kaiming weights: small ones let a deep network train (section 3.1)."""

    @model_validator(mode="after")
    def _three_times_at_once(self) -> RRDBConfig:
        if self.scale == 3 and self.unshuffle != 1:
            raise ValueError("`unshuffle` goes with doublings, and `scale: 3` has none")
        return self


class RRDB(Network[RRDBConfig]):
    """The generator of ESRGAN: residual-in-residual dense blocks, no norm anywhere (Wang et al. 2018, section 3.1).

    k3n64, blocks, a long skip, then nearest doubling and k3n64 for each doubling, k3n64, k3; scale 3 is one step.
    N x in_channels x H x W to N x out_channels x (scale H) x (scale W), any size, with `unshuffle` multiples of it.
    16,697,987 parameters at scale 4.
    """

    name = "rrdb"
    small = {"filters": 4, "blocks": 1, "growth": 2}
    layouts: ClassVar[Sequence[Layout]] = (ESRGAN(), RealESRGAN(), OldESRGAN())

    def __init__(self, config: RRDBConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        self.scale, f = config.scale, config.filters
        self.multiple = config.unshuffle
        self.stem = nn.Conv2d(in_channels * config.unshuffle**2, f, 3, padding=1)
        self.blocks = nn.Sequential(*(_Block(f, config.growth) for _ in range(config.blocks)))
        self.trunk = nn.Conv2d(f, f, 3, padding=1)
        self.factors = factors(config.scale * config.unshuffle)
        self.up = nn.ModuleList(nn.Conv2d(f, f, 3, padding=1) for _ in self.factors)
        self.last = nn.Conv2d(f, f, 3, padding=1)
        self.head = nn.Conv2d(f, out_channels, 3, padding=1)
        self.initialise("kaiming")
        with torch.no_grad():
            for layer in self.modules():
                if isinstance(layer, nn.Conv2d):
                    layer.weight.mul_(config.gain)

    def forward(self, images: Tensor) -> Tensor:
        square = self.config.unshuffle
        if square != 1:
            self.expect(images, multiple=square, advice="resize or crop them")
            images = F.pixel_unshuffle(images, square)
        x = self.stem(images)
        x = x + self.trunk(self.blocks(x))
        for factor, conv in zip(self.factors, self.up, strict=True):
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=factor, mode="nearest")), 0.2)
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


# Bundles record the names of layer classes: under another one, models that exist would be refused.
class _Block(nn.Module):
    """Three dense blocks and a residual around them."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.dense = nn.Sequential(*(_Dense(channels, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + SHRINK * self.dense(x)
        return y


class SRGANCriticConfig(NetworkConfig):
    """Options of `srgan-critic`, whose norm is `batch` as in the paper."""

    norm: Norm = "batch"
    """The norm behind all convolutions but the first: `batch` as in the paper, `instance`, or `none`."""
    crop: Annotated[int, Field(ge=16, multiple_of=16)] = 96
    """The side in pixels of the images that it judges, which its fully connected layer is made for: the training crops.

    It does not matter with `pool: true`.
    """
    pool: bool = False
    """Averages over the image before the fully connected layers, which then judge any size from 16 pixels on.

    The first of them has (crop / 16)^2 times fewer weights then, and treats all places alike.
    """


class SRGANCritic(Network[SRGANCriticConfig]):
    """The critic of SRGAN: eight 3 x 3 convolutions, stride 1 and 2 in turn, 64 to 512 channels, then 1024 units.

    N x in_channels x crop x crop to N x out_channels raw scores (`pool`: any size from 16 on). No norm after the first
    convolution. 23,565,505 parameters for crops of 96 pixels.
    """

    name = "srgan-critic"
    small = {"filters": 4, "crop": 32}

    def __init__(self, config: SRGANCriticConfig, *, in_channels: int, out_channels: int = 1) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        f, norm = config.filters, config.norm
        self.features = nn.Sequential(_layer(in_channels, f, 1, "none"), _layer(f, f, 2, norm))
        for times in (1, 2, 4):
            self.features.append(_layer(times * f, 2 * times * f, 1, norm))
            self.features.append(_layer(2 * times * f, 2 * times * f, 2, norm))
        places = 1 if config.pool else (config.crop // 16) ** 2
        self.judge = nn.Sequential(
            *([nn.AdaptiveAvgPool2d(1)] if config.pool else []),
            nn.Flatten(),
            nn.Linear(8 * f * places, HIDDEN),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(HIDDEN, out_channels),
        )
        self.initialise(config.init, config.gain, config.spectral)

    def forward(self, images: Tensor) -> Tensor:
        self.expect(images, smallest=16, advice="use larger images")
        crop = self.config.crop
        if not self.config.pool and images.shape[-2:] != (crop, crop):
            height, width = images.shape[-2:]
            raise ConfigError(
                f"{self.name} judges images of {crop} x {crop} pixels, not {height} x {width}; "
                "set its `crop` to the size of the training crops, or `pool: true` for any size"
            )
        y: Tensor = self.judge(self.features(images))
        return y


def _layer(inputs: int, outputs: int, stride: int, norm: Norm) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
    return stack({"conv": conv, **norm_layers(norm, outputs), "leaky": nn.LeakyReLU(0.2, inplace=True)})
