"""my-plugin: one generator between any number of domains, such as hair colours or seasons.

After Choi et al., "StarGAN", CVPR 2018, arXiv 1711.09020, with a critic that has one answer for each domain instead of
a classifier, after Choi et al., "StarGAN v2", CVPR 2020, arXiv 1912.01865.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
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
    NetworkUse,
    Objective,
    Sides,
    Step,
    Update,
    hookimpl,
)

translate_contract = ">=2,<3"


class MyPluginConfig(Config):
    """The knobs of the method; a pipeline sets them under `options`. The string below each is its description."""

    generator: NetworkUse = NetworkUse(uses="resnet_6", options={"norm": "batch"})
    """The generator G, by name or with options. It is told the domain by constant maps, and instance norm, which takes
    constants away, would hide them."""
    discriminator: NetworkUse = NetworkUse(uses="patchgan")
    """The critic D, by name or with options."""
    objective: Objective = Objective(uses="hinge")
    """The game that G and D play."""


class MyPlugin(Method[MyPluginConfig]):
    """G(x, c) makes of an image x what it would be in domain c; D says for each domain whether an image is real there.

    G comes back, too: G(G(x, c), own domain of x) = x, so that all but the domain stays.
    """

    name = "my-plugin"
    data = Sides({"image": Image(), "class": Class()}, together=(("image", "class"),))
    players = {"D": ("disc",), "G": ("gen",)}
    losses = {"critic": 1.0, "adversarial": 1.0, "cycle": 10.0}
    views = {"D": ("critic", "real", "fake"), "G": ("critic", "real", "fake", "input", "output", "cycle")}
    directions = {"to": Direction(nets=("gen",), inputs=("image", "class"), sides=("image", "class"), target="image")}

    @classmethod
    def directions_with(cls, config: MyPluginConfig, spec: DataSpec | None) -> Mapping[str, Direction]:
        """`to`, which takes the domain by name beside the image, and one direction into each domain of the data."""
        into_one = Direction(nets=("gen",), sides=("image",), target="image")
        names = domains(spec) if spec else ()
        return {**cls.directions, **dict.fromkeys(map(direction_into, names), into_one)}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        channels, count = self.spec.channels["image"], len(domains(self.spec))
        if count < 2:
            raise ConfigError("my-plugin translates between domains, and this data has fewer than two")
        return {
            "gen": build(self.config.generator, in_channels=channels + count, out_channels=channels),
            "disc": build(self.config.discriminator, in_channels=channels, out_channels=count),
        }

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        x, own, objective = batch["image"], batch["class"], self.config.objective
        # Domains of the same batch in another order: they are as frequent as in the data, and each has a real image.
        order = torch.randperm(len(x), generator=step.rng, device=x.device)
        wanted, real = own[order], x[order]
        fake = self.translated(nets, x, wanted)

        def critic(images: Tensor) -> Tensor:
            """D's answers for the wanted domain of each image."""
            answers: Tensor = nets.disc(images)
            return answers[torch.arange(len(images)), wanted]

        views = {"critic": critic, "real": real, "fake": fake.detach()}
        yield Update("D", {"critic": objective.critic(critic, real, fake.detach(), step)}, views)
        objective.constrain(nets.disc)
        cycle = self.translated(nets, fake, own)
        losses = {
            "adversarial": objective.generator(critic, fake, real, step),
            "cycle": F.l1_loss(cycle.float(), x),
        }
        yield Update("G", losses, {**views, "fake": fake, "input": x, "output": fake, "cycle": cycle})

    def translated(self, nets: Nets, images: Tensor, classes: Tensor) -> Tensor:
        """G(x, c): images N x C x H x W with the domains (long, N) as constant maps beside them."""
        maps = F.one_hot(classes, len(domains(self.spec))).to(images.dtype)
        output: Tensor = nets.gen(torch.cat((images, maps[..., None, None].expand(-1, -1, *images.shape[2:])), 1))
        return output

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        images = inputs["image"]
        if direction == "to":
            return self.translated(nets, images, inputs["class"])
        wanted = [direction_into(name) for name in domains(self.spec)].index(direction)
        return self.translated(nets, images, torch.full((len(images),), wanted, device=images.device))


def domains(spec: DataSpec) -> tuple[str, ...]:
    """The names of the domains of the data, by index."""
    side = spec.sides["class"]
    assert isinstance(side, Class)
    return side.names


def direction_into(name: str) -> str:
    """The direction that leads into a domain: `to_brown_hair` for `brown hair`."""
    return "to_" + re.sub(r"\W+", "_", name)


@hookimpl
def translate_methods() -> list[type[Method[Any]]]:
    return [MyPlugin]
