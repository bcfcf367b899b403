"""BiGAN: Donahue, Krahenbuhl, Darrell, "Adversarial Feature Learning", ICLR 2017, arXiv 1605.09782; the same game as
Dumoulin et al., "Adversarially Learned Inference", ICLR 2017, arXiv 1606.00704."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from pydantic import PositiveInt, field_validator
from torch import Tensor, nn

from translate import Build, Direction, DirectionCall, Draw, Nets, NetworkUse, Objective, Step, Update
from translate_latent.base import GENERATE, LatentConfig, LatentMethod
from translate_latent.networks import PairCritic, fitted

MIRRORED = ("minimax", "non-saturating", "hinge", "wgan", "wgan-gp")
"""Objectives in which the encoder's loss is that of a generator whose critic has the other sign."""


class BiGANConfig(LatentConfig):
    """Knobs of BiGAN."""

    encoder: NetworkUse = NetworkUse(uses="latent/critic")
    """The encoder, by name or with options: from images to latent vectors."""
    width: PositiveInt = 256
    """Values that the critic makes of the image, and of the vector, before it joins them."""
    objective: Objective = Objective(uses="non-saturating")
    """The game that the networks play: one of `minimax`, `non-saturating` (the paper), `hinge`, `wgan`, `wgan-gp`."""

    @field_validator("objective")
    @classmethod
    def _both_ways(cls, objective: Objective) -> Objective:
        if objective.uses not in MIRRORED:
            raise ValueError(f"bigan plays {', '.join(MIRRORED)}, in which real and fake can change places")
        return objective


class BiGAN(LatentMethod[BiGANConfig]):
    """min over G and E, max over D, of E log D(x, E(x)) + E log(1 - D(G(z), z)) (equation 2).

    The critic sees image and latent vector together: an image with its code by the encoder E, or a code with its image
    by G. Where it cannot tell them apart, E inverts G. G and E minimise the loss with real and fake exchanged
    (section 3.4).
    """

    name = "bigan"
    players = {"D": ("D",), "GE": ("G", "E")}
    losses = {"critic": 1.0, "generated": 1.0, "encoded": 1.0}
    views = {"D": ("critic", "real", "fake"), "GE": ("critic", "real", "fake", "output")}
    directions = {
        "generate": GENERATE,
        "reconstruct": Direction(nets=("G", "E"), target="image"),
        "encode": Direction(nets=("E",), output="vector"),
    }
    small = {**LatentMethod.small, "width": 8}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c, channels = self.config, self.spec.channels["image"]
        return {
            "G": self.build_generator(build),
            "E": build(c.encoder, in_channels=channels, out_channels=c.latent, size=self.spec.size),
            "D": PairCritic(self.build_critic(build, c.width), width=c.width, latent=c.latent),
        }

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        x, objective = batch["image"], self.config.objective
        z = self.noise(x, step)
        output = nets.G(z)
        encoded, generated = joined(x, nets.E(x)), joined(output, z)

        def judge(pairs: Tensor) -> Tensor:
            scores: Tensor = nets.D(*parted(pairs, x))
            return scores

        def mirrored(pairs: Tensor) -> Tensor:
            return -judge(pairs)

        views = {"critic": judge, "real": encoded.detach(), "fake": generated.detach()}
        critic = objective.critic(judge, encoded.detach(), generated, step)
        yield Update("D", {"critic": critic}, views)
        objective.constrain(nets.D)
        losses = {
            "generated": objective.generator(judge, generated, encoded, step),
            "encoded": objective.generator(mirrored, encoded, generated, step),
        }
        yield Update("GE", losses, views | {"real": encoded, "fake": generated, "output": output})

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        if direction == "generate":
            return super().translate(nets, inputs, direction, draw)
        images = inputs["image"]
        codes: Tensor = nets.E(self.as_trained(images))
        if direction == "encode":
            return codes
        return fitted(nets.G(codes), (images.shape[2], images.shape[3]))


def joined(images: Tensor, codes: Tensor) -> Tensor:
    """Images, N x C x H x W, and vectors, N x n, as one tensor N x (C H W + n) x 1 x 1: what an objective takes for an
    image is then the pair, and a gradient penalty looks at the slope in both."""
    return torch.cat((images.flatten(1), codes.to(images.dtype)), 1)[:, :, None, None]


def parted(pairs: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Images of the shape of `like`'s, and vectors, from what `joined` made of them."""
    flat, values = pairs.flatten(1), like[0].numel()
    return flat[:, :values].view(-1, *like.shape[1:]), flat[:, values:]
