"""The engine against plain torch loops, written the way the papers' own code trains."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from training_batches import random_batches
from translate_cyclegan import CycleGAN
from translate_pix2pix import Pix2Pix

from translate.seeding import derive

STEPS = 5
PIX2PIX = {
    "generator": {"uses": "unet", "levels": 5, "filters": 8},
    "discriminator": {"uses": "patchgan", "filters": 8, "layers": 2},
}
CYCLEGAN = {
    "generator": {"uses": "resnet", "blocks": 2, "filters": 8},
    "discriminator": {"uses": "patchgan", "filters": 8, "layers": 2},
    "pool": 2,
}


def plain_pix2pix(nets: dict[str, Any], batches: list[dict[str, Tensor]], seed: int) -> list[dict[str, float]]:
    gen, disc = nets["gen"], nets["disc"]
    opt_d = torch.optim.Adam(disc.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_g = torch.optim.Adam(gen.parameters(), lr=2e-4, betas=(0.5, 0.999))
    history = []
    for index, batch in enumerate(batches):
        torch.manual_seed(derive(seed, "step", index, 0))  # the dropout masks
        x, y = batch["input"], batch["target"]
        fake = gen(x)
        opt_d.zero_grad()
        real_score, fake_score = disc(torch.cat((x, y), 1)), disc(torch.cat((x, fake.detach()), 1))
        loss_d = F.softplus(-real_score).mean() + F.softplus(fake_score).mean()
        (0.5 * loss_d).backward()
        opt_d.step()
        opt_g.zero_grad()
        adversarial = F.softplus(-disc(torch.cat((x, fake), 1))).mean()
        l1 = F.l1_loss(fake, y)
        (adversarial + 100 * l1).backward()
        opt_g.step()
        history.append({"critic": loss_d.item(), "adversarial": adversarial.item(), "l1": l1.item()})
    return history


def plain_cyclegan(nets: dict[str, Any], batches: list[dict[str, Tensor]], seed: int) -> list[dict[str, float]]:
    G, Fb, D_a, D_b = nets["G_ab"], nets["G_ba"], nets["D_a"], nets["D_b"]
    opt_g = torch.optim.Adam(itertools.chain(G.parameters(), Fb.parameters()), lr=2e-4, betas=(0.5, 0.999))
    opt_d = torch.optim.Adam(itertools.chain(D_a.parameters(), D_b.parameters()), lr=2e-4, betas=(0.5, 0.999))
    rng, history = torch.Generator(), []
    for index, batch in enumerate(batches):
        rng.manual_seed(derive(seed, "rng", index, 0))
        a, b = batch["a"], batch["b"]
        opt_g.zero_grad()
        fake_b, same_b, fake_a, same_a = G(a), G(b), Fb(b), Fb(a)
        cycle = F.l1_loss(Fb(fake_b), a) + F.l1_loss(G(fake_a), b)
        identity = F.l1_loss(same_b, b) + F.l1_loss(same_a, a)
        ab, ba = ((D_b(fake_b) - 1) ** 2).mean(), ((D_a(fake_a) - 1) ** 2).mean()
        (5 * identity + ab + ba + 10 * cycle).backward()
        opt_g.step()
        opt_d.zero_grad()
        shown_a, shown_b = nets["pool_a"].query(fake_a.detach(), rng), nets["pool_b"].query(fake_b.detach(), rng)
        critic_a = ((D_a(a) - 1) ** 2).mean() + (D_a(shown_a) ** 2).mean()
        critic_b = ((D_b(b) - 1) ** 2).mean() + (D_b(shown_b) ** 2).mean()
        (0.5 * critic_a + 0.5 * critic_b).backward()
        opt_d.step()
        losses = {
            "identity": identity,
            "adversarial_ab": ab,
            "adversarial_ba": ba,
            "cycle": cycle,
            "critic_a": critic_a,
            "critic_b": critic_b,
        }
        history.append({k: v.item() for k, v in losses.items()})
    return history


CASES = [(Pix2Pix, PIX2PIX, plain_pix2pix, ("input", "target")), (CycleGAN, CYCLEGAN, plain_cyclegan, ("a", "b"))]


@pytest.mark.parametrize(("cls", "options", "plain", "sides"), CASES, ids=["pix2pix", "cyclegan"])
def test_five_steps_are_bit_equal_to_a_plain_loop(
    cls: Any, options: Any, plain: Any, sides: Any, make_engine: Any, one_thread: None
) -> None:
    engine = make_engine(cls, options)
    nets = copy.deepcopy(dict(engine.nets))
    batches = random_batches(sides, STEPS)
    expected = plain(nets, batches, engine.seed)
    for batch, losses in zip(batches, expected, strict=True):
        engine.step([batch], 0)
        meters = engine.read_meters()
        assert {k: meters[k] for k in losses} == losses
    for name, net in engine.nets.items():
        for (key, mine), (_, theirs) in zip(net.state_dict().items(), nets[name].state_dict().items(), strict=True):
            assert torch.equal(mine, theirs), f"{name}.{key}"


@pytest.mark.parametrize(("cls", "options", "plain", "sides"), CASES, ids=["pix2pix", "cyclegan"])
def test_the_fast_path_in_fp32_stays_within_1e_5(
    cls: Any, options: Any, plain: Any, sides: Any, make_engine: Any, one_thread: None
) -> None:
    engine = make_engine(cls, options, fast=True)
    nets = copy.deepcopy(dict(engine.nets))
    batches = random_batches(sides, STEPS)
    for batch, losses in zip(batches, plain(nets, batches, engine.seed), strict=True):
        engine.step([batch], 0)
        meters = engine.read_meters()
        assert all(abs(meters[k] - v) <= 1e-5 for k, v in losses.items())
