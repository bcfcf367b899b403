"""pix2pix: Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate import (
    Build,
    Config,
    Direction,
    DirectionCall,
    Draw,
    Method,
    Nets,
    NetworkUse,
    Objective,
    Step,
    TestTime,
    Update,
    hookimpl,
)


class Pix2PixConfig(Config):
    """Knobs of pix2pix."""

    generator: NetworkUse = NetworkUse(uses="unet_256")
    """The generator G, by name or with options: a U-Net whose levels fit the size (`unet_128`, `unet_512`), or
    `resnet_9`."""
    discriminator: NetworkUse = NetworkUse(uses="patchgan")
    """The critic D, by name or with options: `patchgan` judges patches of 70 pixels, `pixel` every pixel alone."""
    norm: Literal["batch", "instance", "none"] = "batch"
    """The norm of both networks: `batch` (the paper, where it sees one image at a time), `instance` or `none`."""
    dropout: bool = True
    """Dropout of 0.5 in the generator, in training and in use: the only noise of the paper's G (section 3.3)."""
    objective: Objective = Objective(uses="non-saturating")
    """The game that the networks play; the paper has the log losses, its code also `lsgan`."""
    conditional: bool = True
    """Shows D the input beside the output (section 3.1). Without it, D judges whether outputs look real, not whether
    they fit."""


class Pix2Pix(Method[Pix2PixConfig]):
    """A U-Net G against a PatchGAN D that sees input and output together.

    G minimises the adversarial term plus 100 |y - G(x)|_1 (equation 4); D's loss is halved to slow it down. Noise
    enters as dropout, at test time too, with batch norm on the statistics of the test image (section 3.3).
    """

    name = "pix2pix"
    data = "paired"
    players = {"D": ("disc",), "G": ("gen",)}
    losses = {"adversarial": 1.0, "l1": 100.0, "critic": 0.5}
    views = {
        "D": ("critic", "real", "fake"),
        "G": ("critic", "real", "fake", "input", "output", "target", "generator"),
    }
    directions = {"a_to_b": Direction(nets=("gen",))}
    test_time = TestTime(dropout=True, norm="image")

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c, x, y = self.config, self.spec.channels["input"], self.spec.channels["target"]
        seen = x + y if c.conditional else y
        return {
            "gen": build(c.generator, in_channels=x, out_channels=y, norm=c.norm, dropout=c.dropout),
            "disc": build(c.discriminator, in_channels=seen, norm=c.norm),
        }

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        x, y = batch["input"], batch["target"]
        fake = nets.gen(x)

        def critic(image: Tensor) -> Tensor:
            scores: Tensor = nets.disc(torch.cat((x, image), 1) if self.config.conditional else image)
            return scores

        objective = self.config.objective
        views = {"critic": critic, "real": y, "fake": fake.detach()}
        yield Update("D", {"critic": objective.critic(critic, y, fake.detach(), step)}, views)
        objective.constrain(nets.disc)
        losses = {"adversarial": objective.generator(critic, fake, y, step), "l1": F.l1_loss(fake.float(), y)}
        shown = {"fake": fake, "input": x, "output": fake, "target": y, "generator": nets.gen}
        yield Update("G", losses, views | shown)

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        fake: Tensor = nets.gen(inputs["image"])
        return fake


@hookimpl
def translate_methods() -> list[type[Method[Pix2PixConfig]]]:
    return [Pix2Pix]
