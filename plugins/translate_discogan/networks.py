"""The networks of DiscoGAN (Kim et al. 2017, section 3.4; layers of the authors' code): images of 64 x 64 pixels."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from translate import Config, Network, Upsample, doubling


class DiscoConfig(Config):
    """Options of generators and critics."""

    width: Annotated[int, Field(ge=1)] = 64
    """Channels after the first convolution; the deepest layers have eight times as many."""
    extra_layers: bool = False
    """Goes down to one pixel of 100 channels and up again (generators alone)."""
    upsample: Upsample = "transposed"
    """How the size is doubled (generators alone): by a `transposed` convolution as in the paper; `nearest` and
    `bilinear` before a convolution, which leave no checkerboard; `pixel-shuffle` after one."""


def _conv(inputs: int, outputs: int, stride: int = 2) -> nn.Conv2d:
    """4 x 4 without bias: stride 2 halves the size, stride 1 takes off three pixels."""
    return nn.Conv2d(inputs, outputs, 4, stride, padding=stride // 2, bias=False)


def _transposed(inputs: int, outputs: int, stride: int = 2) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, 4, stride, padding=stride // 2, bias=False)


def _down(inputs: int, outputs: int, stride: int = 2) -> nn.Sequential:
    return nn.Sequential(_conv(inputs, outputs, stride), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2))


def _up(larger: Iterable[nn.Module], outputs: int) -> nn.Sequential:
    return nn.Sequential(*larger, nn.BatchNorm2d(outputs), nn.ReLU())


class DiscoGenerator(Network[DiscoConfig]):
    """An encoder and a decoder without skips: N x in_channels x H x W to N x out_channels x H x W in [-1, 1].

    Weights begin as torch draws them, as in the authors' code.
    """

    name = "generator"
    multiple = 16

    def __init__(self, config: DiscoConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        w = config.width
        widths = [w, 2 * w, 4 * w, 8 * w]
        down = [_down(a, b) for a, b in pairwise(widths)]
        up = [_up(self._doubling(b, a), a) for a, b in reversed(list(pairwise(widths)))]
        middle = [_down(8 * w, 100, 1), _up([_transposed(100, 8 * w, 1)], 8 * w)] if config.extra_layers else []
        first = nn.Sequential(_conv(in_channels, w), nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(first, *down, *middle, *up, *self._doubling(w, out_channels), nn.Sigmoid())

    def forward(self, images: Tensor) -> Tensor:
        smallest = 64 if self.config.extra_layers else 16
        self.expect(images, smallest=smallest, multiple=16, advice="resize or crop them")
        fakes: Tensor = self.layers((images + 1) / 2)
        return 2 * fakes - 1

    def _doubling(self, inputs: int, outputs: int) -> Iterable[nn.Module]:
        return doubling(self.config.upsample, _transposed(inputs, outputs)).values()


class DiscoCritic(Network[DiscoConfig]):
    """N x in_channels x H x W in [-1, 1] to raw scores N x 1 x (H/16 - 3) x (W/16 - 3): one for 64 x 64 pixels."""

    name = "critic"

    def __init__(self, config: DiscoConfig, *, in_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=1)
        w = config.width
        self.first = nn.Sequential(_conv(in_channels, w), nn.LeakyReLU(0.2))
        self.middle = nn.ModuleList(_down(a, b) for a, b in pairwise([w, 2 * w, 4 * w, 8 * w]))
        self.last = _conv(8 * w, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.judge(images)[0]

    def judge(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The scores, and the activations of the second, third and fourth layer, which feature matching compares."""
        self.expect(images, smallest=64, advice="resize them")
        x, features = self.first((images + 1) / 2), []
        for layer in self.middle:
            x = layer(x)
            features.append(x)
        return self.last(x), features
