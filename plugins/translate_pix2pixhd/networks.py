"""The networks of pix2pixHD (Wang et al. 2018, section 3.1 and figure 3): G1, its local enhancer G2, three critics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from translate import ConfigError, Network, NetworkConfig, Upsample, doubling, norm_layers, stack


class CoarseConfig(NetworkConfig):
    """Options of G1."""

    levels: Annotated[int, Field(ge=1)] = 4
    """How often G1 halves its height and width."""
    blocks: Annotated[int, Field(ge=1)] = 9
    """Residual blocks in the middle."""
    upsample: Upsample = "transposed"
    """How the size is doubled: by a `transposed` convolution as in the paper; `nearest` and `bilinear` before a
    convolution, which leave no checkerboard; `pixel-shuffle` after one."""


class Coarse(Network[CoarseConfig]):
    """G1: c7s1-64, d128, d256, d512, d1024, R1024 x 9, u512, u256, u128, u64, c7s1-out, on maps of half the size.

    N x in_channels x H x W to N x out_channels x H/2 x W/2 in [-1, 1]; H and W are multiples of 2^(levels + 1).
    """

    name = "coarse"

    def __init__(self, config: CoarseConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        f, norm = config.filters, config.norm
        widths = [f * 2**level for level in range(config.levels + 1)]
        self.multiple = 2 ** (config.levels + 1)
        self.stem = _wide(in_channels, f, norm)
        self.down = nn.Sequential(*(_down(width, norm) for width in widths[:-1]))
        self.blocks = nn.Sequential(*(Block(widths[-1], norm) for _ in range(config.blocks)))
        self.up = nn.Sequential(*(_up(width, norm, config.upsample) for width in reversed(widths[1:])))
        self.head = _head(f, out_channels)
        self.initialise(config.init, config.gain, config.spectral)

    def features(self, maps: Tensor) -> Tensor:
        """The last features before the image, N x filters x H/2 x W/2."""
        self.expect(maps, multiple=self.multiple, advice="crop them, or take fewer `levels`")
        features: Tensor = self.up(self.blocks(self.down(self.stem(halved(maps)))))
        return features

    def forward(self, maps: Tensor) -> Tensor:
        image: Tensor = self.head(self.features(maps))
        return image


class EnhancerConfig(NetworkConfig):
    """Options of G2."""

    blocks: Annotated[int, Field(ge=1)] = 3
    """Residual blocks in the middle."""
    upsample: Upsample = "transposed"
    """How the size is doubled: by a `transposed` convolution as in the paper; `nearest` and `bilinear` before a
    convolution, which leave no checkerboard; `pixel-shuffle` after one."""


class Enhancer(Network[EnhancerConfig]):
    """G2: c7s1-32, d64, + the features of G1, R64 x 3, u32, c7s1-out, at full size; `filters` are those of G1.

    N x in_channels x H x W and N x filters x H/2 x W/2 to N x out_channels x H x W in [-1, 1].
    """

    name = "enhancer"

    def __init__(self, config: EnhancerConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        half, norm = config.filters // 2, config.norm
        self.stem = stack({"wide": _wide(in_channels, half, norm), "down": _down(half, norm)})
        self.blocks = nn.Sequential(*(Block(2 * half, norm) for _ in range(config.blocks)))
        self.up = _up(2 * half, norm, config.upsample)
        self.head = _head(half, out_channels)
        self.initialise(config.init, config.gain, config.spectral)

    def forward(self, maps: Tensor, features: Tensor) -> Tensor:
        # The sum lets G2 begin where G1 ended (section 3.1, "coarse-to-fine generator").
        image: Tensor = self.head(self.up(self.blocks(self.stem(maps) + features)))
        return image


class Scales(nn.Module):
    """Critics of one form that see the same images at full size, at half, at a quarter (section 3.2)."""

    def __init__(self, critics: list[nn.Module]) -> None:
        super().__init__()
        self.critics = nn.ModuleList(critics)
        for critic in critics:
            if not all(hasattr(critic, part) for part in ("first", "middle", "last")):
                raise ConfigError("pix2pixhd: the discriminator has to be a `patchgan`, whose layers can be matched")

    def forward(self, images: Tensor, scale: int | None = None) -> Any:
        """The scores of the critic of one scale; without a scale the features of all (`features`)."""
        if scale is None:
            return self.features(images)
        critic, seen = list(self.pyramid(images))[scale]
        return critic(seen)

    def pyramid(self, images: Tensor) -> Iterator[tuple[Any, Tensor]]:
        """Each critic with what it sees."""
        for number, critic in enumerate(self.critics):
            images = halved(images) if number else images
            yield critic, images

    def features(self, images: Tensor) -> list[list[Tensor]]:
        """What comes out of the layers of each critic, but for its scores."""
        found = []
        for critic, seen in self.pyramid(images):
            layers = [critic.first(seen)]
            for block in critic.middle:
                layers.append(block(layers[-1]))
            found.append(layers)
        return found


class Block(nn.Module):
    """x + a branch of two 3 x 3 convolutions with norms."""

    def __init__(self, channels: int, norm: Any) -> None:
        super().__init__()
        self.branch = stack(
            {
                "pad1": nn.ReflectionPad2d(1),
                "conv1": nn.Conv2d(channels, channels, 3),
                **norm_layers(norm, channels, "norm1"),
                "relu": nn.ReLU(inplace=True),
                "pad2": nn.ReflectionPad2d(1),
                "conv2": nn.Conv2d(channels, channels, 3),
                **norm_layers(norm, channels, "norm2"),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.branch(x)
        return y


def halved(maps: Tensor) -> Tensor:
    """Height and width halved (rounded up), each place the mean of its 3 x 3 neighbours within the image."""
    return F.avg_pool2d(maps, 3, stride=2, padding=1, count_include_pad=False)


def _wide(inputs: int, outputs: int, norm: Any) -> nn.Sequential:
    """c7s1: a 7 x 7 convolution of stride 1."""
    conv = nn.Conv2d(inputs, outputs, 7)
    return stack(
        {"pad": nn.ReflectionPad2d(3), "conv": conv, **norm_layers(norm, outputs), "relu": nn.ReLU(inplace=True)}
    )


def _down(channels: int, norm: Any) -> nn.Sequential:
    """d: half the size, twice the channels."""
    conv = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)
    return stack({"conv": conv, **norm_layers(norm, 2 * channels), "relu": nn.ReLU(inplace=True)})


def _up(channels: int, norm: Any, upsample: Upsample) -> nn.Sequential:
    """u: twice the size, half the channels."""
    conv = nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1)
    return stack({**doubling(upsample, conv), **norm_layers(norm, channels // 2), "relu": nn.ReLU(inplace=True)})


def _head(channels: int, outputs: int) -> nn.Sequential:
    return stack({"pad": nn.ReflectionPad2d(3), "conv": nn.Conv2d(channels, outputs, 7), "tanh": nn.Tanh()})
