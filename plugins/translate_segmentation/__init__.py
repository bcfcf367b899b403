"""Segmentation: photo to label map.

Cross-entropy and Dice on a U-Net (Ronneberger et al. 2015); the same against a critic of label maps (Luc, Couprie,
Chintala, Verbeek, "Semantic Segmentation using Adversarial Networks", 2016, arXiv 1611.08408); and labels as colours,
which pix2pix paints (Isola et al. 2017, section 4.5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from translate import (
    Build,
    Config,
    ConfigError,
    Direction,
    DirectionCall,
    Draw,
    MedianFrequency,
    Method,
    Nets,
    Network,
    NetworkUse,
    Objective,
    Step,
    TestTime,
    Update,
    cross_entropy,
    dice_loss,
    hookimpl,
    one_hot,
)
from translate_segmentation.networks import LinkNet, UNet, joined, on_shrunk, shrunk


class SegmentationConfig(Config):
    """Knobs of segmentation."""

    network: NetworkUse = NetworkUse(uses="segmentation/unet")
    """The network S, by name or with options: from images to one map of logits for each class, of the same size."""
    shrink: PositiveInt = 1
    """The factor by which the network sees images smaller; its logits are interpolated, labels stay as they are."""
    class_weights: tuple[PositiveFloat, ...] | Literal["none", "median-frequency"] = "none"
    """How much a pixel of each class counts in the cross-entropy: all alike (`none`), by a list of numbers in the order
    of the classes (`[1, 1, 5]`), or rare classes more (`median-frequency`, counted while training)."""
    balance: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The power that `median-frequency` weights are raised to: 0.5 takes their square roots, which is half the way to
    all alike, since a class of a few pixels otherwise outweighs the rest of a batch."""
    dice_classes: Literal["all", "present"] = "all"
    """The classes whose mean is the Dice loss: `all`, or those that are `present` in the batch, so that a rare class is
    not pushed down by every batch that lacks it."""
    loss_size: Literal["image", "network"] = "image"
    """The size at which the losses are computed: that of the `image`, to which logits are interpolated, or that of the
    `network` where `shrink` makes it smaller, which takes half the time of a step and looks at fewer pixels."""


