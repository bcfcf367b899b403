"""BicycleGAN: Zhu, Zhang, Pathak, Darrell, Efros, Wang, Shechtman, "Toward Multimodal Image-to-Image Translation".

NIPS 2017, arXiv 1711.11586.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from translate import (
    Build,
    Config,
    ConfigError,
    Direction,
    DirectionCall,
    Draw,
    Method,
    Nets,
    Network,
    NetworkUse,
    Objective,
    Step,
    Update,
    hookimpl,
)
from translate_bicyclegan.networks import CodedUNet, Encoder


class BicycleGANConfig(Config):
    """Knobs of BicycleGAN."""

    generator: NetworkUse = NetworkUse(uses="bicyclegan/unet")
    """The generator G, by name or with options: a U-Net that sees the code beside every layer of its encoder."""
    encoder: NetworkUse = NetworkUse(uses="bicyclegan/encoder")
    """The encoder E of codes, by name or with options."""
    discriminator: NetworkUse = NetworkUse(uses="patchgan")
    """Both critics, by name or with options: `patchgan` judges patches of 70 pixels, `pixel` every pixel alone."""
    code: PositiveInt = 8
    """Numbers of a code z: too few cannot tell all answers apart, too many are hard to draw from (section 5.3)."""
    norm: Literal["batch", "instance", "none"] = "instance"
    """The norm of generator and critics: `instance`, `batch` or `none`. The encoder has an option of its own."""
    objective: Objective = Objective(uses="lsgan")
    """The game that the networks play; least squares in the paper."""
    conditional: bool = True
    """Shows the critics the input beside the output (section 3). Without it, they judge whether outputs look real, not
    whether they fit."""


class BicycleGAN(Method[BicycleGANConfig]):
    """G(A, z) turns an input and a code into an output, and z and the output are bound together in both directions.

    cVAE-GAN: z is drawn from what E says of the true B, and G(A, z) is to be B; the KL divergence keeps the codes near
    N(0, I). cLR-GAN: z is drawn from N(0, I), and E is to find it in G(A, z). Each half has a critic of its own. E
    learns from the first half alone: else G and E would agree on a hidden place for the code (section 4).
    """

    name = "bicyclegan"
    data = "paired"
    players = {"GE": ("gen", "encoder"), "D": ("D_encoded", "D_random")}
    losses = {
        "adversarial_encoded": 1.0,
        "adversarial_random": 1.0,
        "l1": 10.0,
        "kl": 0.01,
        "latent": 0.5,
        "critic_encoded": 1.0,
        "critic_random": 1.0,
    }
    views = {
        "GE": ("input", "output", "target", "random", "critic", "real", "fake"),
        "D": ("critic", "real", "fake"),
    }
    directions = {
        "a_to_b": Direction(nets=("gen",), draws=True),
        "like": Direction(
            nets=("gen", "encoder"), inputs=("image", "exemplar"), sides=("input", "target"), target="target"
        ),
    }

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c, a, b = self.config, self.spec.channels["input"], self.spec.channels["target"]
        seen = a + b if c.conditional else b
        gen = build(c.generator, in_channels=a, out_channels=b, norm=c.norm, code=c.code)
        length = getattr(getattr(gen, "config", None), "code", c.code)
        if length != c.code:
            raise ConfigError(f"bicyclegan: the generator takes codes of {length} numbers, and `code` is {c.code}")
        return {
            "gen": gen,
            "encoder": build(c.encoder, in_channels=b, out_channels=c.code),
            "D_encoded": build(c.discriminator, in_channels=seen, norm=c.norm),
            "D_random": build(c.discriminator, in_channels=seen, norm=c.norm),
        }

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        A, B, objective = batch["input"], batch["target"], self.config.objective
        critic_encoded, critic_random = self.critic(nets.D_encoded, A), self.critic(nets.D_random, A)

        def normal() -> Tensor:
            return torch.randn((len(A), self.config.code), generator=step.rng, device=A.device)

        mean, log_variance = map(Tensor.float, nets.encoder(B))
        encoded = nets.gen(A, mean + (log_variance / 2).exp() * normal())
        z = normal()
        random = nets.gen(A, z)
        losses = {
            "adversarial_encoded": objective.generator(critic_encoded, encoded, B, step),
            "adversarial_random": objective.generator(critic_random, random, B, step),
            "l1": F.l1_loss(encoded.float(), B),
            "kl": divergence(mean, log_variance),
            # One step of the optimizer takes this with the rest: by itself, Adam would undo its weight.
            "latent": F.l1_loss(fixed(nets.encoder, random)[0].float(), z),
        }
        shown = {"critic": critic_encoded, "real": B, "fake": encoded}
        yield Update("GE", losses, shown | {"input": A, "output": encoded, "target": B, "random": random})
        encoded, random = encoded.detach(), random.detach()
        losses = {
            "critic_encoded": objective.critic(critic_encoded, B, encoded, step),
            "critic_random": objective.critic(critic_random, B, random, step),
        }
        yield Update("D", losses, shown | {"fake": encoded})
        objective.constrain(nets.D_encoded, nets.D_random)

    def critic(self, net: nn.Module, A: Tensor) -> Callable[[Tensor], Tensor]:
        """A critic as a function of images alone, which it judges as outputs of A."""
        return lambda B: net(torch.cat((A, B), 1) if self.config.conditional else B)

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        z = nets.encoder(inputs["exemplar"])[0] if direction == "like" else draw.normal(self.config.code)
        output: Tensor = nets.gen(inputs["image"], z)
        return output


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)), the sum over a code N x D, then the mean over codes."""
    return ((mean.square() + log_variance.exp() - 1 - log_variance) / 2).sum(1).mean()


def fixed(net: nn.Module, images: Tensor) -> Any:
    """`net(images)`, with a gradient for the images and none for the network."""
    weights = {name: parameter.detach() for name, parameter in net.named_parameters()}
    return functional_call(net, weights, (images,))


@hookimpl
def translate_methods() -> list[type[Method[BicycleGANConfig]]]:
    return [BicycleGAN]


@hookimpl
def translate_networks() -> list[type[Network[Any]]]:
    return [CodedUNet, Encoder]
