"""The networks of StarGAN: a generator that reads a class beside an image, and a critic that judges an image twice."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from translate import Network, NetworkConfig, Upsample, doubling, stack

WIDEST = 32
"""The critic's channels stop doubling at this many times `filters`: 2048 in the paper."""


class StarGeneratorConfig(NetworkConfig):
    """Options of `stargan/generator`."""

    norm: Literal["batch", "instance", "none"] = "instance"
    """The norm behind convolutions, with a learned scale and shift: `instance` as in the paper, `batch` or `none`."""
    blocks: PositiveInt = 6
    """Residual blocks at a quarter of the height and width; 6 in the paper."""
    upsample: Upsample = "transposed"
    """How the size is doubled: by a `transposed` convolution as in the paper; `nearest` and `bilinear` before a
    convolution, which leave no checkerboard; `pixel-shuffle` after one."""


class StarGenerator(Network[StarGeneratorConfig]):
    """The generator of StarGAN: c7s1-64, d128, d256, R256 x blocks, u128, u64, c7s1-out (Choi et al. 2018, table 4).

    N x in_channels x H x W to N x out_channels x H x W in [-1, 1], H and W multiples of 4. Convolutions pad with zeros.
    A norm of each image takes away what is equal everywhere, so a constant map of a class gets through by being
    different at the borders. Mirrored borders, as the residual generator of CycleGAN has them, would hide it.
    """

    name = "generator"
    small = {"filters": 4, "blocks": 1}
    multiple = 4

    def __init__(self, config: StarGeneratorConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        f, norm = config.filters, config.norm
        stem = nn.Conv2d(in_channels, f, 7, padding=3, bias=norm == "none")
        self.layers = nn.Sequential(_normed({"conv": stem}, f, norm))
        for width in (f, 2 * f):
            down = nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=norm == "none")
            self.layers.append(_normed({"conv": down}, 2 * width, norm))
        for _ in range(config.blocks):
            self.layers.append(_Block(4 * f, norm))
        for width in (4 * f, 2 * f):
            up = nn.ConvTranspose2d(width, width // 2, 4, stride=2, padding=1, bias=norm == "none")
            self.layers.append(_normed(doubling(config.upsample, up), width // 2, norm))
        self.layers.append(stack({"conv": nn.Conv2d(f, out_channels, 7, padding=3, bias=False), "tanh": nn.Tanh()}))
        self.initialise(config.init, config.gain, config.spectral)

    def forward(self, images: Tensor) -> Tensor:
        self.expect(images, smallest=8, multiple=4, advice="resize or crop them")
        output: Tensor = self.layers(images)
        return output


class _Block(nn.Module):
    """x + the result of two 3 x 3 convolutions, the first of which is followed by a ReLU."""

    def __init__(self, channels: int, norm: str) -> None:
        super().__init__()
        first, second = (nn.Conv2d(channels, channels, 3, padding=1, bias=norm == "none") for _ in range(2))
        self.layers = nn.Sequential(
            _normed({"conv": first}, channels, norm), _normed({"conv": second}, channels, norm, relu=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y


def _normed(convolution: dict[str, nn.Module], channels: int, norm: str, relu: bool = True) -> nn.Sequential:
    """The layers of a convolution to so many channels, its norm with a learned scale and shift, and a ReLU."""
    layers = {**convolution}
    if norm != "none":
        kind = nn.BatchNorm2d if norm == "batch" else nn.InstanceNorm2d
        layers["norm"] = kind(channels, affine=True)
    if relu:
        layers["relu"] = nn.ReLU(inplace=True)
    return stack(layers)


class StarCriticConfig(NetworkConfig):
    """Options of `stargan/critic`, which has no norm: a gradient penalty looks at each image alone."""

    norm: Literal["none"] = "none"
    """No norm behind convolutions, as in the paper."""
    init: Literal["normal", "xavier", "kaiming", "orthogonal"] = "kaiming"
    """How initial weights are drawn: `kaiming` keeps the variance through layers without a norm, which `normal` weights
    of 0.02 let fade; `normal`, `xavier` and `orthogonal` are scaled by `gain`."""
    layers: Annotated[int, Field(ge=1, le=8)] = 6
    """Convolutions of stride 2: 6 at 128 pixels (the paper), 4 at 32 pixels."""


class StarCritic(Network[StarCriticConfig]):
    """The critic with two heads: 4 x 4 convolutions of stride 2, whose result both heads read.

    Choi et al. 2018, table 5. N x in_channels x H x W to a pair: raw scores, N x 1 x h x w with h = H // 2 ** layers,
    each for a patch; and logits of the classes, N x out_channels. The authors' class head is one convolution as large
    as the last map. Here it is the mean over that map of a 1 x 1 convolution, which fits images of any size, and is the
    same where the last map has one pixel.
    """

    name = "critic"
    small = {"filters": 4, "layers": 3}

    def __init__(self, config: StarCriticConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        channels = in_channels
        self.trunk = nn.Sequential()
        for layer in range(config.layers):
            width = config.filters * min(2**layer, WIDEST)
            self.trunk.append(nn.Conv2d(channels, width, 4, stride=2, padding=1))
            self.trunk.append(nn.LeakyReLU(0.01, inplace=True))
            channels = width
        self.source = nn.Conv2d(channels, 1, 3, padding=1, bias=False)
        self.classes = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.initialise(config.init, config.gain, config.spectral)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.expect(images, smallest=2**self.config.layers, advice="use larger images or fewer `layers`")
        features = self.trunk(images)
        return self.source(features), self.classes(features).mean((2, 3))
