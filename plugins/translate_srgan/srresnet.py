"""SRResNet: super-resolution without a critic, the first stage of SRGAN and ESRGAN.

Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network", CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate import (
    Build,
    Config,
    ConfigError,
    DataSpec,
    Direction,
    DirectionCall,
    Draw,
    Method,
    Nets,
    NetworkUse,
    Step,
    Update,
    bicubic,
    hookimpl,
)


class SRResNetConfig(Config):
    """Knobs of both stages."""

    scale: Literal[2, 3, 4, 8] = 4
    """How many times higher and wider outputs are than inputs: 4 as in the paper, 2, 3 or 8."""
    generator: NetworkUse = NetworkUse(uses="srresnet")
    """The generator G, by name or with options: `srresnet` (SRGAN), `rrdb` (ESRGAN) or `swinir`, a transformer."""
    pixel: Literal["mse", "l1"] = "mse"
    """The distance of pixels in the loss `pixel`: squared, `mse` (SRGAN, the best PSNR), or absolute, `l1` (ESRGAN)."""


C = TypeVar("C", bound=SRResNetConfig)


class SuperResolution(Method[C]):
    """The base of both stages: I_LR, and the generator's use.

    I_LR is the bicubic reduction of I_HR (section 3.2), or the photograph of low resolution that the data has.
    """

    data = "single"
    real_input = "low"
    directions = {"enlarge": Direction(nets=("G",), scale=4)}

    @classmethod
    def directions_with(cls, config: C, spec: DataSpec | None) -> Mapping[str, Direction]:
        return {"enlarge": Direction(nets=("G",), scale=config.scale)}

    def degrade(self, target: Tensor, direction: DirectionCall, rng: torch.Generator) -> Tensor:
        s, (height, width) = self.config.scale, target.shape[-2:]
        if height % s or width % s:
            raise ConfigError(
                f"{self.name}: an image of {width} x {height} pixels has no exact reduction by {s}; "
                f"add {{uses: modcrop, multiple: {s}}} to the transforms of preprocess, and crop to a multiple of {s}"
            )
        return bicubic(target, 1 / s).clamp(-1, 1)

    def low(self, batch: Mapping[str, Tensor], step: Step) -> Tensor:
        """I_LR, real or as a file of 8 bits would hold it, since that is what the network gets in use."""
        if "low" in batch:
            return batch["low"]
        target = batch["image"]
        return self.degrade(target, DirectionCall("enlarge"), step.rng).add(1).mul(127.5).round().div(127.5).sub(1)

    def generator(self, build: Build) -> nn.Module:
        channels, s = self.spec.channels["image"], self.config.scale
        G = build(self.config.generator, in_channels=channels, out_channels=channels, scale=s)
        if getattr(G, "scale", 1) != s:
            raise ConfigError(f"{self.name}: the generator enlarges {getattr(G, 'scale', 1)} times, not {s} times")
        return G

    def pixel(self, fake: Tensor, real: Tensor) -> Tensor:
        distance = F.mse_loss if self.config.pixel == "mse" else F.l1_loss
        return distance(fake.float(), real)

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        fake: Tensor = nets.G(inputs["image"])
        return fake


class SRResNet(SuperResolution[SRResNetConfig]):
    """G minimises the mean squared error of pixels alone (equation 4): the best PSNR, and blurred textures."""

    name = "srresnet"
    players = {"G": ("G",)}
    losses = {"pixel": 1.0}
    views = {"G": ("input", "output", "target")}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        return {"G": self.generator(build)}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        real = batch["image"]
        low = self.low(batch, step)
        fake = nets.G(low)
        yield Update("G", {"pixel": self.pixel(fake, real)}, views={"input": low, "output": fake, "target": real})


@hookimpl
def translate_methods() -> list[type[Method[SRResNetConfig]]]:
    return [SRResNet]
