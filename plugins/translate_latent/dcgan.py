"""DCGAN: Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", ICLR 2016, arXiv 1511.06434. WGAN-GP: Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, "Improved Training of
Wasserstein GANs", NIPS 2017, arXiv 1704.00028."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from translate import Build, Nets, NetworkUse, Objective, Step, Update
from translate_latent.base import LatentConfig, LatentMethod


class DCGANConfig(LatentConfig):
    """Knobs of DCGAN."""

    objective: Objective = Objective(uses="non-saturating")
    """The game that the networks play; the log losses in the paper."""
    critic_steps: PositiveInt = 1
    """Updates of the critic for one of the generator."""


class DCGAN(LatentMethod[DCGANConfig]):
    """A generator G of images from latent vectors against a critic D, both convolutional all through.

    Real images and fakes go through D in two batches, whose statistics batch norm takes apart. G learns from the fakes
    that D has just been shown, as in the authors' code.
    """

    name = "dcgan"
    players = {"D": ("D",), "G": ("G",)}
    losses = {"critic": 1.0, "adversarial": 1.0}
    views = {"D": ("critic", "real", "fake"), "G": ("critic", "real", "fake", "output")}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        return {"G": self.build_generator(build), "D": self.build_critic(build)}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        real, objective = batch["image"], self.config.objective
        joins = (step.updates["D"] + 1) % self.config.critic_steps == 0
        with torch.set_grad_enabled(joins):
            fake = nets.G(self.noise(real, step))
        views = {"critic": nets.D, "real": real}
        critic = objective.critic(nets.D, real, fake, step)
        yield Update("D", {"critic": critic}, views | {"fake": fake.detach()})
        objective.constrain(nets.D)
        if joins:
            adversarial = objective.generator(nets.D, fake, real, step)
            yield Update("G", {"adversarial": adversarial}, views | {"fake": fake, "output": fake})


class WGANGPConfig(DCGANConfig):
    """Knobs of WGAN-GP."""

    discriminator: NetworkUse = NetworkUse(uses="latent/critic", options={"norm": "none"})
    """The critic, by name or with options. No batch norm: the penalty looks at the slope at each image alone."""
    objective: Objective = Objective(uses="wgan-gp")
    """The game that the networks play; the Wasserstein distance with a penalty on the critic's slope (algorithm 1)."""
    critic_steps: PositiveInt = 5
    """Updates of the critic for one of the generator; 5 in the paper."""


class WGANGP(DCGAN):
    """The same networks under E D(G(z)) - E D(x) + 10 E (|slope of D| - 1)^2 (equation 3): D estimates the distance of
    fakes and real images, and takes several updates for one of G."""

    name = "wgan-gp"
    Config = WGANGPConfig
    config: WGANGPConfig
    small = {**DCGAN.small, "critic_steps": 2}
