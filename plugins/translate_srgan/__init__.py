"""SRGAN (Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a GAN", CVPR 2017): its second stage.

With the options of ESRGAN (Wang et al., ECCV workshops 2018): `generator: rrdb`, `objective: relativistic-average`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from translate import Build, Method, Nets, Network, NetworkUse, Objective, Step, Update, feature_distance, hookimpl
from translate_srgan.networks import RRDB, SRGANCritic, SRResNet
from translate_srgan.srresnet import SRResNetConfig, SuperResolution


class SRGANConfig(SRResNetConfig):
    """Knobs of SRGAN, beside those of `srresnet`."""

    discriminator: NetworkUse = NetworkUse(uses="srgan-critic")
    """The critic D, by name or with options: the paper's, made for crops of 96 pixels (`{uses: srgan-critic, crop:
    64}`)."""
    objective: Objective = Objective(uses="non-saturating")
    """The game that the networks play; the log losses in the paper, `relativistic-average` in ESRGAN."""
    features: NetworkUse = NetworkUse(uses="random-features")
    """The network in whose features images are compared: `vgg19` is the paper's (`{uses: vgg19, weights: PATH}`);
    `random-features` need no download."""
    feature_distance: Literal["mse", "l1"] = "mse"
    """How features are compared: by their squared difference, `mse` (SRGAN), or the absolute one, `l1` (ESRGAN, with
    `{uses: vgg19, activated: false}`)."""


class SRGAN(SuperResolution[SRGANConfig]):
    """G against a critic of whole crops, held to the target by the distance of features (equations 3, 5 and 6).

    G starts from SRResNet's weights (`init`). The perceptual term is `vgg` with the features of VGG19, weighted 0.006
    since the paper rescales them by 1 / 12.75, and `random_features` with those of a random network.
    """

    name = "srgan"
    players = {"D": ("D",), "G": ("G",)}
    losses = {"adversarial": 1e-3, "vgg": 0.006, "random_features": 1.0, "pixel": 0.0, "critic": 1.0}
    views = {"D": ("critic", "real", "fake"), "G": ("critic", "real", "fake", "input", "output", "target")}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c, channels = self.config, self.spec.channels["image"]
        return {
            "G": self.generator(build),
            "D": build(c.discriminator, in_channels=channels),
            "features": build(c.features, in_channels=channels),
        }

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        real, objective = batch["image"], self.config.objective
        low = self.low(batch, step)
        fake = nets.G(low)
        views = {"critic": nets.D, "real": real, "fake": fake.detach()}
        yield Update("D", {"critic": objective.critic(nets.D, real, fake.detach(), step)}, views)
        objective.constrain(nets.D)
        losses = {"adversarial": objective.generator(nets.D, fake, real, step), "pixel": self.pixel(fake, real)}
        term = "vgg" if self.config.features.uses == "vgg19" else "random_features"
        if self.weights[term] != 0:
            distance = F.mse_loss if self.config.feature_distance == "mse" else F.l1_loss
            losses[term] = feature_distance(nets.features, fake, real, distance)
        yield Update("G", losses, views | {"fake": fake, "input": low, "output": fake, "target": real})


@hookimpl
def translate_methods() -> list[type[Method[SRGANConfig]]]:
    return [SRGAN]


@hookimpl
def translate_networks() -> list[type[Network[Any]]]:
    return [SRResNet, RRDB, SRGANCritic]
