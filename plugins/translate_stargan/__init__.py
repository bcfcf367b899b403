"""StarGAN: Choi, Choi, Kim, Ha, Kim, Choo, "StarGAN: Unified Generative Adversarial Networks for Multi-Domain
Image-to-Image Translation", CVPR 2018, arXiv 1711.09020."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from translate import (
    Build,
    Class,
    Config,
    ConfigError,
    DataSpec,
    Direction,
    DirectionCall,
    Draw,
    Image,
    Method,
    Nets,
    Network,
    NetworkUse,
    Objective,
    Sides,
    Step,
    Update,
    hookimpl,
)
from translate_stargan.networks import StarCritic, StarGenerator


class StarGANConfig(Config):
    """Knobs of StarGAN."""

    generator: NetworkUse = NetworkUse(uses="stargan/generator")
    """The generator, by name or with options: `stargan/generator`, or another that maps of a constant get through."""
    discriminator: NetworkUse = NetworkUse(uses="stargan/critic")
    """The critic, which returns scores and logits of classes: `stargan/critic`, whose `layers` follow from the size of
    images (6 at 128 pixels)."""
    norm: Literal["batch", "instance", "none"] = "instance"
    """The norm of the generator: `instance` (the paper), `batch` or `none`. The critic has none."""
    objective: Objective = Objective(uses="wgan-gp")
    """The game that the networks play; Wasserstein with a gradient penalty in the paper (equation 8)."""
    critic_steps: PositiveInt = 5
    """Batches on which the critic moves for one on which the generator moves, too."""


class StarGAN(Method[StarGANConfig]):
    """One generator G(x, c) makes of an image x what it would be in class c, for any number of classes.

    The critic D has two heads: D_src tells real images from outputs, D_cls says the class. D learns classes from real
    images, G from the classes that D sees in its outputs; G(G(x, c), c') = x for the image's own class c' (equations 5
    and 6).

    `identity`, whose weight is 0 in the paper, asks G(x, c) = x of the images whose wanted class is their own
    (Siddiquee et al., "Learning Fixed Points in Generative Adversarial Networks", ICCV 2019). Without it G may exchange
    what no class says, blue backgrounds for yellow ones, since the way back exchanges them again.
    """

    name = "stargan"
    data = Sides({"image": Image(), "class": Class()}, together=(("image", "class"),))
    players = {"D": ("disc",), "G": ("gen",)}
    losses = {
        "critic": 1.0,
        "class_real": 1.0,
        "adversarial": 1.0,
        "class_fake": 1.0,
        "cycle": 10.0,
        "identity": 0.0,
    }
    views = {
        "D": ("critic", "real", "fake"),
        "G": ("critic", "real", "fake", "input", "output", "cycle"),
    }
    directions = {"to": Direction(nets=("gen",), inputs=("image", "class"), sides=("image", "class"), target="image")}
    small = {
        "generator": {"uses": "stargan/generator", "blocks": 1, "filters": 4},
        "discriminator": {"uses": "stargan/critic", "filters": 4, "layers": 3},
        "critic_steps": 2,
    }

    @classmethod
    def directions_with(cls, config: StarGANConfig, spec: DataSpec | None) -> Mapping[str, Direction]:
        """`to`, which takes the class beside the image, and one direction for each class of the data."""
        names = class_names(spec) if spec else ()
        to_one = Direction(nets=("gen",), sides=("image",), target="image")
        return {**cls.directions, **dict.fromkeys(map(direction_to, names), to_one)}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c, channels, count = self.config, self.spec.channels["image"], len(class_names(self.spec))
        if count < 2:
            raise ConfigError("stargan translates between classes, and this data has fewer than two")
        return {
            "gen": build(c.generator, in_channels=channels + count, out_channels=channels, norm=c.norm),
            "disc": build(c.discriminator, in_channels=channels, out_channels=count),
        }

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        x, own, c = batch["image"], batch["class"], self.config
        if step.index == 0:
            self.check_generator(nets, x)
        # Classes of the same batch in another order, so that each is asked for as often as the data has it.
        wanted = own[torch.randperm(len(own), generator=step.rng, device=own.device)]
        moves = (step.index + 1) % c.critic_steps == 0
        with torch.set_grad_enabled(moves):
            fake = self.translated(nets, x, wanted)

        def critic(images: Tensor) -> Tensor:
            scores: Tensor = nets.disc(images)[0]
            return scores

        critic_loss = c.objective.critic(critic, x, fake.detach(), step)
        class_real = F.cross_entropy(nets.disc(x)[1].float(), own)
        views = {"critic": critic, "real": x, "fake": fake.detach()}
        yield Update("D", {"critic": critic_loss, "class_real": class_real}, views)
        c.objective.constrain(nets.disc)
        if not moves:
            return
        cycle = self.translated(nets, fake, own)
        losses = {
            "adversarial": c.objective.generator(critic, fake, x, step),
            "class_fake": F.cross_entropy(nets.disc(fake)[1].float(), wanted),
            "cycle": F.l1_loss(cycle.float(), x),
        }
        if self.weights["identity"] != 0:
            losses["identity"] = unchanged(fake.float(), x, wanted == own)
        yield Update("G", losses, views | {"fake": fake, "input": x, "output": fake, "cycle": cycle})

    def check_generator(self, nets: Nets, images: Tensor) -> None:
        """Errors: ConfigError for a generator whose output for an image is the same whatever the class."""
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            classes = torch.tensor([0, 1], device=images.device)
            one, other = self.translated(nets, images[:1].expand(2, -1, -1, -1), classes)
        if (one - other).abs().max() <= 1e-4 * one.abs().max():
            raise ConfigError(
                f"stargan: {self.config.generator.uses} does not see the class, which its norm takes away since it is "
                "the same at every pixel; use `stargan/generator`, or `norm: batch`"
            )

    def translated(self, nets: Nets, images: Tensor, classes: Tensor) -> Tensor:
        """G(x, c): images N x C x H x W with the classes (long, N) as constant maps beside them."""
        maps = F.one_hot(classes, len(class_names(self.spec))).to(images.dtype)
        output: Tensor = nets.gen(torch.cat((images, maps[..., None, None].expand(-1, -1, *images.shape[2:])), 1))
        return output

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        images = inputs["image"]
        if direction == "to":
            return self.translated(nets, images, inputs["class"])
        wanted = [direction_to(name) for name in class_names(self.spec)].index(direction)
        return self.translated(nets, images, torch.full((images.shape[0],), wanted, device=images.device))


def unchanged(fake: Tensor, real: Tensor, asked: Tensor) -> Tensor:
    """The mean L1 distance of G(x, c) from x for the images that were `asked` for their own class (bool, N), 0 if none
    was."""
    distances = (fake - real).abs().mean((1, 2, 3))
    return (distances * asked).sum() / asked.sum().clamp(min=1)


def class_names(spec: DataSpec) -> tuple[str, ...]:
    """The names of the classes of the data, by index."""
    side = spec.sides["class"]
    assert isinstance(side, Class)
    return side.names


def direction_to(name: str) -> str:
    """The direction that leads to a class: `to_brown_hair` for `brown hair`."""
    return "to_" + re.sub(r"\W+", "_", name)


@hookimpl
def translate_methods() -> list[type[Method[StarGANConfig]]]:
    return [StarGAN]


@hookimpl
def translate_networks() -> list[type[Network[Any]]]:
    return [StarGenerator, StarCritic]
