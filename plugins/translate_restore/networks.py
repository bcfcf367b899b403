"""A residual network for restoration: it adds what is missing to its input."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Config, Network, bicubic

Count = Annotated[int, Field(ge=1)]


class ResidualConfig(Config):
    """Options of `restore/residual`."""

    scale: Literal[1, 2, 3, 4, 8] = 1
    """How many times higher and wider the output is than the input; `restore` sets it to its own."""
    unshuffle: Literal[1, 2, 4] = 2
    """Makes channels of squares of so many pixels before the first convolution: blocks then work at a smaller size, see
    farther and cost less (Zhang, Zuo, Zhang, "FFDNet", 2018, section 3.1). 1 works at the full size."""
    blocks: Count = 8
    """Residual blocks of two convolutions."""
    filters: Count = 64
    """Channels of all blocks."""


class Residual(Network[ResidualConfig]):
    """x + R(x): residual blocks without norms, as in EDSR (Lim et al. 2017, section 3.1), learn what was lost (Zhang,
    Zuo, Chen, Meng, Zhang, "Beyond a Gaussian Denoiser", 2017, section 3).

    N x in_channels x H x W to N x out_channels x (scale H) x (scale W), with H and W multiples of `unshuffle`. The last
    convolution begins at zero, so that an untrained network returns its input (bicubic, where it enlarges).
    """

    name = "residual"
    small = {"filters": 4, "blocks": 1}

    def __init__(self, config: ResidualConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        self.scale, self.multiple = config.scale, config.unshuffle
        f, square = config.filters, config.unshuffle
        self.stem = nn.Conv2d(in_channels * square**2, f, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(f) for _ in range(config.blocks)))
        self.trunk = nn.Conv2d(f, f, 3, padding=1)
        self.head = nn.Conv2d(f, out_channels * (square * config.scale) ** 2, 3, padding=1)
        self.initialise("kaiming")
        nn.init.zeros_(self.head.weight)

    def forward(self, images: Tensor) -> Tensor:
        square = self.config.unshuffle
        self.expect(images, multiple=square, advice="resize or crop them")
        x = self.stem(F.pixel_unshuffle(images, square))
        x = x + self.trunk(self.blocks(x))
        missing = F.pixel_shuffle(self.head(x), square * self.scale)
        shown = images if self.scale == 1 else bicubic(images, self.scale).to(missing.dtype)
        if self.in_channels != self.out_channels:
            return missing
        return shown + missing


# Bundles record the names of layer classes: under another one, models that exist would be refused.
class Block(nn.Module):
    """x + SCALE branch(x): two convolutions with a ReLU between them."""

    SCALE = 0.3
    """The factor of the branch, without which deep stacks of fresh kaiming weights grow."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.SCALE * self.second(F.relu(self.first(x)))
        return y
