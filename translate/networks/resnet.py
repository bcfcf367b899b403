"""The residual generator of CycleGAN (Zhu et al. 2017, appendix 7.2, after Johnson et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from translate.networks.blocks import Output, Residual, blur, has_bias, norm_layers, output, stack
from translate.networks.layouts.layout import Layout
from translate.networks.layouts.reference import CUT, ReferenceResNet
from translate.networks.network import Count, Network, NetworkConfig, Norm
from translate.networks.upsample import Upsample, doubling


class ResNetConfig(NetworkConfig):
    """Options of `resnet`."""

    blocks: Count = 9
    """Residual blocks at a quarter of the height and width: 9 from 256 pixels on, 6 for smaller images (the paper)."""
    dropout: bool = False
    """Dropout of 0.5 inside of each block; the paper has none."""
    upsample: Upsample = "transposed"
    """How the size is doubled: by a `transposed` convolution as in the paper; `nearest` and `bilinear` before a
    convolution, which leave no checkerboard; `pixel-shuffle` after one."""
    output: Output = "tanh"
    """The last activation: `tanh` for images in [-1, 1], `none` for logits and other numbers."""


class ResNet(Network[ResNetConfig]):
    """The residual generator of CycleGAN: c7s1-64, d128, d256, R256 x blocks, u128, u64, c7s1-out.

    Zhu et al. 2017, appendix 7.2, after Johnson et al. 2016. N x in_channels x H x W to N x out_channels x H x W, H and
    W multiples of 4 and at least 8. Other sizes from 5 on are accepted and come out rounded up to the next multiple of
    4.
    """

    name = "resnet"
    small = {"filters": 4, "blocks": 1}
    multiple = 4
    layouts: ClassVar[Sequence[Layout]] = (ReferenceResNet(),)
    blurred: ClassVar[bool] = False
    """True: d128 and d256 are convolutions of stride 1 and a blur, instead of stride 2."""

    def __init__(self, config: ResNetConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        kind, f, bias = config.norm, config.filters, has_bias(config.norm)
        self.stem = stack(
            {
                "pad": nn.ReflectionPad2d(3),
                "conv": nn.Conv2d(in_channels, f, 7, bias=bias),
                **norm_layers(kind, f),
                "relu": nn.ReLU(inplace=True),
            }
        )
        self.down = nn.Sequential(self.halving(f), self.halving(2 * f))
        self.blocks = nn.Sequential(*(residual_block(4 * f, kind, config.dropout) for _ in range(config.blocks)))
        self.up = nn.Sequential(self.doubling(4 * f), self.doubling(2 * f))
        self.head = stack(
            {"pad": nn.ReflectionPad2d(3), "conv": nn.Conv2d(f, out_channels, 7), **output(config.output)}
        )
        self.initialise(config.init, config.gain, config.spectral)

    def forward(self, images: Tensor) -> Tensor:
        self.expect(images, smallest=5, advice="use larger images")
        x = self.down(self.stem(images))
        y: Tensor = self.head(self.up(self.blocks(x)))
        return y

    def halving(self, channels: int) -> nn.Sequential:
        """Halves the size and doubles the channels: d128 and d256."""
        return _down(channels, self.config.norm, self.blurred)

    def doubling(self, channels: int) -> nn.Sequential:
        """Doubles the size and halves the channels: u128 and u64."""
        return _up(channels, self.config.norm, self.config.upsample)


class BlurredResNetConfig(ResNetConfig):
    """Options of `resnet`, whose upsampling is `bilinear` here."""

    upsample: Upsample = "bilinear"
    """How the size is doubled: `bilinear` before a convolution as in the authors' code; `nearest` before one, a
    `transposed` one, or `pixel-shuffle` after one."""


class BlurredResNet(ResNet):
    """`resnet` without aliasing (Zhang 2019), as the authors of CUT have it: a blur behind convolutions of stride 1,
    bilinear interpolation before them. About one and a half times the work, and the same number of parameters."""

    name = "resnet_blurred"
    Config = BlurredResNetConfig
    layouts: ClassVar[Sequence[Layout]] = (CUT(),)
    blurred = True


def _down(channels: int, kind: Norm, blurred: bool) -> nn.Sequential:
    conv = nn.Conv2d(channels, 2 * channels, 3, stride=1 if blurred else 2, padding=1, bias=has_bias(kind))
    layers = {"conv": conv, **norm_layers(kind, 2 * channels), "relu": nn.ReLU(inplace=True)}
    return stack({**layers, "blur": blur()} if blurred else layers)


def residual_block(channels: int, kind: Norm, dropout: bool) -> Residual:
    """R256: two 3 x 3 convolutions with a residual around them, mirrored at the border."""
    bias = has_bias(kind)
    return Residual(
        stack(
            {
                "pad1": nn.ReflectionPad2d(1),
                "conv1": nn.Conv2d(channels, channels, 3, bias=bias),
                **norm_layers(kind, channels, "norm1"),
                "relu": nn.ReLU(inplace=True),
                **({"dropout": nn.Dropout(0.5)} if dropout else {}),
                "pad2": nn.ReflectionPad2d(1),
                "conv2": nn.Conv2d(channels, channels, 3, bias=bias),
                **norm_layers(kind, channels, "norm2"),
            }
        )
    )


def _up(channels: int, kind: Norm, upsample: Upsample) -> nn.Sequential:
    half, bias = channels // 2, has_bias(kind)
    transposed = nn.ConvTranspose2d(channels, half, 3, stride=2, padding=1, output_padding=1, bias=bias)
    return stack({**doubling(upsample, transposed), **norm_layers(kind, half), "relu": nn.ReLU(inplace=True)})
