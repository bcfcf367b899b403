"""Colorization: from lightness L to the colours ab of CIE Lab, by regression against a critic or by classification.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017 (L1 and a conditional
critic); Zhang, Isola, Efros, "Colorful Image Colorization", ECCV 2016 (classes of colour, rebalanced).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from translate import (
    Build,
    Config,
    Direction,
    DirectionCall,
    Draw,
    Method,
    Metric,
    Nets,
    Network,
    NetworkUse,
    Objective,
    Step,
    Update,
    hookimpl,
    to_lab,
    to_rgb,
)
from translate_colorization.bins import Prior, ab_bins, annealed_mean, soft_encode
from translate_colorization.metrics import AbAuC, AbPSNR, Colourfulness
from translate_colorization.networks import Zhang

RANGE = 110.0
"""ab are divided by it, which keeps all colours of sRGB in [-1, 1]."""
COLOURED = 5.0
"""An image without any |a| or |b| above this is grey itself and teaches no colours (Zhang et al., code)."""


class ColorizationConfig(Config):
    """Knobs of colorization, by regression or by classes."""

    predict: Literal["colour", "classes"] = "colour"
    """The output of G for a pixel: its `colour` (Isola et al.), or a distribution over `classes` of colours (Zhang et
    al.)."""
    generator: NetworkUse = NetworkUse(uses="unet_256")
    """The generator G, by name or with options; for classes, `zhang` is the paper's."""
    discriminator: NetworkUse = NetworkUse(uses="patchgan")
    """The critic D of colours, by name or with options: `patchgan` judges patches of 70 pixels, `pixel` every pixel
    alone."""
    norm: Literal["batch", "instance", "none"] = "batch"
    """The norm of both networks: `batch` (both papers), `instance` or `none`."""
    dropout: bool = False
    """Dropout of 0.5 in a generator that has it, in training alone."""
    objective: Objective = Objective(uses="non-saturating")
    """The game that the networks play; it rests with `predict: classes` and where `losses.adversarial` is 0."""
    rebalance: bool = True
    """Weights rare colours up in the loss of classes (section 2.2); without it, outputs are greyer."""
    resolution: PositiveInt | None = None
    """The shorter side in pixels that larger images are reduced to for the network, whose colours are enlarged again;
    lightness always keeps the image's own resolution. Empty: never reduced."""


class Colorization(Method[ColorizationConfig]):
    """G guesses ab from L; the output joins them with the L of the input, at its full resolution.

    `colour`: 100 |ab - G(L)|_1 and a critic of (L, ab), which rests where `losses.adversarial` is 0. `classes`: cross
    entropy with softly encoded colours, rare ones weighted up; the output is the annealed mean.
    """

    name = "colorization"
    data = "single"
    players = {"D": ("D",), "G": ("G",)}
    losses = {"adversarial": 1.0, "l1": 100.0, "classes": 1.0, "critic": 0.5}
    views = {"D": ("critic", "real", "fake"), "G": ("critic", "real", "fake", "input", "output", "target")}
    directions = {"colorize": Direction(nets=("G",))}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c = self.config
        outputs, options = (2, {}) if c.predict == "colour" else (len(ab_bins()), {"output": "none"})
        return {
            "G": build(c.generator, in_channels=1, out_channels=outputs, norm=c.norm, dropout=c.dropout, **options),
            "D": build(c.discriminator, in_channels=3, norm=c.norm),
            "prior": Prior(len(ab_bins())),
        }

    def degrade(self, target: Tensor, direction: DirectionCall, rng: torch.Generator) -> Tensor:
        L, ab = to_lab(target)
        return to_rgb(L, torch.zeros_like(ab))

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        L = seen = to_lab(inputs["image"])[0]
        side, resolution = min(L.shape[-2:]), self.config.resolution
        if resolution is not None and side > resolution:
            m = getattr(nets.G, "multiple", 1)
            size = [max(1, round(n * resolution / side / m)) * m for n in L.shape[-2:]]
            seen = F.interpolate(L, size, mode="bilinear", antialias=True)
        ab = self.guess(nets.G(seen / 50 - 1))
        return to_rgb(L, F.interpolate(ab, L.shape[-2:], mode="bilinear") if ab.shape[-2:] != L.shape[-2:] else ab)

    def guess(self, output: Tensor) -> Tensor:
        """The output of G as ab: N x 2 x h x w, in Lab's units."""
        if self.config.predict == "colour":
            return output.float() * RANGE
        return annealed_mean(output, ab_bins().to(output.device))

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        L, ab = to_lab(batch["image"])
        x, y = L / 50 - 1, ab / RANGE
        play = self.by_colour if self.config.predict == "colour" else self.by_classes
        yield from play(nets, x, y, batch["image"], step)

    def by_colour(self, nets: Nets, x: Tensor, y: Tensor, real: Tensor, step: Step) -> Iterator[Update]:
        fake, objective = nets.G(x), self.config.objective
        losses, views = {"l1": F.l1_loss(fake.float(), y)}, dict[str, Any]()
        if self.weights["adversarial"] != 0:

            def critic(colours: Tensor) -> Tensor:
                scores: Tensor = nets.D(torch.cat((x, colours), 1))
                return scores

            views = {"critic": critic, "real": y, "fake": fake.detach()}
            yield Update("D", {"critic": objective.critic(critic, y, fake.detach(), step)}, views)
            objective.constrain(nets.D)
            losses["adversarial"] = objective.generator(critic, fake, y, step)
        output = to_rgb(50 * x + 50, self.guess(fake))
        yield Update("G", losses, views | {"fake": fake, "real": y, "input": x, "output": output, "target": real})

    def by_classes(self, nets: Nets, x: Tensor, y: Tensor, real: Tensor, step: Step) -> Iterator[Update]:
        """Equations 2 and 3: the weight of a pixel is that of the class nearest to its true colour."""
        logits = nets.G(x).float()
        ab = F.interpolate(y * RANGE, logits.shape[-2:], mode="area")
        index, share = soft_encode(ab, ab_bins().to(ab.device))
        nets.prior.learn(index, share)
        logs = logits.log_softmax(1).permute(0, 2, 3, 1).gather(3, index)
        weight = nets.prior.weights()[index[..., 0]] if self.config.rebalance else torch.ones_like(share[..., 0])
        coloured = (ab.abs().amax((1, 2, 3)) > COLOURED).to(weight.dtype).view(-1, 1, 1)
        loss = -(coloured * weight * (share * logs).sum(3)).mean()
        yield Update("G", {"classes": loss}, views={"input": x, "target": real})


@hookimpl
def translate_methods() -> list[type[Method[ColorizationConfig]]]:
    return [Colorization]


@hookimpl
def translate_networks() -> list[type[Network[Any]]]:
    return [Zhang]


@hookimpl
def translate_metrics() -> list[type[Metric[Any]]]:
    return [AbPSNR, AbAuC, Colourfulness]
