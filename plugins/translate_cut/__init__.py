"""CUT and FastCUT: Park, Efros, Zhang, Zhu, "Contrastive Learning for Unpaired Image-to-Image Translation".

ECCV 2020, arXiv 2007.15651.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from translate import (
    Build,
    Config,
    ConfigError,
    Direction,
    DirectionCall,
    Draw,
    Method,
    Nets,
    NetworkUse,
    Objective,
    Step,
    Update,
    features_of,
    hookimpl,
)
from translate_cut.networks import Heads, HeadsConfig, widths_of


class CUTConfig(Config):
    """Knobs of CUT."""

    generator: NetworkUse = NetworkUse(uses="resnet_blurred")
    """The generator G, by name or with options; the authors' ResNet blurs where it changes the size."""
    discriminator: NetworkUse = NetworkUse(uses="patchgan")
    """The critic D, by name or with options: `patchgan` judges patches of 70 pixels, `pixel` every pixel alone."""
    norm: Literal["batch", "instance", "none"] = "instance"
    """The norm of both networks: `instance` (the paper), `batch` or `none`."""
    dropout: bool = False
    """Dropout of 0.5 inside of the generator's blocks; the paper has none."""
    objective: Objective = Objective(uses="lsgan")
    """The game that the networks play; least squares in the paper."""
    layers: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "stem.pad",
        "down.0.conv",
        "down.1.conv",
        "blocks.0",
        "blocks.4",
    )
    """The layers of the generator whose features are compared, by their paths. The default is that of the authors'
    ResNet: the padded image, both convolutions that halve it, the first and the fifth block."""
    patches: Annotated[int, Field(ge=2)] = 256
    """How many positions are drawn from each layer; each patch is told from the others, its negatives (255 in the
    paper)."""
    width: PositiveInt = 256
    """The length of the vectors that are compared, and of the hidden layer before them."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.07
    """tau of equation 3: the smaller it is, the more the nearest negatives count."""
    negatives: Literal["image", "batch"] = "image"
    """Where negatives come from: the same `image` (the paper), or all images of the `batch`."""
    flip: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The probability that G sees an image mirrored, whose patches are then looked for in the mirror image (FastCUT:
    0.5)."""


