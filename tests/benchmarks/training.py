"""Training steps of the engine against a plain eager loop in float32, alternating in one process.

    python tests/benchmarks/training.py                          pix2pix of batch 1 and 8, CycleGAN
    python tests/benchmarks/training.py --game pix2pix --batch 8 --rounds 20 --json steps.json

The loop is written out below as people write it: float32, torch's default Adam, networks one after the other, gradients
of the critic switched off while the generator learns. It and the engine have the same networks, which draw the same
first weights. Each round takes one step of every way, in the opposite order of the last one; ratios are medians of those
of the rounds, between the smallest and the largest. `share` is the share of the fastest large convolution or matrix
product of this processor in bf16, or float32 where that is faster.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from translate.contracts import DataSpec
from translate.plugins import Registry
from translate.training.config import TrainConfig
from translate.training.engine import Engine
from translate.training.length import Length
from translate.training.players import make_players
from translate.training.variants import Variant, variants

BETAS = (0.5, 0.999)
RATE = 2e-4
Step = Callable[[], None]


def frozen(nets: list[nn.Module], still: bool) -> None:
    for net in nets:
        net.requires_grad_(not still)


def plain_pix2pix(nets: dict[str, nn.Module], batch: dict[str, Tensor]) -> Step:
    """Isola et al., as their loop does it: first the critic, then the generator."""
    gen, disc = nets["gen"], nets["disc"]
    of_gen, of_disc = (torch.optim.Adam(net.parameters(), RATE, BETAS) for net in (gen, disc))
    a, b = batch["a"], batch["b"]

    def says(score: Tensor, real: bool) -> Tensor:
        return F.binary_cross_entropy_with_logits(score, torch.full_like(score, float(real)))

    def step() -> None:
        fake = gen(a)
        frozen([disc], False)
        of_disc.zero_grad()
        lost = says(disc(torch.cat((a, fake.detach()), 1)), False) + says(disc(torch.cat((a, b), 1)), True)
        (lost / 2).backward()
        of_disc.step()
        frozen([disc], True)
        of_gen.zero_grad()
        (says(disc(torch.cat((a, fake), 1)), True) + 100 * F.l1_loss(fake, b)).backward()
        of_gen.step()

    return step


class Pool:
    """Fifty earlier fakes; each new one is shown, or with even odds put in the place of one that is."""

    def __init__(self) -> None:
        self.fakes: list[Tensor] = []

    def __call__(self, fake: Tensor) -> Tensor:
        fake = fake.detach()
        if len(self.fakes) < 50:
            self.fakes.append(fake)
            return fake
        if random.random() < 0.5:
            return fake
        place = random.randrange(50)
        earlier, self.fakes[place] = self.fakes[place], fake
        return earlier


def plain_cyclegan(nets: dict[str, nn.Module], batch: dict[str, Tensor]) -> Step:
    """Zhu et al., with the identity term of half the weight."""
    ab, ba, disc_a, disc_b = (nets[name] for name in ("gen_ab", "gen_ba", "disc_a", "disc_b"))
    of_gens = torch.optim.Adam([*ab.parameters(), *ba.parameters()], RATE, BETAS)
    of_discs = torch.optim.Adam([*disc_a.parameters(), *disc_b.parameters()], RATE, BETAS)
    a, b, pool_a, pool_b = batch["a"], batch["b"], Pool(), Pool()

    def step() -> None:
        frozen([disc_a, disc_b], True)
        of_gens.zero_grad()
        same = F.l1_loss(ba(a), a) + F.l1_loss(ab(b), b)
        fake_b, fake_a = ab(a), ba(b)
        cycle = F.l1_loss(ba(fake_b), a) + F.l1_loss(ab(fake_a), b)
        fooled = (disc_b(fake_b) - 1).square().mean() + (disc_a(fake_a) - 1).square().mean()
        (fooled + 10 * cycle + 5 * same).backward()
        of_gens.step()
        frozen([disc_a, disc_b], False)
        of_discs.zero_grad()
        for disc, real, fake in ((disc_a, a, pool_a(fake_a)), (disc_b, b, pool_b(fake_b))):
            (((disc(real) - 1).square().mean() + disc(fake).square().mean()) / 2).backward()
        of_discs.step()

    return step


GAMES: dict[str, Any] = {"pix2pix": ("paired", plain_pix2pix), "cyclegan": ("unpaired", plain_cyclegan)}


def engine_step(game: str, batch: dict[str, Tensor], variant: Variant) -> Step:
    """A step of the engine in one of its variants."""
    config = TrainConfig.model_validate({"method": game, "epochs": 1})
    registry = Registry()
    method = registry.build_method(config, DataSpec(GAMES[game][0], {"a": 3, "b": 3}, tuple(batch["a"].shape[2:])))
    raise NotImplementedError
