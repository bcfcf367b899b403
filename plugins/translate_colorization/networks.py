"""The colorization network of Zhang et al. 2016 (section 2.2; layers as in the authors' published model)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from translate import Network, NetworkConfig, Upsample, doubling, norm_layers, stack

BLOCKS = (
    (1, 2, 2, 1),
    (2, 2, 2, 1),
    (4, 3, 2, 1),
    (8, 3, 1, 1),
    (8, 3, 1, 2),
    (8, 3, 1, 2),
    (8, 3, 1, 1),
)
"""Blocks 1 to 7: width in times the filters, how many convolutions, the stride of the last one, dilation of all."""


class ZhangConfig(NetworkConfig):
    """Options of `zhang`; the deepest blocks have eight times as many channels as `filters` says."""

    norm: Literal["batch", "instance", "none"] = "batch"
    """The norm at the end of each block: `batch` as in the paper, `instance`, or `none`."""
    init: Literal["normal", "xavier", "kaiming", "orthogonal"] = "kaiming"
    """How the initial weights are drawn: `kaiming` keeps the variance through ReLUs, and `gain` does not matter to it.

    `normal`, `xavier` and `orthogonal` are scaled by `gain`.
    """
    upsample: Upsample = "transposed"
    """How the size is doubled: by a `transposed` convolution as in the paper; `nearest` and `bilinear` before a
    convolution, which leave no checkerboard; `pixel-shuffle` after one."""


class Zhang(Network[ZhangConfig]):
    """The colorization network of Zhang et al. 2016: colours as classes, at a quarter of the image's height and width.

    Seven blocks of 3 x 3 convolutions down to an eighth of the size, two of them dilated, and one doubling.
    N x in_channels x H x W to N x out_channels x H/4 x W/4 logits, H and W multiples of 8. No pooling, no skips.
    """

    name = "zhang"
    small = {"filters": 4}
    multiple = 8

    def __init__(self, config: ZhangConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        inputs = in_channels
        self.blocks = nn.Sequential()
        for times, convolutions, stride, dilation in BLOCKS:
            width = times * config.filters
            layers: dict[str, nn.Module] = {}
            for number in range(1, convolutions + 1):
                step = stride if number == convolutions else 1
                layers[f"conv{number}"] = nn.Conv2d(inputs, width, 3, step, dilation, dilation)
                layers[f"relu{number}"] = nn.ReLU(inplace=True)
                inputs = width
            self.blocks.append(stack({**layers, **norm_layers(config.norm, width)}))
        half = 4 * config.filters
        self.up = nn.Sequential(
            *doubling(config.upsample, nn.ConvTranspose2d(inputs, half, 4, 2, 1)).values(),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Conv2d(half, out_channels, 1)
        self.initialise(config.init, config.gain, config.spectral)

    def forward(self, images: Tensor) -> Tensor:
        self.expect(images, multiple=8, advice="resize or crop them")
        y: Tensor = self.head(self.up(self.blocks(images)))
        return y
