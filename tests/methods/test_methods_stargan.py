"""StarGAN: a plain torch loop of its game, its critic with two heads, and its directions by the names of classes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from translate_stargan import StarGAN, direction_to, unchanged
from translate_stargan.networks import StarCritic

from translate import Class, ConfigError, DataSpec, DirectionCall, Image, Nets, Sides, Step
from translate.networks import count_parameters
from translate.plugins import Registry
from translate.seeding import derive
from translate.training.build import build_networks
from translate.training.config import TrainConfig
from translate.training.engine import Engine
from translate.training.length import Length
from translate.training.players import make_players

NAMES = ("black", "blond", "brown hair")
SMALL = {
    "generator": {"uses": "stargan/generator", "blocks": 1, "filters": 4},
    "discriminator": {"uses": "stargan/critic", "filters": 4, "layers": 3},
    "critic_steps": 2,
}


def method_of(names: tuple[str, ...] = NAMES, **options: Any) -> StarGAN:
    sides = Sides({"image": Image(), "class": Class(names)}, together=(("image", "class"),))
    config = StarGAN.Config.model_validate({**SMALL, **options})
    return StarGAN(config, DataSpec(sides, {"image": 3}, (16, 16)), StarGAN.losses)


def networks_of(method: StarGAN, registry: Registry) -> dict[str, Any]:
    torch.manual_seed(0)
    return build_networks(method, registry)


def batch_of(seed: int, count: int = 4) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    classes = torch.randint(0, len(NAMES), (count,), generator=rng)
    return {"image": torch.rand(count, 3, 16, 16, generator=rng) * 2 - 1, "class": classes}


# ------------------------------------------------------------------------------------------------------- the game


def plain_stargan(nets: dict[str, Any], batches: list[dict[str, Tensor]], seed: int) -> list[dict[str, float]]:
    """The loop of the authors' code: the critic moves on each batch, the generator on every second one here."""
    G, D = nets["gen"], nets["disc"]
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (G, D))
    rng, history = torch.Generator(), []

    def generated(x: Tensor, c: Tensor) -> Tensor:
        maps = torch.zeros(len(x), len(NAMES), *x.shape[2:])
        for row, number in enumerate(c.tolist()):
            maps[row, number] = 1
        fake: Tensor = G(torch.cat([x, maps], dim=1))
        return fake

    for index, batch in enumerate(batches):
        rng.manual_seed(derive(seed, "rng", index, 0))
        x_real, label_org = batch["image"], batch["class"]
        label_trg = label_org[torch.randperm(len(label_org), generator=rng)]
        x_fake = generated(x_real, label_trg)
        loss_real, loss_fake = -D(x_real)[0].mean(), D(x_fake.detach())[0].mean()
        alpha = torch.rand(len(x_real), 1, 1, 1, generator=rng)
        x_hat = (alpha * x_real + (1 - alpha) * x_fake.detach()).requires_grad_()
        (slope,) = torch.autograd.grad(D(x_hat)[0].sum(), x_hat, create_graph=True)
        penalty = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        critic, loss_cls = loss_real + loss_fake + 10 * penalty, F.cross_entropy(D(x_real)[1], label_org)
        opt_d.zero_grad()
        (critic + loss_cls).backward()
        opt_d.step()
        losses = {"critic": critic.item(), "class_real": loss_cls.item()}
        if (index + 1) % 2 == 0:
            score, logits = D(x_fake)
            g_cls, cycle = F.cross_entropy(logits, label_trg), (x_real - generated(x_fake, label_org)).abs().mean()
            opt_g.zero_grad()
            (-score.mean() + g_cls + 10 * cycle).backward()
            opt_g.step()
            losses |= {"adversarial": -score.mean().item(), "class_fake": g_cls.item(), "cycle": cycle.item()}
        history.append(losses)
    return history


