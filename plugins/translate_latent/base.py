"""The part that all games share: a generator of images from latent vectors, and critics with several answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeVar

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from translate import Build, Config, Direction, DirectionCall, Draw, Method, Nets, NetworkUse, Sides, Step
from translate_latent.networks import fitted

GENERATE = Direction(nets=("G",), inputs=(), target="image", draws=True)
"""Images from drawn latent vectors."""


class LatentConfig(Config):
    """Options of every game."""

    latent: PositiveInt = 100
    """Numbers of a latent vector, drawn from N(0, 1); 100 in the DCGAN paper."""
    generator: NetworkUse = NetworkUse(uses="latent/generator")
    """The generator, by name or with options: from vectors N x n to images."""
    discriminator: NetworkUse = NetworkUse(uses="latent/critic")
    """The critic, by name or with options: from images to values N x m."""


C = TypeVar("C", bound=LatentConfig)


class LatentMethod(Method[C]):
    """A game with a generator G of images from latent vectors."""

    data: ClassVar[Literal["single"] | Sides] = "single"
    directions: Mapping[str, Direction] = {"generate": GENERATE}
    small: ClassVar[Mapping[str, Any]] = {"latent": 6}

    def build_generator(self, build: Build, further: int = 0) -> nn.Module:
        """A generator that takes `further` numbers beside the latent ones."""
        c, channels = self.config, self.spec.channels["image"]
        return build(c.generator, in_channels=c.latent + further, out_channels=channels, size=self.spec.size)

    def build_critic(self, build: Build, values: int = 1, further: int = 0) -> nn.Module:
        """A critic that says `values` numbers of an image with `further` channels beside its own."""
        channels = self.spec.channels["image"] + further
        return build(self.config.discriminator, in_channels=channels, out_channels=values, size=self.spec.size)

    def noise(self, like: Tensor, step: Step) -> Tensor:
        """Fresh latent vectors, as many as there are images."""
        return torch.randn((len(like), self.config.latent), generator=step.rng, device=like.device)

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        return fitted(nets.G(draw.normal(self.config.latent)), draw.size)

    def as_trained(self, images: Tensor) -> Tensor:
        """Images in the size of the training, which critics and encoders take."""
        return fitted(images, self.spec.size)
