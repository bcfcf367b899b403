"""Semi-supervised GAN: Salimans, Goodfellow, Zaremba, Cheung, Radford, Chen, "Improved Techniques for Training GANs",
NIPS 2016, arXiv 1606.03498, section 5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate import (
    MISSING,
    Build,
    Class,
    Direction,
    DirectionCall,
    Draw,
    Image,
    Nets,
    NetworkUse,
    Objective,
    Sides,
    Step,
    Update,
    features_of,
)
from translate_latent.base import GENERATE, LatentConfig, LatentMethod
from translate_latent.conditional import classes_of
from translate_latent.networks import Parts


class SemiSupervisedConfig(LatentConfig):
    """Knobs of the semi-supervised GAN."""

    discriminator: NetworkUse = NetworkUse(uses="latent/critic", options={"dropout": 0.3})
    """The classifier D, by name or with options; with dropout against learning few labelled images by heart."""
    features: str = "layers"
    """The layer of D whose mean outputs G matches, by its path: `layers` is all convolutions of `latent/critic`."""


class SemiSupervised(LatentMethod[SemiSupervisedConfig]):
    """A classifier D of K classes that learns from images without a class, too, by telling them from fakes.

    With K logits l and the logit of "fake" fixed to 0, D(x) = Z / (Z + 1), Z = sum exp l: log-sum-exp of the logits is
    the score of a critic with log losses. `classify` is the cross-entropy of the labelled images of a batch, `critic`
    judges all images and fakes, and G matches the mean features of real images (`matching`). With the weights of
    `critic` and `matching` at 0, D learns from the labelled images alone, for comparison.
    """

    name = "semi-supervised"
    data = Sides({"image": Image(), "class": Class(optional=True)}, together=(("image", "class"),))
    players = {"D": ("D",), "G": ("G",)}
    losses = {"classify": 1.0, "critic": 1.0, "matching": 1.0}
    views = {"D": ("critic", "real", "fake"), "G": ("critic", "real", "fake", "output")}
    directions = {
        "generate": GENERATE,
        "classify": Direction(nets=("D",), sides=("image",), target="class", output="class"),
    }

    def networks(self, build: Build) -> dict[str, nn.Module]:
        return {"G": self.build_generator(build), "D": self.build_critic(build, classes_of(self.spec))}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        real, label, layer = batch["image"], batch["class"], self.config.features
        views = {"critic": nets.D, "real": real}
        if self.weights["critic"] == 0 and self.weights["matching"] == 0:
            yield Update("D", {"classify": labelled_cross_entropy(nets.D(real), label)}, views)
            return
        fake = nets.G(self.noise(real, step))
        judge = Parts(nets.D, log_partition)
        losses = {"critic": LOG_LOSSES.critic(judge, real, fake, step)}
        losses["classify"] = labelled_cross_entropy(judge.calls[0], label)
        yield Update("D", losses, views | {"fake": fake.detach()})
        with torch.no_grad():
            (wanted,) = features_of(nets.D, real, [layer])
        (features,) = features_of(nets.D, fake, [layer])
        matching = F.mse_loss(features.float().mean(0), wanted.float().mean(0))
        yield Update("G", {"matching": matching}, views | {"fake": fake, "output": fake})

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        if direction == "classify":
            logits: Tensor = nets.D(self.as_trained(inputs["image"]))
            return logits
        return super().translate(nets, inputs, direction, draw)


LOG_LOSSES = Objective(uses="non-saturating")
"""-E log D(x) - E log(1 - D(G)): L_unsupervised."""


def log_partition(logits: Tensor) -> Tensor:
    """log Z, the log odds of real against fake: N x 1 of logits N x K."""
    return logits.float().logsumexp(1, keepdim=True)


def labelled_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """The mean over the images that have a class; 0 where none has."""
    total = F.cross_entropy(logits.float(), label, ignore_index=MISSING, reduction="sum")
    return total / (label != MISSING).sum().clamp(min=1)