class Segmentation(Method[SegmentationConfig]):
    """A U-Net S with cross-entropy and Dice loss; pixels without a class count in neither."""

    name = "segmentation"
    data = "labelled"
    players = {"S": ("seg",)}
    losses = {"cross_entropy": 1.0, "dice": 1.0}
    views: ClassVar[Mapping[str, tuple[str, ...]]] = {"S": ("input", "output", "target")}
    directions = {"segment": Direction(nets=("seg",), output="labels")}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c, classes = self.config, len(self.spec.classes)
        if isinstance(c.class_weights, tuple) and len(c.class_weights) != classes:
            raise ConfigError(f"segmentation: {len(c.class_weights)} class_weights for {classes} classes")
        seg = build(c.network, in_channels=self.spec.channels["image"], out_channels=classes, output="none")
        counted = {"frequency": MedianFrequency(classes)} if c.class_weights == "median-frequency" else {}
        return {"seg": on_shrunk(seg, c.shrink), **counted}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        x, y = batch["image"], batch["label"]
        logits, y = self.compared(nets.seg(x), x, y)
        yield Update("S", self.pixel_losses(nets, logits, y), views={"input": x, "output": logits, "target": y})

    def compared(self, small: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and labels of one size, that of `loss_size`."""
        if self.config.loss_size == "network":
            return small.float(), shrunk(y, self.config.shrink)
        return self.full(small, x), y

    def full(self, small: Tensor, x: Tensor) -> Tensor:
        """Logits of the network at the size of the image."""
        return F.interpolate(small.float(), x.shape[-2:], mode="bilinear")

    def pixel_losses(self, nets: Nets, logits: Tensor, y: Tensor) -> dict[str, Tensor]:
        weight, weights = None, self.config.class_weights
        if weights != "none":
            weight = self.balanced(nets, y) if weights == "median-frequency" else logits.new_tensor(weights)
        dice = dice_loss(logits, y, present=self.config.dice_classes == "present")
        return {"cross_entropy": cross_entropy(logits, y, weight), "dice": dice}

    def balanced(self, nets: Nets, y: Tensor) -> Tensor:
        """A weight for each class by the labels so far and those of this batch."""
        weight: Tensor = nets.frequency(y)
        return weight**self.config.balance

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        return self.full(nets.seg(inputs["image"]), inputs["image"])


class AdversarialConfig(SegmentationConfig):
    """Knobs of segmentation against a critic, beside those of `segmentation`."""

    discriminator: NetworkUse = NetworkUse(uses="patchgan")
    """The critic D of label maps, by name or with options: `patchgan` judges patches of 70 pixels."""
    objective: Objective = Objective(uses="non-saturating")
    """The game that the networks play; the log losses in the paper."""
    truth: Literal["scaled", "basic"] = "scaled"
    """The maps that D sees as real: labels as soft as S's probabilities (`scaled`), so that softness alone betrays no
    fake, or one-hot labels (`basic`); both in the paper, section 3.2."""


class Adversarial(Segmentation):
    """The same S against D, which tells true label maps of an image from S's probabilities (equation 2 of Luc et al.).

    D sees image and map together, at the size of the network. The adversarial weight is that of Hung et al. (2018).
    """

    name = "adversarial"
    Config = AdversarialConfig
    config: AdversarialConfig
    players = {"D": ("disc",), "S": ("seg",)}
    losses = {**Segmentation.losses, "adversarial": 0.01, "critic": 1.0}
    views = {"D": ("critic", "real", "fake"), "S": ("critic", "real", "fake", "input", "output", "target")}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        seen = self.spec.channels["image"] + len(self.spec.classes)
        return {**super().networks(build), "disc": build(self.config.discriminator, in_channels=seen, norm="batch")}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        x, y, c = batch["image"], batch["label"], self.config
        small = nets.seg(x)
        x_small, truth = shrunk(x, c.shrink), one_hot(shrunk(y, c.shrink), small.shape[1])
        p = small.float().softmax(1) * truth.sum(1, keepdim=True)  # void looks alike on both sides
        real = scaled(truth, p.detach()) if c.truth == "scaled" else truth
        critic = joined(nets.disc, x_small)
        views = {"critic": critic, "real": real, "fake": p.detach()}
        yield Update("D", {"critic": c.objective.critic(critic, real, p.detach(), step)}, views)
        c.objective.constrain(nets.disc)
        logits, y = self.compared(small, x, y)
        losses = self.pixel_losses(nets, logits, y) | {"adversarial": c.objective.generator(critic, p, real, step)}
        yield Update("S", losses, views | {"fake": p, "input": x, "output": logits, "target": y})


def scaled(truth: Tensor, p: Tensor, least: float = 0.9) -> Tensor:
    """One-hot labels made as soft as probabilities (Luc et al. 2016, section 3.2, "scaling"): N x classes x H x W each.

    The true class gets max(least, p), the others share the rest in proportion to p; pixels without a class stay zero.
    """
    right = (truth * p).sum(1, keepdim=True)
    most = right.clamp(min=least)
    others = p * (1 - most) / (1 - right).clamp(min=1e-6)
    return torch.where(truth > 0, most, others) * truth.sum(1, keepdim=True)


class ColoursConfig(Config):
    """Knobs of labels as colours: those of pix2pix, and `shrink`."""

    generator: NetworkUse = NetworkUse(uses="unet_256")
    """The generator, by name or with options: a U-Net whose levels fit the size (`unet_128`, `unet_512`), or
    `resnet_9`."""
    discriminator: NetworkUse = NetworkUse(uses="patchgan")
    """The critic, by name or with options: `patchgan` judges patches of 70 pixels, `pixel` every pixel alone."""
    norm: Literal["batch", "instance", "none"] = "batch"
    """The norm of both networks: `batch` (the paper), `instance` or `none`."""
    dropout: bool = True
    """Dropout of 0.5 in the generator, in training and in use, as in pix2pix."""
    objective: Objective = Objective(uses="non-saturating")
    """The game that the networks play; the log losses in the paper."""
    shrink: PositiveInt = 1
    """The factor by which the networks see images smaller; the colours' classes are enlarged again."""


class Colours(Method[ColoursConfig]):
    """pix2pix from photo to labels as colours; the class of a pixel is the nearest colour of the palette (L2 in RGB).

    Pixels without a class are grey in what D sees, and left out of the L1 term.
    """

    name = "colours"
    data = "labelled"
    players = {"D": ("disc",), "G": ("gen",)}
    losses = {"adversarial": 1.0, "l1": 100.0, "critic": 0.5}
    views = {"D": ("critic", "real", "fake"), "G": ("critic", "real", "fake", "input", "output", "target")}
    directions = {"segment": Direction(nets=("gen",), output="labels")}
    test_time = TestTime(dropout=True, norm="image")

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c, x = self.config, self.spec.channels["image"]
        if len(set(self.spec.palette)) != len(self.spec.classes):
            raise ConfigError("segmentation/colours needs a palette: one colour per class, all different")
        gen = build(c.generator, in_channels=x, out_channels=3, norm=c.norm, dropout=c.dropout)
        return {"gen": on_shrunk(gen, c.shrink), "disc": build(c.discriminator, in_channels=x + 3, norm=c.norm)}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        x, objective = shrunk(batch["image"], self.config.shrink), self.config.objective
        hot = one_hot(shrunk(batch["label"], self.config.shrink), len(self.spec.classes))
        labelled = hot.sum(1, keepdim=True)
        y = torch.einsum("nkhw,kc->nchw", hot, kept_palette_on(self.spec.palette, x.device))
        fake = nets.gen(batch["image"]).float() * labelled
        critic = joined(nets.disc, x)
        views = {"critic": critic, "real": y, "fake": fake.detach()}
        yield Update("D", {"critic": objective.critic(critic, y, fake.detach(), step)}, views)
        objective.constrain(nets.disc)
        l1 = (fake - y).abs().sum() / (3 * labelled.sum()).clamp(min=1)
        losses = {"adversarial": objective.generator(critic, fake, y, step), "l1": l1}
        yield Update("G", losses, views | {"fake": fake, "input": x, "output": fake, "target": y})

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        painted = nets.gen(inputs["image"]).float()
        colours = palette_on(self.spec.palette, painted.device)
        near = torch.stack([-(painted - c.view(1, 3, 1, 1)).square().sum(1) for c in colours], 1)
        return F.interpolate(near, inputs["image"].shape[-2:], mode="nearest")


def palette_on(colours: tuple[tuple[int, int, int], ...], device: torch.device) -> Tensor:
    """Colours of 0 to 255 in [-1, 1], N x 3."""
    return torch.tensor(colours, device=device) / 127.5 - 1


kept_palette_on = lru_cache(palette_on)
"""The same for training steps, once: a copy of numbers to a GPU waits for the steps before."""


@hookimpl
def translate_methods() -> list[type[Method[Any]]]:
    return [Segmentation, Adversarial, Colours]


@hookimpl
def translate_networks() -> list[type[Network[Any]]]:
    return [UNet, LinkNet]
