"""Conditional GAN: Mirza, Osindero, "Conditional Generative Adversarial Nets", 2014, arXiv 1411.1784."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Build, Class, DataSpec, DirectionCall, Draw, Image, Nets, Objective, Sides, Step, Update
from translate_latent.base import GENERATE, LatentConfig, LatentMethod
from translate_latent.networks import fitted

LABELLED = Sides({"image": Image(), "class": Class()}, together=(("image", "class"),))
"""Images, each with its class."""
GENERATE_CLASS = replace(GENERATE, inputs=("class",), sides=("class",))
"""Images of a class, from drawn latent vectors."""


class ConditionalConfig(LatentConfig):
    """Knobs of the conditional GAN."""

    objective: Objective = Objective(uses="non-saturating")
    """The game that the networks play; the log losses in the paper."""
    mismatched: bool = False
    """Also shows the critic real images with a wrong class, as fakes (Reed et al., ICML 2016, algorithm 1), so that it
    judges whether image and class belong together. Not with objectives that compare real and fake one to one."""

    @model_validator(mode="after")
    def _not_one_to_one(self) -> ConditionalConfig:
        if self.mismatched and self.objective.uses in ("wgan-gp", "loss-sensitive", "relativistic"):
            raise ValueError(f"`mismatched` shows twice as many fakes as real images: not with {self.objective.uses}")
        return self


C = TypeVar("C", bound=LatentConfig)


class ClassMethod(LatentMethod[C]):
    """A game with a generator G(z, y) of images of a class y."""

    data = LABELLED
    directions = {"generate": GENERATE_CLASS}

    @property
    def classes(self) -> int:
        """The number of classes of the data."""
        return classes_of(self.spec)

    def hot(self, labels: Tensor) -> Tensor:
        """Classes, long N, as vectors N x classes: 1 at the class."""
        return F.one_hot(labels, self.classes).float()

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        codes = torch.cat((draw.normal(self.config.latent), self.hot(inputs["class"])), 1)
        return fitted(nets.G(codes), draw.size)


def classes_of(spec: DataSpec) -> int:
    """The number of classes of the side `class`."""
    side = spec.sides["class"]
    assert isinstance(side, Class)
    return len(side.names)


class Conditional(ClassMethod[ConditionalConfig]):
    """min_G max_D E log D(x, y) + E log(1 - D(G(z, y), y)): both players are told the class y (equation 2).

    G gets y as a one-hot vector beside the latent one, D as constant channels beside the image.
    """

    name = "conditional"
    players = {"D": ("D",), "G": ("G",)}
    losses = {"critic": 1.0, "adversarial": 1.0}
    views = {"D": ("critic", "real", "fake"), "G": ("critic", "real", "fake", "output")}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        classes = self.classes
        return {"G": self.build_generator(build, classes), "D": self.build_critic(build, further=classes)}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        x, y, objective = batch["image"], self.hot(batch["class"]), self.config.objective
        output = nets.G(torch.cat((self.noise(x, step), y), 1))
        real, fake = joined(x, y), joined(output, y)
        fakes = fake.detach()
        if self.config.mismatched:
            fakes = torch.cat((fakes, joined(x, self.hot(self.others(batch["class"], step)))))
        views = {"critic": nets.D, "real": real}
        critic = objective.critic(nets.D, real, fakes, step)
        yield Update("D", {"critic": critic}, views | {"fake": fake.detach()})
        objective.constrain(nets.D)
        adversarial = objective.generator(nets.D, fake, real, step)
        yield Update("G", {"adversarial": adversarial}, views | {"fake": fake, "output": output})

    def others(self, labels: Tensor, step: Step) -> Tensor:
        """A random other class for each image."""
        shift = torch.randint(1, max(2, self.classes), labels.shape, generator=step.rng, device=labels.device)
        return (labels + shift) % self.classes


def joined(images: Tensor, y: Tensor) -> Tensor:
    """Images, N x C x H x W, with vectors, N x n, as n further channels that are constant over the image."""
    planes = y[:, :, None, None].expand(-1, -1, *images.shape[-2:])
    return torch.cat((images, planes.to(images.dtype)), 1)
