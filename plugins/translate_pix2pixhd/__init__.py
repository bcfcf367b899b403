"""pix2pixHD: Wang, Liu, Zhu, Tao, Kautz, Catanzaro, "High-Resolution Image Synthesis and Semantic Manipulation with
Conditional GANs".

CVPR 2018, arXiv 1711.11585.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, PositiveInt
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
    Update,
    Upsample,
    hookimpl,
    one_hot,
)
from translate_pix2pixhd.networks import Coarse, CoarseConfig, Enhancer, EnhancerConfig, Scales, halved


class GlobalConfig(Config):
    """Knobs of G1 alone."""

    filters: Annotated[int, Field(ge=2, multiple_of=2)] = 64
    """Channels after the first convolution of G1."""
    levels: PositiveInt = 4
    """How often G1 halves its height and width, which are half of those of the images."""
    blocks: PositiveInt = 9
    """Residual blocks of G1, at its smallest size."""
    norm: Literal["instance", "batch", "none"] = "instance"
    """The norm of all networks: `instance` (the paper), `batch` or `none`."""
    upsample: Upsample = "transposed"
    """How the generators double the size: by a `transposed` convolution as in the paper; `nearest` and `bilinear`
    before a convolution, which leave no checkerboard; `pixel-shuffle` after one."""
    discriminator: NetworkUse = NetworkUse(uses="patchgan")
    """The critics, by name or with options: `patchgan` judges patches of 70 pixels, at each scale."""
    scales: PositiveInt = 2
    """Critics: one sees the images at the size of the generator, each further one at half of the size before."""
    objective: Objective = Objective(uses="lsgan")
    """The game that the networks play; least squares in the paper (section 3.2)."""
    edges: bool = True
    """Shows the networks the borders between classes beside the classes, as the paper does those between objects
    (section 3.3)."""


class Global(Method[GlobalConfig]):
    """G1, the first phase: from label maps to images of half the size, against critics at several scales.

    Feature matching (equation 4) asks that fakes excite the layers of the critics as real images do, in place of an L1
    term. Outputs are enlarged to the size of the label map.
    """

    name = "global"
    data = "labelled"
    players = {"D": ("D",), "G": ("G1",)}
    losses = {"adversarial": 1.0, "features": 10.0, "critic": 0.5}
    views = {"D": ("critic", "real", "fake"), "G": ("critic", "real", "fake", "output", "target")}
    directions = {
        "label_to_image": Direction(nets=("G1",), inputs=("label",), sides=("label",), target="image"),
    }
    small = {"filters": 4, "levels": 1, "blocks": 1}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c, y = self.config, self.spec.channels["image"]
        critics = [build(c.discriminator, in_channels=self.seen + y, norm=c.norm) for _ in range(c.scales)]
        return {"G1": self.coarse(), "D": Scales(critics)}

    def coarse(self) -> Coarse:
        c, y = self.config, self.spec.channels["image"]
        config = CoarseConfig(filters=c.filters, levels=c.levels, blocks=c.blocks, norm=c.norm, upsample=c.upsample)
        return Coarse(config, in_channels=self.seen, out_channels=y)

    @property
    def seen(self) -> int:
        """Channels of what the generators see."""
        return len(self.spec.classes) + self.config.edges

    def maps(self, labels: Tensor) -> Tensor:
        """Label maps N x H x W as one channel for each class, and the borders between classes."""
        hot = one_hot(labels, len(self.spec.classes))
        return torch.cat((hot, borders(labels)), 1) if self.config.edges else hot

    def paint(self, nets: Nets, maps: Tensor) -> Tensor:
        """The image for maps, in the size that the critics see."""
        image: Tensor = nets.G1(maps)
        return image

    def at_size(self, images: Tensor) -> Tensor:
        """Maps or real images in the size that the generator makes."""
        return halved(images)

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        maps = self.maps(batch["label"])
        x, y = self.at_size(maps), self.at_size(batch["image"])
        fake, objective = self.paint(nets, maps).float(), self.config.objective

        def at(scale: int) -> Any:
            """The critic of a scale, as a function of images at the size of the generator."""

            def critic(image: Tensor) -> Tensor:
                scores: Tensor = nets.D(torch.cat((x, image), 1), scale)
                return scores

            return critic

        scales = range(self.config.scales)
        judged = [objective.critic(at(k), y, fake.detach(), step) for k in scales]
        views = {"critic": at(0), "real": y, "fake": fake.detach()}
        yield Update("D", {"critic": torch.stack(judged).sum()}, views)
        objective.constrain(nets.D)
        losses = {"adversarial": torch.stack([objective.generator(at(k), fake, y, step) for k in scales]).sum()}
        if self.weights["features"] != 0:
            losses["features"] = matching(nets.D, torch.cat((x, y), 1), torch.cat((x, fake), 1))
        yield Update("G", losses, views | {"fake": fake, "output": fake, "target": y})

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        labels = inputs["label"]
        return F.interpolate(self.paint(nets, self.maps(labels)), labels.shape[-2:], mode="bilinear")


class Pix2PixHDConfig(GlobalConfig):
    """Knobs of pix2pixHD, beside those of `pix2pixhd/global`."""

    scales: PositiveInt = 3
    """Critics: one sees the images at full size, each further one at half of the size before."""
    enhancer_blocks: PositiveInt = 3
    """Residual blocks of G2, at half of the size."""


class Pix2PixHD(Global):
    """From label maps to images, coarse to fine: G2 adds detail at full size to the last features of G1.

    The third phase, in which both learn. `pix2pixhd/global` is the first, `pix2pixhd/enhancer` the second; each starts
    from the one before it, by `needs: {init: ...}` (section 3.1).
    """

    name = "pix2pixhd"
    Config = Pix2PixHDConfig
    config: Pix2PixHDConfig
    players = {"D": ("D",), "G": ("G1", "G2")}
    directions = {
        "label_to_image": Direction(nets=("G1", "G2"), inputs=("label",), sides=("label",), target="image"),
    }

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c, y = self.config, self.spec.channels["image"]
        config = EnhancerConfig(filters=c.filters, blocks=c.enhancer_blocks, norm=c.norm, upsample=c.upsample)
        return {**super().networks(build), "G2": Enhancer(config, in_channels=self.seen, out_channels=y)}

    def paint(self, nets: Nets, maps: Tensor) -> Tensor:
        image: Tensor = nets.G2(maps, nets.G1.features(maps))
        return image

    def at_size(self, images: Tensor) -> Tensor:
        return images


class Enhancing(Pix2PixHD):
    """The second phase: G2 learns, and G1 stays as it came from the first."""

    name = "enhancer"
    players = {"D": ("D",), "G": ("G2",)}

    def paint(self, nets: Nets, maps: Tensor) -> Tensor:
        with torch.no_grad():
            features = nets.G1.features(maps)
        image: Tensor = nets.G2(maps, features)
        return image


def borders(labels: Tensor) -> Tensor:
    """1 where a neighbour above, below, left or right has another class, else 0: N x H x W to N x 1 x H x W."""
    beside = labels[:, :, 1:] != labels[:, :, :-1]
    below = labels[:, 1:] != labels[:, :-1]
    # Each border has two sides, and both pixels lie at it.
    left_right = F.pad(beside, (1, 0)) | F.pad(beside, (0, 1))
    above_below = F.pad(below, (0, 0, 1, 0)) | F.pad(below, (0, 0, 0, 1))
    return (left_right | above_below)[:, None].float()


def matching(critics: Scales, real: Tensor, fake: Tensor) -> Tensor:
    """The distance of features (equation 4): mean over critics of 4 / layers times the sum over layers of mean L1.

    The factor 4 is that of the authors' code, where it is 1 for critics of four layers. Real features get no gradient.
    """
    with torch.no_grad():
        wanted = critics(real)
    distances = []
    for layers, targets in zip(critics(fake), wanted, strict=True):
        for layer, target in zip(layers, targets, strict=True):
            distances.append(F.l1_loss(layer.float(), target.float()) * 4 / len(layers))
    return torch.stack(distances).sum() / len(wanted)


@hookimpl
def translate_methods() -> list[type[Method[Any]]]:
    return [Pix2PixHD, Global, Enhancing]
