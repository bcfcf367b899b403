"""Every game, step by step, against the same game in plain torch."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from latent_games import SEED, SMALL, Make, batch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.functional import softplus as sp

from translate import MISSING
from translate.seeding import derive

N, Z, K = 4, 6, 4
Nets = dict[str, Any]
Losses = dict[str, Tensor]
Update = tuple[str, Tensor, Losses]
"""The networks that move, the sum that they minimise, and its parts."""
Plain = Callable[[Nets, dict[str, Tensor], torch.Generator], Iterator[Update]]


def noise(rng: torch.Generator) -> Tensor:
    return torch.randn(N, Z, generator=rng)


def hot(label: Tensor) -> Tensor:
    return torch.eye(K)[label]


def plain_dcgan(nets: Nets, data: dict[str, Tensor], rng: torch.Generator) -> Iterator[Update]:
    G, D, real = nets["G"], nets["D"], data["image"]
    fake = G(noise(rng))
    critic = sp(-D(real)).mean() + sp(D(fake.detach())).mean()
    yield "D", critic, {"critic": critic}
    adversarial = sp(-D(fake)).mean()
    yield "G", adversarial, {"adversarial": adversarial}


def plain_conditional(nets: Nets, data: dict[str, Tensor], rng: torch.Generator) -> Iterator[Update]:
    G, D, x, y = nets["G"], nets["D"], data["image"], hot(data["class"])
    fake = G(torch.cat((noise(rng), y), 1))
    wrong = hot((data["class"] + torch.randint(1, K, (N,), generator=rng)) % K)

    def judged(images: Tensor, vectors: Tensor) -> Tensor:
        return torch.cat((images, vectors[:, :, None, None] * torch.ones(1, 1, 16, 16)), 1)

    real = sp(-D(judged(x, y))).mean()
    critic = real + sp(D(torch.cat((judged(fake.detach(), y), judged(x, wrong))))).mean()
    yield "D", critic, {"critic": critic}
    adversarial = sp(-D(judged(fake, y))).mean()
    yield "G", adversarial, {"adversarial": adversarial}


def plain_acgan(nets: Nets, data: dict[str, Tensor], rng: torch.Generator) -> Iterator[Update]:
    G, D, real, label = nets["G"], nets["D"], data["image"], data["class"]
    fake = G(torch.cat((noise(rng), hot(label)), 1))
    of_real, of_fake = D(real), D(fake.detach())
    critic = sp(-of_real[:, 0]).mean() + sp(of_fake[:, 0]).mean()
    classes = [F.cross_entropy(values[:, 1:], label) for values in (of_real, of_fake)]
    yield "D", critic + classes[0] + classes[1], {"critic": critic, "class_real": classes[0], "class_fake": classes[1]}
    of_fake = D(fake)
    adversarial, right = sp(-of_fake[:, 0]).mean(), F.cross_entropy(of_fake[:, 1:], label)
    yield "G", adversarial + right, {"adversarial": adversarial, "class": right}


def plain_infogan(nets: Nets, data: dict[str, Tensor], rng: torch.Generator) -> Iterator[Update]:
    """A code of four values and two numbers; -log N(c; mean, 1) - log 2 of a number."""
    G, D, Q, real = nets["G"], nets["D"], nets["Q"], data["image"]
    code = torch.randint(K, (N,), generator=rng)
    numbers = torch.rand(N, 2, generator=rng) * 2 - 1
    fake = G(torch.cat((noise(rng), hot(code), numbers), 1))

    def read(values: Tensor) -> tuple[Tensor, Tensor]:
        q = Q(values[:, 1:])
        square = ((q[:, K:] - numbers) ** 2).sum(1).mean()
        return F.cross_entropy(q[:, :K], code) - math.log(K), square / 2 + math.log(2 * math.pi) - 2 * math.log(2)

    of_real, of_fake = D(real), D(fake.detach())
    critic = sp(-of_real[:, 0]).mean() + sp(of_fake[:, 0]).mean()
    categorical, continuous = read(of_fake)
    losses = {"critic": critic, "reading": categorical, "reading_continuous": continuous}
    yield "DQ", critic + categorical + 0.1 * continuous, losses
    of_fake = D(fake)
    adversarial = sp(-of_fake[:, 0]).mean()
    categorical, continuous = read(of_fake)
    losses = {"adversarial": adversarial, "information": categorical, "information_continuous": continuous}
    yield "G", adversarial + categorical + 0.1 * continuous, losses


def plain_bigan(nets: Nets, data: dict[str, Tensor], rng: torch.Generator) -> Iterator[Update]:
    G, E, D, x = nets["G"], nets["E"], nets["D"], data["image"]
    z = noise(rng)
    fake, code = G(z), E(x)
    critic = sp(-D(x, code.detach())).mean() + sp(D(fake.detach(), z)).mean()
    yield "D", critic, {"critic": critic}
    generated, encoded = sp(-D(fake, z)).mean(), sp(D(x, code)).mean()
    yield "GE", generated + encoded, {"generated": generated, "encoded": encoded}


def plain_semi_supervised(nets: Nets, data: dict[str, Tensor], rng: torch.Generator) -> Iterator[Update]:
    """Cross-entropy over K + 1 classes, the last of which is "fake" with a logit of 0."""
    G, D, real, label = nets["G"], nets["D"], data["image"], data["class"]
    fake, labelled = G(noise(rng)), label != MISSING

    def log_p(images: Tensor) -> tuple[Tensor, Tensor]:
        logits = D(images)
        whole = torch.cat((logits, torch.zeros(len(logits), 1)), 1).log_softmax(1)
        return logits, whole

    logits, of_real = log_p(real)
    _, of_fake = log_p(fake.detach())
    classify = F.cross_entropy(logits[labelled], label[labelled])
    critic = -torch.log(1 - of_real[:, K].exp()).mean() - of_fake[:, K].mean()
    yield "D", classify + critic, {"classify": classify, "critic": critic}
    with torch.no_grad():
        wanted = D.layers(real).mean(0)
    matching = ((D.layers(fake).mean(0) - wanted) ** 2).mean()
    yield "G", matching, {"matching": matching}


PLAIN: dict[str, tuple[Plain, dict[str, Any]]] = {
    "latent/dcgan": (plain_dcgan, {}),
    "latent/conditional": (plain_conditional, {"mismatched": True}),
    "latent/acgan": (plain_acgan, {}),
    "latent/infogan": (plain_infogan, {"categories": K, "hidden": 8}),
    "latent/bigan": (plain_bigan, {"encoder": SMALL["discriminator"], "width": 8}),
    "latent/semi-supervised": (plain_semi_supervised, {"discriminator": {"uses": "latent/critic", "filters": 4}}),
}


@pytest.mark.parametrize("name", list(PLAIN))
def test_three_steps_are_those_of_a_plain_loop(name: str, game: Make) -> None:
    play, options = PLAIN[name]
    engine = game(name, options)
    nets = copy.deepcopy(dict(engine.nets))
    optimizers = {
        letters: torch.optim.Adam([p for net in members for p in nets[net].parameters()], lr=2e-4, betas=(0.5, 0.999))
        for letters, members in (("".join(members), members) for members in engine.method.players.values())
    }
    rng = torch.Generator()
    for index in range(3):
        data = batch(engine, index)
        engine.step([data], 0)
        expected: dict[str, float] = {}
        rng.manual_seed(derive(SEED, "rng", index, 0))
        for letters, total, losses in play(nets, data, rng):
            members = optimizers[letters].param_groups[0]["params"]
            optimizers[letters].zero_grad()
            torch.autograd.backward(total, inputs=members)
            optimizers[letters].step()
            expected |= {loss: value.item() for loss, value in losses.items()}
        meters = engine.read_meters()
        assert {loss: meters[loss] for loss in expected} == pytest.approx(expected, rel=1e-4, abs=1e-6)
    for net, module in engine.nets.items():
        for key, value in module.state_dict().items():
            torch.testing.assert_close(value, nets[net].state_dict()[key], rtol=1e-3, atol=2e-5, msg=f"{net}.{key}")


def test_the_critic_of_wgan_gp_moves_several_times_for_one_move_of_the_generator(game: Make) -> None:
    engine = game("latent/wgan-gp", {"discriminator": {"uses": "latent/critic", "filters": 4, "norm": "none"}})
    moves = []
    for index in range(10):
        before = {name: [p.detach().clone() for p in net.parameters()] for name, net in engine.nets.items()}
        engine.step([batch(engine, index)], 0)
        moved = "".join(
            name
            for name, net in sorted(engine.nets.items())
            if any(not torch.equal(p, q) for p, q in zip(net.parameters(), before[name], strict=True))
        )
        moves.append(moved)
    assert moves == ["D", "D", "D", "D", "DG"] * 2


def test_the_penalty_of_wgan_gp_is_in_the_critics_loss(game: Make) -> None:
    """With a critic of zero weights the distance is 0 and every slope is 0: 10 (0 - 1)^2."""
    engine = game("latent/wgan-gp", {"discriminator": {"uses": "latent/critic", "filters": 4, "norm": "none"}})
    with torch.no_grad():
        for parameter in engine.nets.D.parameters():
            parameter.zero_()
    engine.step([batch(engine, 0)], 0)
    assert engine.read_meters()["critic"] == pytest.approx(10, rel=1e-4)


def test_labelled_images_alone_move_the_classifier_alone(game: Make) -> None:
    engine = game("latent/semi-supervised", weights={"critic": 0, "matching": 0})
    before = copy.deepcopy(engine.nets.G.state_dict())
    engine.step([batch(engine, 0)], 0)
    assert {name for name in engine.read_meters() if "/" not in name} == {"classify"}
    assert all(torch.equal(value, before[key]) for key, value in engine.nets.G.state_dict().items())


@pytest.mark.parametrize(("name", "k"), [("latent/semi-supervised", 4)])
def test_a_classifier_that_knows_nothing(name: str, k: int, game: Make) -> None:
    """K logits of 0: log K for a class, D = K / (K + 1) for every image."""
    engine = game(name, {"discriminator": {"uses": "latent/critic", "filters": 4, "norm": "none"}})
    with torch.no_grad():
        for parameter in engine.nets.D.parameters():
            parameter.zero_()
    engine.step([batch(engine, 0)], 0)
    meters = engine.read_meters()
    assert meters["classify"] == pytest.approx(math.log(k), rel=1e-5)
    assert meters["critic"] == pytest.approx(-math.log(k / (k + 1)) - math.log(1 / (k + 1)), rel=1e-5)


def test_others_are_never_the_class_itself(game: Make) -> None:
    method: Any = game("latent/conditional").method
    labels = torch.arange(400) % K
    step = type("S", (), {"rng": torch.Generator().manual_seed(0)})
    others = method.others(labels, step)
    assert not (others == labels).any() and set(others.tolist()) == {0, 1, 2, 3}
