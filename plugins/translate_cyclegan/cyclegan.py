"""CycleGAN: Zhu, Park, Isola, Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks".

ICCV 2017, arXiv 1703.10593.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from pydantic import NonNegativeInt
from torch import Tensor, nn
from torch.nn import functional as F

from translate import (
    Build,
    Config,
    ConfigError,
    Direction,
    DirectionCall,
    Draw,
    ImagePool,
    Method,
    Nets,
    NetworkUse,
    Objective,
    Sides,
    Step,
    Update,
    batched,
)


class CycleGANConfig(Config):
    """Knobs of CycleGAN."""

    generator: NetworkUse = NetworkUse(uses="resnet_9")
    """Both generators, by name or with options: `resnet_9` from 256 pixels on, `resnet_6` for smaller images (the
    paper)."""
    discriminator: NetworkUse = NetworkUse(uses="patchgan")
    """Both critics, by name or with options: `patchgan` judges patches of 70 pixels, `pixel` every pixel alone."""
    norm: Literal["batch", "instance", "none"] = "instance"
    """The norm of all networks: `instance` (the paper), `batch` or `none`."""
    dropout: bool = False
    """Dropout of 0.5 inside of the generators' blocks; the paper has none."""
    objective: Objective = Objective(uses="lsgan")
    """The game that the networks play; least squares in the paper, for stability (section 4)."""
    pool: NonNegativeInt = 50
    """How many past fakes of each side the critics are also shown, against oscillation (section 4); 0: none."""


class CycleGAN(Method[CycleGANConfig]):
    """G: a -> b and F: b -> a, each against a critic, bound together by F(G(a)) = a and G(F(b)) = b (equations 1 to 3).

    `identity` (section 5.2, paintings to photos) asks G(b) = b and F(a) = a; half of the cycle weight in the authors'
    code. Both generators move together, then both critics, whose loss is halved and which see fakes from a pool.
    """

    name = "cyclegan"
    data: ClassVar[Literal["unpaired"] | Sides] = "unpaired"
    players = {"G": ("G_ab", "G_ba"), "D": ("D_a", "D_b")}
    losses = {
        "adversarial_ab": 1.0,
        "adversarial_ba": 1.0,
        "cycle": 10.0,
        "identity": 5.0,
        "critic_a": 0.5,
        "critic_b": 0.5,
    }
    views = {
        "G": (
            *("real_a", "real_b", "fake_a", "fake_b", "cycle_a", "cycle_b"),
            *("generator_ab", "generator_ba", "critic_a", "critic_b"),
            *("generator", "input", "output", "critic", "real", "fake"),
        ),
        "D": ("real_a", "real_b", "fake_a", "fake_b", "critic_a", "critic_b", "critic", "real", "fake"),
    }
    directions = {
        "a_to_b": Direction(nets=("G_ab",), sides=("a",), target="b"),
        "b_to_a": Direction(nets=("G_ba",), sides=("b",), target="a"),
    }
    small = {"pool": 3}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c, a, b = self.config, self.spec.channels["a"], self.spec.channels["b"]
        if a != b and self.weights["identity"] != 0:
            raise ConfigError(
                f"cyclegan: side a has {a} channels and b has {b}: G(b) = b makes no sense; set losses.identity to 0"
            )
        options = {"norm": c.norm, "dropout": c.dropout}
        nets = {
            "G_ab": build(c.generator, in_channels=a, out_channels=b, **options),
            "G_ba": build(c.generator, in_channels=b, out_channels=a, **options),
            "D_a": build(c.discriminator, in_channels=a, norm=c.norm),
            "D_b": build(c.discriminator, in_channels=b, norm=c.norm),
        }
        if c.pool:
            nets |= {"pool_a": ImagePool(c.pool, a, *self.spec.size), "pool_b": ImagePool(c.pool, b, *self.spec.size)}
        return nets

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        real_a, real_b, objective = batch["a"], batch["b"], self.config.objective
        losses: dict[str, Tensor] = {}
        if self.weights["identity"] != 0:
            fake_b, same_b = batched(nets.G_ab, real_a, real_b)
            fake_a, same_a = batched(nets.G_ba, real_b, real_a)
            losses["identity"] = F.l1_loss(same_b.float(), real_b) + F.l1_loss(same_a.float(), real_a)
        else:
            fake_b, fake_a = nets.G_ab(real_a), nets.G_ba(real_b)
        cycle_a, cycle_b = nets.G_ba(fake_b), nets.G_ab(fake_a)
        losses["adversarial_ab"] = objective.generator(nets.D_b, fake_b, real_b, step)
        losses["adversarial_ba"] = objective.generator(nets.D_a, fake_a, real_a, step)
        losses["cycle"] = F.l1_loss(cycle_a.float(), real_a) + F.l1_loss(cycle_b.float(), real_b)
        fakes = {"a": fake_a.detach(), "b": fake_b.detach()}
        views = {"real_a": real_a, "real_b": real_b, "critic_a": nets.D_a, "critic_b": nets.D_b}
        views |= {"critic": nets.D_b, "real": real_b}
        yield Update(
            "G",
            losses,
            views | {
                "fake_a": fake_a, "fake_b": fake_b, "cycle_a": cycle_a, "cycle_b": cycle_b,
                "generator_ab": nets.G_ab, "generator_ba": nets.G_ba,
                "generator": nets.G_ab, "input": real_a, "output": fake_b, "fake": fake_b,
            },
        )  # fmt: skip
        if self.config.pool:
            fakes = {"a": nets.pool_a.query(fakes["a"], step.rng), "b": nets.pool_b.query(fakes["b"], step.rng)}
        critic_a = objective.critic(nets.D_a, real_a, fakes["a"], step)
        critic_b = objective.critic(nets.D_b, real_b, fakes["b"], step)
        views |= {"fake_a": fakes["a"], "fake_b": fakes["b"], "fake": fakes["b"]}
        yield Update("D", {"critic_a": critic_a, "critic_b": critic_b}, views)
        objective.constrain(nets.D_a, nets.D_b)

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        fake: Tensor = nets["G_ab" if direction == "a_to_b" else "G_ba"](inputs["image"])
        return fake
