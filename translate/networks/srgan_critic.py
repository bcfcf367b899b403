"""The discriminator of SRGAN, which judges whole images (Ledig et al. 2017, section 2.2 and figure 4)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from translate.errors import ConfigError
from translate.networks.blocks import norm, stack
from translate.networks.network import Network, NetworkConfig, Norm

HIDDEN = 1024


class SRGANCriticConfig(NetworkConfig):
    """`crop`: the side of the images that it judges, which its fully connected layer is made for.

    `pool` averages over the image before that layer: any size, 16 times fewer weights there, the same place everywhere.
    """

    norm: Norm = "batch"
    crop: Annotated[int, Field(ge=16, multiple_of=16)] = 96
    pool: bool = False


class SRGANCritic(Network[SRGANCriticConfig]):
    """Eight 3 x 3 convolutions, stride 1 and 2 in turn, 64 to 512 channels, then 1024 and out_channels units.

    N x in_channels x crop x crop to N x out_channels raw scores (`pool`: any size from 16 on). No norm after the first
    convolution. 23,565,505 parameters for crops of 96 pixels.
    """

    name = "srgan-critic"

    def __init__(self, config: SRGANCriticConfig, *, in_channels: int, out_channels: int = 1) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        f, kind = config.filters, config.norm
        self.features = nn.Sequential(_layer(in_channels, f, 1, "none"), _layer(f, f, 2, kind))
        for times in (1, 2, 4):
            self.features.append(_layer(times * f, 2 * times * f, 1, kind))
            self.features.append(_layer(2 * times * f, 2 * times * f, 2, kind))
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


def _layer(inputs: int, outputs: int, stride: int, kind: Norm) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
    return stack({"conv": conv, **norm(kind, outputs), "leaky": nn.LeakyReLU(0.2, inplace=True)})
