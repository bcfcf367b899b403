"""The networks of GeneGAN: the splitter, the joiner, and a critic (Zhou et al. 2017; layers of the authors' code)."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from translate import Config, ConfigError, Network, Upsample, doubling

Norm = Literal["batch", "instance", "none"]
CodeNorm = Literal["learned", "fixed", "none"]


class PartConfig(Config):
    """Options of splitter, joiner and critic."""

    width: Annotated[int, Field(ge=4)] = 128
    """Channels after the first convolution, doubling from layer to layer."""
    norm: Norm = "batch"
    """The norm behind convolutions: `batch`, `instance` or `none`."""
    code_norm: CodeNorm = "learned"
    """The norm of the splitter's last layer has a `learned` scale and shift, has a `fixed` one, or is left out
    (`none`)."""
    upsample: Upsample = "transposed"
    """How the joiner doubles the size: by a `transposed` convolution as in the paper; `nearest` and `bilinear` before a
    convolution, which leave no checkerboard; `pixel-shuffle` after one."""


def _norm(kind: Norm, channels: int, affine: bool = True) -> list[nn.Module]:
    if kind == "none":
        return []
    return [(nn.BatchNorm2d if kind == "batch" else nn.InstanceNorm2d)(channels, affine=affine)]


def _halving(inputs: int, outputs: int, norm: Norm, bias: bool | None = None, affine: bool = True) -> nn.Sequential:
    """Half the size: a 4 x 4 convolution of stride 2, norm, leaky ReLU. A bias (default) where there is no norm."""
    bias = norm == "none" if bias is None else bias
    conv = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)
    return nn.Sequential(conv, *_norm(norm, outputs, affine), nn.LeakyReLU(0.2))


class Splitter(Network[PartConfig]):
    """The encoder: N x in_channels x H x W in [-1, 1] to a code N x 4 width x H/8 x W/8, whose channels the method
    divides into background and object."""

    name = "splitter"
    multiple = 8

    def __init__(self, config: PartConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        w = config.width
        self.layers = nn.Sequential(
            _halving(in_channels, w, "none", bias=False),
            _halving(w, 2 * w, config.norm),
            _halving(
                2 * w,
                out_channels,
                "none" if config.code_norm == "none" else config.norm,
                affine=config.code_norm == "learned",
            ),
        )
        self.initialise()

    def forward(self, images: Tensor) -> Tensor:
        self.expect(images, multiple=8, advice="resize or crop them")
        code: Tensor = self.layers((images + 1) / 2)
        return code


class Joiner(Network[PartConfig]):
    """The decoder: a code N x in_channels x h x w to images N x out_channels x 8h x 8w in [-1, 1]."""

    name = "joiner"

    def __init__(self, config: PartConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        layers: list[nn.Module] = []
        widths = [in_channels, in_channels, in_channels // 2]
        for inputs, outputs in pairwise(widths):
            conv = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=config.norm == "none")
            layers += [*doubling(config.upsample, conv).values(), *_norm(config.norm, outputs), nn.ReLU()]
        last = nn.ConvTranspose2d(widths[-1], out_channels, 4, stride=2, padding=1)
        self.layers = nn.Sequential(*layers, *doubling(config.upsample, last).values(), nn.Tanh())
        self.initialise()

    def forward(self, code: Tensor) -> Tensor:
        images: Tensor = self.layers(code)
        return images


class Critic(Network[PartConfig]):
    """N x in_channels x H x W in [-1, 1] to one raw score an image, N x 1; H and W are those of the training images."""

    name = "critic"

    def __init__(self, config: PartConfig, *, in_channels: int, size: tuple[int, int]) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=1)
        if any(n % 16 for n in size):
            raise ConfigError(
                f"genegan trains on images whose height and width 16 divides, not {size[0]} x {size[1]}; resize them"
            )
        w, cells = config.width, size[0] // 16 * (size[1] // 16)
        self.layers = nn.Sequential(
            _halving(in_channels, w, "none", bias=False),
            _halving(w, 2 * w, config.norm),
            _halving(2 * w, 4 * w, config.norm),
            _halving(4 * w, 4 * w, config.norm),
        )
        self.score = nn.Linear(4 * w * cells, 1)
        self.initialise()

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.score(torch.flatten(self.layers((images + 1) / 2), 1))
        return scores


def sum_of_squares(*nets: nn.Module) -> Tensor:
    """Half the mean squared weight of each convolution, summed."""
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    layers = [layer for net in nets for layer in net.modules()]
    weights = [layer.weight.float() for layer in layers if isinstance(layer, kinds)]
    return torch.stack([w.square().mean() for w in weights]).sum() / 2