class CUT(Method[CUTConfig]):
    """G: a -> b against a critic, in one direction: a patch of G(a) must be closer to the patch of a at its place than
    to other patches of a, in features of G's own first half under small networks F that move with G (equation 4).

    `nce` is this for a and G(a), `identity` for b and G(b); the paper's loss is their mean. No image pool.
    """

    name = "cut"
    data = "unpaired"
    players = {"D": ("disc",), "G": ("gen", "heads")}
    losses = {"adversarial": 1.0, "nce": 0.5, "identity": 0.5, "critic": 0.5}
    views = {
        "D": ("critic", "real", "fake"),
        "G": ("critic", "real", "fake", "input", "output", "generator", "same_b"),
    }
    directions = {"a_to_b": Direction(nets=("gen",))}
    small = {"patches": 12, "width": 8}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c, channels = self.config, self.spec.channels["a"]
        if channels != self.spec.channels["b"]:
            raise ConfigError(
                f"{self.name}: side a has {channels} channels and b has {self.spec.channels['b']}, but the generator "
                "looks at its own outputs: prepare both alike"
            )
        gen = build(
            c.generator, in_channels=channels, out_channels=channels, norm=c.norm, dropout=c.dropout, init="xavier"
        )
        widths = widths_of(gen, c.layers, (channels, *self.spec.size))
        return {
            "gen": gen,
            "heads": Heads(HeadsConfig(width=c.width), widths=widths),
            "disc": build(c.discriminator, in_channels=channels, norm=c.norm, init="xavier"),
        }

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        c, real_a, real_b = self.config, batch["a"], batch["b"]
        both = self.weights["identity"] != 0
        real = torch.cat((real_a, real_b)) if both else real_a
        mirrored = torch.rand((len(real), 1, 1, 1), generator=step.rng, device=real.device) < c.flip
        *features, output = features_of(nets.gen, torch.where(mirrored, real.flip(3), real), (*c.layers, ""))
        fake_b, same_b = output[: len(real_a)], output[len(real_a) :]
        views = {"critic": nets.disc, "real": real_b, "fake": fake_b.detach()}
        yield Update("D", {"critic": c.objective.critic(nets.disc, real_b, fake_b, step)}, views)
        c.objective.constrain(nets.disc)

        queries = features_of(nets.gen, output, c.layers)
        keys = features_of(nets.gen, real, c.layers) if c.flip else features
        terms = self._contrast(nets.heads, queries, keys, mirrored, 1 + both, step.rng)
        losses = dict(zip(("nce", "identity"), terms, strict=False))
        losses["adversarial"] = c.objective.generator(nets.disc, fake_b, real_b, step)
        shown = {"fake": fake_b, "input": real_a, "output": fake_b, "generator": nets.gen}
        yield Update("G", losses, views | shown | ({"same_b": same_b} if both else {}))

    def _contrast(
        self,
        heads: nn.Module,
        queries: Sequence[Tensor],
        keys: Sequence[Tensor],
        mirrored: Tensor,
        sets: int,
        rng: torch.Generator,
    ) -> Tensor:
        """The patch loss, the mean over depths, for each of the `sets` that the batch consists of."""
        c = self.config
        at = [positions(key, c.patches, rng) for key in keys]
        q = heads([patches(f, mirror(p, mirrored, f.shape[3])) for f, p in zip(queries, at, strict=True)])
        # detached, not under no_grad, whose casts of the weights autocast would keep for the queries
        k = heads([patches(f.detach(), p) for f, p in zip(keys, at, strict=True)])
        groups = sets if c.negatives == "batch" else len(mirrored)
        losses = []
        for queries_of_layer, keys_of_layer in zip(q, k, strict=True):
            x, y = (v.reshape(groups, -1, c.width) for v in (queries_of_layer, keys_of_layer))
            losses.append(patch_nce(x, y, c.temperature))
        return torch.stack(losses).mean(0).view(sets, -1).mean(1)

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        fake: Tensor = nets.gen(inputs["image"])
        return fake


class FastCUTConfig(CUTConfig):
    """Knobs of FastCUT: those of CUT, with mirrored images."""

    flip: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The probability that G sees an image mirrored, whose patches are then looked for in the mirror image."""


class FastCUT(CUT):
    """CUT with a heavier patch loss in place of the identity term, and mirrored images (section 4, "FastCUT")."""

    name = "fastcut"
    losses = {**CUT.losses, "nce": 10.0, "identity": 0.0}
    Config = FastCUTConfig


def positions(features: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Different positions for each image of a map N x C x H x W, at most `count`: N x P, row by row (y W + x)."""
    n, _, h, w = features.shape
    return torch.rand((n, h * w), generator=rng, device=features.device).topk(min(count, h * w)).indices


def mirror(at: Tensor, mirrored: Tensor, width: int) -> Tensor:
    """The positions N x P in the mirror image, for those of N that are `mirrored`."""
    return torch.where(mirrored.view(-1, 1), at + (width - 1) - 2 * (at % width), at)


def patches(features: Tensor, at: Tensor) -> Tensor:
    """The features N x C x H x W at positions N x P: N x P x C."""
    return features.flatten(2).gather(2, at[:, None].expand(-1, features.shape[1], -1)).mT


def patch_nce(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Cross entropy of finding the key of each query among all P, vectors G x P x C of length one: G (equation 3).

    In float32 whatever autocast does: at a temperature of 0.07 logits reach 14. No gradient flows to the keys.
    """
    with torch.autocast(queries.device.type, enabled=False):
        logits = queries.float() @ keys.detach().float().mT / temperature
        return (logits.logsumexp(2) - logits.diagonal(dim1=1, dim2=2)).mean(1)


@hookimpl
def translate_methods() -> list[type[Method[CUTConfig]]]:
    return [CUT, FastCUT]