def test_six_steps_are_those_of_a_plain_loop(registry: Registry) -> None:
    method = method_of()
    nets = networks_of(method, registry)
    theirs = copy.deepcopy(nets)
    train = TrainConfig(method="stargan")
    players = make_players("stargan", method.players, nets, train, registry, Length.of(train, 1), fused=False)
    engine = Engine(method, nets, players, device="cpu", precision="fp32", seed=7, merge=False)
    batches = [batch_of(n) for n in range(6)]
    for batch, losses in zip(batches, plain_stargan(theirs, batches, 7), strict=True):
        engine.step([batch], 0)
        meters = engine.read_meters()
        assert {name for name in meters if "/" not in name} == {*losses}
        for name, value in losses.items():
            assert meters[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
    nets["gen"].eval(), theirs["gen"].eval()
    seen = torch.cat([batch_of(9)["image"], torch.eye(4, 3)[..., None, None].expand(-1, -1, 16, 16)], 1)
    torch.testing.assert_close(nets["gen"](seen), theirs["gen"](seen), rtol=1e-2, atol=1e-3)


def test_wanted_classes_are_those_of_the_batch_in_another_order(registry: Registry) -> None:
    """A generator that only shows its class maps tells which class each image was asked to become."""
    method = method_of(critic_steps=1)
    nets = networks_of(method, registry)
    asked: list[Tensor] = []
    nets["gen"].register_forward_pre_hook(lambda net, inputs: asked.append(inputs[0][:, 3:].detach()))
    batch = batch_of(1, count=12)
    for _ in method.step(Nets(nets), batch, Step(0, 0, {}, torch.Generator().manual_seed(3))):
        pass
    wanted, own = (maps[:, :, 0, 0].argmax(1) for maps in asked[1:])  # the first call is a check
    assert torch.equal(own, batch["class"]) and not torch.equal(wanted, own)
    assert torch.equal(wanted.sort().values, own.sort().values)
    assert all((maps == maps[:, :, :1, :1]).all() and (maps.sum(1) == 1).all() for maps in asked)


def test_images_that_are_asked_for_their_own_class_shall_stay(registry: Registry) -> None:
    """`identity`, image by image: the mean distance of those alone, and 0 for a batch without any."""
    method = method_of(critic_steps=1)
    nets = networks_of(method, registry)
    asked: list[Tensor] = []
    outputs: list[Tensor] = []

    def remember(net: object, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        asked.append(inputs[0][:, 3:, 0, 0].argmax(1))
        outputs.append(output.detach())

    nets["gen"].register_forward_hook(remember)
    weighted = StarGAN(method.config, method.spec, {**StarGAN.losses, "identity": 10.0})
    batch = batch_of(1, count=12)
    seeded = Step(0, 0, {}, torch.Generator().manual_seed(3))
    _, update = weighted.step(Nets(nets), batch, seeded)
    wanted, fake = asked[1], outputs[1]  # the first call is a check
    same = [n for n in range(12) if wanted[n] == batch["class"][n]]
    assert 0 < len(same) < 12
    distances = [float((fake[n] - batch["image"][n]).abs().mean()) for n in same]
    assert update.losses["identity"].item() == pytest.approx(sum(distances) / len(same), rel=1e-5)
    assert float(unchanged(fake, batch["image"], torch.zeros(12, dtype=torch.bool))) == 0
    _, plain = method.step(Nets(nets), batch, Step(0, 0, {}, torch.Generator().manual_seed(3)))
    assert "identity" not in plain.losses


def test_between_its_moves_the_generator_is_not_differentiated(registry: Registry) -> None:
    method = method_of()
    nets = Nets(networks_of(method, registry))
    players = [[update.player for update in method.step(nets, batch_of(n), step(n))] for n in range(4)]
    assert players == [["D"], ["D", "G"], ["D"], ["D", "G"]]


def step(index: int) -> Step:
    return Step(index, 0, {}, torch.Generator().manual_seed(index))


# ------------------------------------------------------------------------------------------------------ the critic


def test_the_critic_is_that_of_the_paper() -> None:
    with torch.device("meta"):
        critic = StarCritic(StarCritic.Config(), in_channels=3, out_channels=5)
        scores, logits = critic(torch.empty(2, 3, 128, 128))
    assert scores.shape == (2, 1, 2, 2) and logits.shape == (2, 5)
    widths = [3, 64, 128, 256, 512, 1024, 2048]
    trunk = sum(16 * a * b + b for a, b in pairwise(widths))
    assert count_parameters(critic) == trunk + 9 * 2048 + 5 * 2048
    with pytest.raises(ConfigError, match="at least 64 x 64 pixels"):
        StarCritic(StarCritic.Config(filters=1), in_channels=3, out_channels=2)(torch.empty(1, 3, 32, 32))


def test_the_critic_reads_each_image_alone() -> None:
    torch.manual_seed(0)
    critic = StarCritic(StarCritic.Config(filters=4, layers=3), in_channels=3, out_channels=3)
    images = batch_of(0)["image"]
    for whole, single in zip(critic(images), critic(images[1:2]), strict=True):
        torch.testing.assert_close(whole[1:2], single)


# --------------------------------------------------------------------------------------------------- its directions


def test_there_is_a_direction_for_each_class(registry: Registry) -> None:
    method = method_of()
    assert list(method.directions) == ["to", "to_black", "to_blond", "to_brown_hair"]
    assert method.directions["to"].inputs == ("image", "class")
    assert list(StarGAN.directions_with(StarGAN.Config(), None)) == ["to"]
    assert direction_to("brown hair") == "to_brown_hair"
    nets = Nets(networks_of(method, registry))
    image = batch_of(0)["image"]
    for number, name in enumerate(NAMES):
        classes = torch.full((len(image),), number)
        by_class = used(method, nets, {"image": image, "class": classes}, "to")
        assert torch.equal(by_class, used(method, nets, {"image": image}, direction_to(name)))


def used(method: StarGAN, nets: Nets, inputs: Mapping[str, Tensor], direction: str) -> Tensor:
    with torch.no_grad():
        output = method.translate(nets, inputs, DirectionCall(direction), None)  # type: ignore[arg-type]
    assert isinstance(output, Tensor)
    return output


def test_one_class_is_none_to_translate_into(registry: Registry) -> None:
    with pytest.raises(ConfigError, match="fewer than two"):
        networks_of(method_of(("only",)), registry)


def test_a_generator_that_cannot_see_the_class_is_refused(registry: Registry) -> None:
    """Mirrored borders and a norm of each image leave nothing of a constant map."""
    resnet = {"uses": "resnet", "blocks": 1, "filters": 4}
    blind, seeing = method_of(generator=resnet), method_of(generator=resnet, norm="batch")
    with pytest.raises(ConfigError, match="resnet does not see the class"):
        next(blind.step(Nets(networks_of(blind, registry)), batch_of(0), step(0)))
    next(seeing.step(Nets(networks_of(seeing, registry)), batch_of(0), step(0)))
