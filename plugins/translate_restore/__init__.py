"""Restoration: photographs that were blurred, noisy, reduced and compressed, as they were before.

One network learns it from clean images alone, which are degraded anew for each step. Degradations are those of Zhang et
al. (ICCV 2021) and of Real-ESRGAN (Wang et al., ICCV workshops 2021); the loss is that of pixels, as in EDSR.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import torch
from pydantic import model_validator
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
    Network,
    NetworkUse,
    Step,
    Update,
    hookimpl,
)
from translate_restore.degradation import Blur, Jpeg, Noise, Resize, Steps, degraded
from translate_restore.networks import Residual

RESTORE = "restore"
"""The name of the first direction."""


class RestoreConfig(Config):
    """Knobs of restoration. Steps of a degradation are written in their order, as `{uses: noise, sigma: [0, 30]}`."""

    generator: NetworkUse = NetworkUse(uses="restore/residual")
    """The generator G, by name or with options: any network whose outputs have `scale` times the size of its inputs."""
    scale: Literal[1, 2, 3, 4, 8] = 1
    """How many times higher and wider outputs are than inputs: 1 restores, more also enlarges."""
    degradation: Steps = (
        Blur(uses="blur", sigma=(0.5, 2.0), p=0.3),
        Noise(uses="noise", sigma=(1.0, 30.0), p=0.5),
        Jpeg(uses="jpeg", quality=(20, 95)),
    )
    """The steps that make an input of a clean image: `blur`, `resize`, `noise`, `poisson`, `jpeg`."""
    draw: Literal["each", "one"] = "each"
    """`each` step happens or not by its own `p`; or exactly `one` of them for each image, with the `p` as weights, so
    that a network learns to remove each alone."""
    order: Literal[1, 2] = 1
    """How often the steps are gone through: 2 as in Real-ESRGAN (section 3.2), for images that were edited and shared
    again."""
    second: Steps | None = None
    """The steps of the second pass, with `order: 2`; without them those of the first are drawn anew."""
    fixed: dict[str, Steps] = {}
    """Further directions by name, which restore what these steps made, such as `jpeg-20: [{uses: jpeg, quality: 20}]`:
    scores of one degradation, where `restore` is validated on all that `degradation` draws."""
    pixel: Literal["l1", "mse"] = "l1"
    """The distance of pixels in the loss `pixel`: absolute, `l1`, or squared, `mse`."""

    @model_validator(mode="after")
    def _drawable(self) -> RestoreConfig:
        lists = [self.degradation, *([self.second] if self.second is not None else [])]
        if self.second is not None and self.order == 1:
            raise ValueError("`second` goes with `order: 2`")
        if self.draw == "one" and any(isinstance(step, Resize) for steps in lists for step in steps):
            raise ValueError("`draw: one` draws for each image, and a `resize` changes the size of a whole batch")
        if self.draw == "one" and not all(sum(step.p for step in steps) > 0 for steps in lists):
            raise ValueError("`draw: one` needs a step whose `p` is above 0")
        if RESTORE in self.fixed:
            raise ValueError(f"`fixed` cannot name {RESTORE!r}, which is the direction of `degradation`")
        return self


class Restore(Method[RestoreConfig]):
    """G minimises the distance of pixels between the clean image and what it makes of the degraded one.

    Each step draws new degradations from the seed and its number; validation and `infer` draw those of an image from
    the seed and its key.
    """

    name = RESTORE
    data = "single"
    real_input = "low"
    players = {"G": ("G",)}
    losses = {"pixel": 1.0}
    views = {"G": ("input", "output", "target")}
    directions = {RESTORE: Direction(nets=("G",))}

    @classmethod
    def directions_with(cls, config: RestoreConfig, spec: DataSpec | None) -> Mapping[str, Direction]:
        return {name: Direction(nets=("G",), scale=config.scale) for name in (RESTORE, *config.fixed)}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        channels, s = self.spec.channels["image"], self.config.scale
        G = build(self.config.generator, in_channels=channels, out_channels=channels, scale=s)
        if getattr(G, "scale", 1) != s:
            raise ConfigError(f"{self.name}: the generator enlarges {getattr(G, 'scale', 1)} times, not {s} times")
        return {"G": G}

    @torch.no_grad()
    def degrade(self, target: Tensor, direction: DirectionCall, rng: torch.Generator) -> Tensor:
        s, (height, width) = self.config.scale, target.shape[-2:]
        if height % s or width % s:
            raise ConfigError(
                f"{self.name}: an image of {width} x {height} pixels has no exact reduction by {s}; "
                f"add {{uses: modcrop, multiple: {s}}} to the transforms of preprocess, and crop to a multiple of {s}"
            )
        # Roundings of files need all bits of their values: a training may compute in 16.
        with torch.autocast(target.device.type, enabled=False):
            clean, c = target.float().add(1).div(2), self.config
            if direction in c.fixed:
                return degraded(clean, [c.fixed[direction]], s, rng).mul(2).sub(1)
            again = c.degradation if c.second is None else c.second
            return degraded(clean, [c.degradation, again][: c.order], s, rng, one=c.draw == "one").mul(2).sub(1)

    def input(self, batch: Mapping[str, Tensor], step: Step) -> Tensor:
        """The degraded images, real or as files of 8 bits would hold them, since the network gets those in use."""
        if "low" in batch:
            return batch["low"]
        made = self.degrade(batch["image"], DirectionCall(RESTORE), step.rng)
        return made.add(1).mul(127.5).round().div(127.5).sub(1)

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        image: Tensor = nets.G(inputs["image"])
        return image

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        clean, shown = batch["image"], self.input(batch, step)
        output = nets.G(shown)
        distance = F.l1_loss if self.config.pixel == "l1" else F.mse_loss
        losses = {"pixel": distance(output.float(), clean)}
        yield Update("G", losses, views={"input": shown, "output": output, "target": clean})


@hookimpl
def translate_methods() -> list[type[Method[RestoreConfig]]]:
    return [Restore]


@hookimpl
def translate_networks() -> list[type[Network[Any]]]:
    return [Residual]
