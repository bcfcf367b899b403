"""InfoGAN: Chen, Duan, Houthooft, Schulman, Sutskever, Abbeel, "InfoGAN: Interpretable Representation Learning by
Information Maximizing Generative Adversarial Nets", NIPS 2016, arXiv 1606.03657."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Build, Class, DataSpec, Direction, DirectionCall, Draw, Nets, Objective, Step, Update
from translate_latent.base import GENERATE, LatentConfig, LatentMethod
from translate_latent.networks import Parts, fitted


class InfoGANConfig(LatentConfig):
    """Knobs of InfoGAN."""

    objective: Objective = Objective(uses="non-saturating")
    """The game about real and fake; the log losses in the paper."""
    categories: Annotated[int, Field(ge=2)] = 10
    """How many values the categorical code has; 10 in the paper's MNIST."""
    continuous: NonNegativeInt = 2
    """How many codes are numbers from -1 to 1; 2 in the paper's MNIST."""
    hidden: PositiveInt = 128
    """Values of the hidden layer between the critic and Q; 128 in the paper."""


class InfoGAN(LatentMethod[InfoGANConfig]):
    """G(z, c) with codes c that Q reads in the image: min over G and Q, max over D, of V(D, G) - lambda L_I (equation
    6).

    L_I = E log Q(c|x) + H(c) is a bound on the information that an image gives of its codes, in nats. D and Q share all
    convolutions: D's first value is the score, the others are the hidden layer of Q. Q learns with D, as in the
    authors' code, and G is shown what Q reads. `information` is -L_I of the categorical code, at best -log K;
    `information_continuous` that of codes that are numbers, with Q normal of deviation 1.
    """

    name = "infogan"
    players = {"D": ("D", "Q"), "G": ("G",)}
    losses = {
        **{"critic": 1.0, "reading": 1.0, "reading_continuous": 0.1},
        **{"adversarial": 1.0, "information": 1.0, "information_continuous": 0.1},
    }
    views = {"D": ("critic", "real", "fake"), "G": ("critic", "real", "fake", "output")}
    directions = {
        "generate": replace(GENERATE, inputs=("code",), types={"code": Class()}),
        "read": Direction(nets=("D", "Q"), output="class"),
    }
    small = {**LatentMethod.small, "hidden": 8}

    @classmethod
    def directions_with(cls, config: InfoGANConfig, spec: DataSpec | None = None) -> Mapping[str, Direction]:
        """The code is a class by its number, which images of `generate` are asked for and `read` tells."""
        codes = Class(tuple(str(number) for number in range(config.categories)))
        generate = replace(cls.directions["generate"], types={"code": codes})
        return {**cls.directions, "generate": generate}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c = self.config
        told = c.categories + c.continuous
        return {
            "G": self.build_generator(build, told),
            "D": self.build_critic(build, 1 + c.hidden),
            "Q": nn.Sequential(nn.LeakyReLU(0.2), nn.Linear(c.hidden, told)),
        }

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        real, objective = batch["image"], self.config.objective
        code = torch.randint(self.config.categories, (len(real),), generator=step.rng, device=real.device)
        numbers = torch.rand((len(real), self.config.continuous), generator=step.rng, device=real.device) * 2 - 1
        fake = nets.G(self.joined(self.noise(real, step), code, numbers))
        judge = Parts(nets.D)
        critic = objective.critic(judge, real, fake, step)
        reading, reading_continuous = self.information(nets.Q(judge.calls[1][:, 1:]), code, numbers)
        losses = {"critic": critic, "reading": -reading, "reading_continuous": -reading_continuous}
        views = {"critic": judge, "real": real}
        yield Update("D", losses, views | {"fake": fake.detach()})
        objective.constrain(nets.D)
        judge = Parts(nets.D)
        adversarial = objective.generator(judge, fake, real, step)
        information, continuous = self.information(nets.Q(judge.calls[-1][:, 1:]), code, numbers)
        losses = {"adversarial": adversarial, "information": -information, "information_continuous": -continuous}
        yield Update("G", losses, views | {"critic": judge, "fake": fake, "output": fake})

    def joined(self, z: Tensor, code: Tensor, numbers: Tensor) -> Tensor:
        """All that G is told: the latent vector, the code as a one-hot vector, and the numbers."""
        return torch.cat((z, F.one_hot(code, self.config.categories).float(), numbers), 1)

    def information(self, q: Tensor, code: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """L_I of the categorical code, and of the numbers, from the values of Q, in nats."""
        logits, means = torch.split(q.float(), [self.config.categories, self.config.continuous], 1)
        return categorical_information(logits, code), continuous_information(means, numbers)

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        c = self.config
        if direction == "read":
            read: Tensor = nets.Q(nets.D(self.as_trained(inputs["image"]))[:, 1:])[:, : c.categories]
            return read
        z, numbers = draw.normal(c.latent), draw.uniform(c.continuous, low=-1, high=1)
        return fitted(nets.G(self.joined(z, inputs["code"], numbers)), draw.size)


def categorical_information(logits: Tensor, code: Tensor) -> Tensor:
    """E log Q(c|x) + log K, the bound for a code that is drawn evenly from K values (equation 5); 0 where Q guesses."""
    return math.log(logits.shape[1]) - F.cross_entropy(logits, code)


def continuous_information(means: Tensor, numbers: Tensor) -> Tensor:
    """E log N(c; mean, 1) + H(c) for c even in [-1, 1], whose entropy is log 2, summed over codes."""
    likelihood = -0.5 * (numbers - means).square() - 0.5 * math.log(2 * math.pi)
    return (likelihood + math.log(2)).sum(1).mean()
