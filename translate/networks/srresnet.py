"""The super-resolution generator of SRGAN (Ledig et al. 2017, section 2.2 and figure 4)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from translate.networks.blocks import Output, Residual, norm, output, stack
from translate.networks.network import Count, Network, NetworkConfig, Norm
from translate.networks.resample import bicubic

Scale = Literal[2, 4]


class SRResNetConfig(NetworkConfig):
    """`scale` of the enlargement; `blocks` residual blocks.

    `residual` adds the bicubic enlargement of the input to the output, so that training starts from there.
    """

    norm: Norm = "batch"
    scale: Scale = 4
    blocks: Count = 16
    residual: bool = False
    output: Output = "none"


class SRResNet(Network[SRResNetConfig]):
    """k9n64, residual blocks k3n64, a long skip, then pixel shuffling by 2 for each doubling, k9.

    N x in_channels x H x W to N x out_channels x (scale H) x (scale W), any size. All blocks work at the input's size.
    Biases stand before batch norms too, as in the count of the paper's figure: 1,549,462 parameters at scale 4.
    """

    name = "srresnet"

    def __init__(self, config: SRResNetConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        self.scale = config.scale
        kind, f = config.norm, config.filters
        self.stem = stack({"conv": nn.Conv2d(in_channels, f, 9, padding=4), "prelu": nn.PReLU()})
        self.trunk = nn.Sequential(
            *(_block(f, kind) for _ in range(config.blocks)),
            stack({"conv": nn.Conv2d(f, f, 3, padding=1), **norm(kind, f)}),
        )
        self.up = nn.Sequential(*(_doubling(f) for _ in range(config.scale.bit_length() - 1)))
        self.head = stack({"conv": nn.Conv2d(f, out_channels, 9, padding=4), **output(config.output)})
        self.initialise(config.init, config.gain, config.spectral)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        y: Tensor = self.head(self.up(x + self.trunk(x)))
        return y + bicubic(images, self.scale).to(y.dtype) if self.config.residual else y


def _block(channels: int, kind: Norm) -> Residual:
    return Residual(
        stack(
            {
                "conv1": nn.Conv2d(channels, channels, 3, padding=1),
                **norm(kind, channels, "norm1"),
                "prelu": nn.PReLU(),
                "conv2": nn.Conv2d(channels, channels, 3, padding=1),
                **norm(kind, channels, "norm2"),
            }
        )
    )


def _doubling(channels: int) -> nn.Sequential:
    conv = nn.Conv2d(channels, 4 * channels, 3, padding=1)
    return stack({"conv": conv, "shuffle": nn.PixelShuffle(2), "prelu": nn.PReLU()})
