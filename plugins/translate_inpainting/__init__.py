"""Context encoders: Pathak, Krahenbuhl, Donahue, Darrell, Efros, "Context Encoders: Feature Learning by Inpainting".

CVPR 2016, arXiv 1604.07379. Here the generator sees the mask and makes the whole image; what is known stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import NonNegativeInt, model_validator
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
    NoOptions,
    Objective,
    Step,
    Update,
    hookimpl,
    load_masks,
)
from translate_inpainting.metrics import HoleL1, HolePSNR
from translate_inpainting.networks import GatedGenerator
from translate_inpainting.strokes import strokes

RING = 10.0
"""The weight of the ring around a hole (section 3.1 of the supplement: ten times)."""


class InpaintingConfig(Config):
    """Knobs of context encoders."""

    generator: NetworkUse = NetworkUse(uses="unet_128")
    """The generator F, by name or with options; it sees the image and the mask as one more channel."""
    discriminator: NetworkUse = NetworkUse(uses="patchgan")
    """The critic D, by name or with options: `patchgan` judges patches of 70 pixels, `pixel` every pixel alone."""
    norm: Literal["batch", "instance", "none"] = "batch"
    """The norm of both networks: `batch` (the paper), `instance` or `none`."""
    critic: Literal["image", "hole"] = "image"
    """What D sees: the completed `image` (the paper), in which most patches have nothing to tell; or the `hole` as one
    more channel beside it, as the critic of free-form inpainting does (Yu et al. 2019, section 3.2)."""
    objective: Objective = Objective(uses="non-saturating")
    """The game that the networks play; the log losses in the paper."""
    mask: Literal["centre", "random", "strokes", "files"] = "random"
    """The holes (section 3.3): `centre`, half as high and wide as the image; `random`, a rectangle of 10 to 40 % of
    the area; `files`, drawn from the folder `masks`. `strokes` are of free form, as a brush draws them (Yu et al.
    2019), 4 to 30 % of the area."""
    masks: Path | None = None
    """A folder of black and white images, whose white pixels are the hole; with `mask: files` alone."""
    overlap: NonNegativeInt = 4
    """Known pixels around a hole that the generator has to continue, ten times as strictly (4 in the authors' code)."""

    @model_validator(mode="after")
    def _files(self) -> InpaintingConfig:
        if (self.mask == "files") != (self.masks is not None):
            raise ValueError("`mask: files` and the folder `masks` belong together")
        return self


class Inpainting(Method[InpaintingConfig]):
    """F fills the hole M of x: it minimises the masked squared error and fools a critic of the completed image
    (equations 1 to 3). M is 1 in the hole; the input shows the mean colour of what is known there."""

    name = "inpainting"
    data = "single"
    players = {"D": ("D",), "F": ("F",)}
    losses = {"reconstruction": 0.999, "adversarial": 0.001, "critic": 1.0}
    views = {"D": ("critic", "real", "fake"), "F": ("critic", "real", "fake", "input", "output", "target")}
    directions = {"fill": Direction(nets=("F",), inputs=("image", "mask"))}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c, channels = self.config, self.spec.channels["image"]
        return {
            "F": build(c.generator, in_channels=channels + 1, out_channels=channels, norm=c.norm, dropout=False),
            "D": build(c.discriminator, in_channels=channels + (c.critic == "hole"), norm=c.norm),
        }

    def holes(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """M for each image: N x 1 x H x W, 1 in the hole, else 0."""
        count, (height, width), device = len(images), images.shape[-2:], images.device
        if self.config.masks is not None:
            masks = masks_on(self.config.masks, (height, width), device)
            return masks[torch.randint(len(masks), (count,), generator=rng, device=device)]
        if self.config.mask == "strokes":
            return strokes(count, (height, width), rng, device)
        area, aspect, top, left = torch.rand((4, count, 1, 1, 1), generator=rng, device=device).unbind()
        area, aspect = 0.1 + 0.3 * area, torch.exp2(aspect - 0.5)
        if self.config.mask == "centre":
            area, aspect, top, left = (torch.full_like(area, value) for value in (0.25, 1, 0.5, 0.5))
        high, wide = (height * (area * aspect).sqrt()).round(), (width * (area / aspect).sqrt()).round()
        y = torch.arange(height, device=device).view(1, 1, -1, 1) - ((height - high) * top).round()
        x = torch.arange(width, device=device).view(1, 1, 1, -1) - ((width - wide) * left).round()
        return ((y >= 0) & (y < high) & (x >= 0) & (x < wide)).to(images.dtype)

    def degrade(self, target: Tensor, direction: DirectionCall, rng: torch.Generator) -> Mapping[str, Tensor]:
        mask = self.holes(target, rng)
        return {"image": covered(target, mask), "mask": 2 * mask - 1}

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        x, mask = inputs["image"], (inputs["mask"][:, :1] > 0).to(inputs["image"].dtype)
        return torch.where(mask > 0, self.whole(nets, x, mask).float(), x)

    def whole(self, nets: Nets, x: Tensor, mask: Tensor) -> Tensor:
        """The image that F makes, also where x is known."""
        image: Tensor = nets.F(torch.cat((covered(x, mask), mask), 1))
        return image

    def judged(self, images: Tensor, mask: Tensor) -> Tensor:
        """What D gets of images: them alone, or with the hole as one more channel, -1 outside and 1 inside."""
        return images if self.config.critic == "image" else torch.cat((images, 2 * mask - 1), 1)

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        x, objective = batch["image"], self.config.objective
        mask = self.holes(x, step.rng)
        whole = self.whole(nets, x, mask).float()
        fake = torch.where(mask > 0, whole, x)
        real, judged = self.judged(x, mask), self.judged(fake, mask)
        views = {"critic": nets.D, "real": real, "fake": judged.detach()}
        yield Update("D", {"critic": objective.critic(nets.D, real, judged.detach(), step)}, views)
        objective.constrain(nets.D)
        o = self.config.overlap
        ring = F.max_pool2d(mask, 2 * o + 1, 1, o) - mask
        weight = mask + RING * ring
        error = (weight * (whole - x).square()).sum() / ((mask + ring).sum() * x.shape[1])
        losses = {"reconstruction": error, "adversarial": objective.generator(nets.D, judged, real, step)}
        yield Update("F", losses, views | {"fake": judged, "input": covered(x, mask), "output": fake, "target": x})


@lru_cache(maxsize=4)
def masks_on(folder: Path, size: tuple[int, int], device: torch.device) -> Tensor:
    """`load_masks` on a device, once: a copy to a GPU in each step waits for the steps before."""
    masks: Tensor = load_masks(folder, size).to(device)
    return masks


def covered(images: Tensor, mask: Tensor) -> Tensor:
    """The images with their holes in the mean colour of what is known of each: nothing of the target is left there."""
    known = 1 - mask
    mean = (images * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
    return torch.where(mask > 0, mean, images)


@hookimpl
def translate_methods() -> list[type[Method[InpaintingConfig]]]:
    return [Inpainting]


@hookimpl
def translate_networks() -> list[type[Network[Any]]]:
    return [GatedGenerator]


@hookimpl
def translate_metrics() -> Iterable[type[Metric[NoOptions]]]:
    return [HoleL1, HolePSNR]
