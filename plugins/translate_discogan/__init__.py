"""DiscoGAN: Kim, Cha, Kim, Lee, Kim, "Learning to Discover Cross-Domain Relations with Generative Adversarial
Networks", ICML 2017, arXiv 1703.05192."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import torch
from pydantic import Field, NonNegativeInt
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
    Objective,
    Step,
    Update,
    Upsample,
    hookimpl,
)
from translate_discogan.networks import DiscoConfig, DiscoCritic, DiscoGenerator

Share = Annotated[float, Field(ge=0, le=1)]


class DiscoGANConfig(Config):
    """Knobs of DiscoGAN. Reconstruction counts `rate` of the whole, the game and feature matching the rest."""

    width: Annotated[int, Field(ge=1)] = 64
    """Channels after the first convolution of all networks; the deepest have eight times as many."""
    extra_layers: bool = False
    """Lets the generators go down to one pixel of 100 channels and up again, as the authors' code can."""
    upsample: Upsample = "transposed"
    """How the generators double the size: by a `transposed` convolution as in the paper; `nearest` and `bilinear`
    before a convolution, which leave no checkerboard; `pixel-shuffle` after one."""
    objective: Objective = Objective(uses="non-saturating")
    """The game that the networks play; the log losses in the paper."""
    rate: Share = 0.5
    """The share of the reconstruction in the generators' loss, once the curriculum is over (0.5 in the authors'
    code)."""
    first_rate: Share = 0.01
    """Its share during the curriculum, so that fakes come to look real first."""
    curriculum: NonNegativeInt = 10_000
    """For how many steps `first_rate` counts; 0: never. Shorten it with the training."""
    turn: Annotated[int, Field(ge=2)] = 3
    """The critics play every so many steps, the generators all other steps."""


class DiscoGAN(Method[DiscoGANConfig]):
    """G_ab and G_ba, each against a critic, each undone by the other: G_ba(G_ab(a)) = a (equations 3 to 8).

    Paper: adversarial and reconstruction losses. The authors' code adds feature matching, nine times as strong as the
    adversarial term, and the curriculum of the reconstruction. Their images are 0 to 1, where a squared difference is a
    quarter of ours; the losses here are theirs.
    """

    name = "discogan"
    data = "unpaired"
    players = {"D": ("D_a", "D_b"), "G": ("G_ab", "G_ba")}
    losses = {
        "adversarial_ab": 0.1,
        "adversarial_ba": 0.1,
        "features_ab": 0.9,
        "features_ba": 0.9,
        "reconstruction_a": 1.0,
        "reconstruction_b": 1.0,
        "critic_a": 0.5,
        "critic_b": 0.5,
    }
    views = {
        "D": ("real_a", "real_b", "fake_a", "fake_b", "critic_a", "critic_b", "critic", "real", "fake"),
        "G": (
            *("real_a", "real_b", "fake_a", "fake_b", "generator_ab", "generator_ba", "critic_a", "critic_b"),
            *("generator", "input", "output", "critic", "real", "fake"),
        ),
    }
    directions = {
        "a_to_b": Direction(nets=("G_ab",), sides=("a",), target="b"),
        "b_to_a": Direction(nets=("G_ba",), sides=("b",), target="a"),
    }
    small = {"width": 4}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c, a, b = self.config, self.spec.channels["a"], self.spec.channels["b"]
        options = DiscoConfig(width=c.width, extra_layers=c.extra_layers, upsample=c.upsample)
        return {
            "G_ab": DiscoGenerator(options, in_channels=a, out_channels=b),
            "G_ba": DiscoGenerator(options, in_channels=b, out_channels=a),
            "D_a": DiscoCritic(options, in_channels=a),
            "D_b": DiscoCritic(options, in_channels=b),
        }

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        real_a, real_b, objective = batch["a"], batch["b"], self.config.objective
        views = {"real_a": real_a, "real_b": real_b, "critic_a": nets.D_a, "critic_b": nets.D_b}
        views |= {"critic": nets.D_b, "real": real_b}
        if step.index % self.config.turn == 0:
            with torch.no_grad():
                fake_b, fake_a = nets.G_ab(real_a), nets.G_ba(real_b)
            critic_a = objective.critic(nets.D_a, real_a, fake_a, step)
            critic_b = objective.critic(nets.D_b, real_b, fake_b, step)
            views |= {"fake_a": fake_a, "fake_b": fake_b, "fake": fake_b}
            yield Update("D", {"critic_a": critic_a, "critic_b": critic_b}, views)
            objective.constrain(nets.D_a, nets.D_b)
            return
        fake_b, fake_a = nets.G_ab(real_a), nets.G_ba(real_b)
        again_a, again_b = nets.G_ba(fake_b), nets.G_ab(fake_a)
        game, undone = 1 - self.rate(step.index), self.rate(step.index)
        adversarial_ab, features_ab = self._imitation(nets.D_b, fake_b, real_b, step)
        adversarial_ba, features_ba = self._imitation(nets.D_a, fake_a, real_a, step)
        losses = {
            "adversarial_ab": game * adversarial_ab,
            "adversarial_ba": game * adversarial_ba,
            "features_ab": game * features_ab,
            "features_ba": game * features_ba,
            "reconstruction_a": undone * F.mse_loss(again_a.float(), real_a) / 4,
            "reconstruction_b": undone * F.mse_loss(again_b.float(), real_b) / 4,
        }
        views |= {"fake_a": fake_a, "fake_b": fake_b, "generator_ab": nets.G_ab, "generator_ba": nets.G_ba}
        views |= {"generator": nets.G_ab, "input": real_a, "output": fake_b, "fake": fake_b}
        yield Update("G", losses, views)

    def rate(self, step: int) -> float:
        """The share of the reconstruction at a step."""
        return self.config.first_rate if step < self.config.curriculum else self.config.rate

    def _imitation(self, D: DiscoCritic, fake: Tensor, real: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """(adversarial loss, feature matching) of fakes; each batch is judged once."""
        seen: list[list[Tensor]] = []

        def critic(images: Tensor) -> Tensor:
            scores, features = D.judge(images)
            seen.append(features)
            return scores

        adversarial = self.config.objective.generator(critic, fake, real, step)
        return adversarial, feature_matching([f.detach() for f in D.judge(real)[1]], seen[-1])

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        fake: Tensor = nets["G_ab" if direction == "a_to_b" else "G_ba"](inputs["image"])
        return fake


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Per layer the mean squared difference of the batches' mean activations, summed over layers."""
    return torch.stack(
        [(a.float().mean(0) - b.float().mean(0)).square().mean() for a, b in zip(real, fake, strict=True)]
    ).sum()


@hookimpl
def translate_methods() -> list[type[Method[DiscoGANConfig]]]:
    return [DiscoGAN]
