"""What surrounds the formulas: penalties, clipping, noise, gradients, precision, options."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from translate.contracts import Config
from translate.errors import ConfigError, ContractError
from translate.objectives import Objective
from translate.objectives.forms import OBJECTIVES
from translate.plugins import Registry, resolve


def pair(n: int = 3) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    real, fake = (torch.randn((n, 2, 3, 3), generator=rng, dtype=torch.float64) for _ in "ab")
    return real, fake


class Linear(nn.Module):
    """C(x) = w.x, whose slope is w everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn((2, 3, 3), generator=torch.Generator().manual_seed(1), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.w).flatten(1).sum(1)


def bowl(x: Tensor) -> Tensor:
    """C(x) = |x|^2 / 2, whose slope at x is x."""
    return x.square().flatten(1).sum(1) / 2


def test_gradient_penalty_of_a_linear_critic(step: Any) -> None:
    critic, (real, fake) = Linear(), pair()
    loss = Objective(uses="wgan-gp", penalty=7).critic(critic, real, fake, step())
    plain = Objective(uses="wgan").critic(critic, real, fake, step())
    length = critic.w.detach().norm()
    assert (loss - plain).item() == pytest.approx(7 * (length.item() - 1) ** 2)
    (slope,) = torch.autograd.grad(loss - plain, critic.w)
    torch.testing.assert_close(slope, 14 * (length - 1) * critic.w.detach() / length)


def test_gradient_penalty_lies_between_real_and_fake(step: Any) -> None:
    """One draw per image, the same for all its pixels, from the step's generator."""
    real, fake = pair()
    loss = Objective(uses="wgan-gp", penalty=1).critic(bowl, real, fake, step(seed=5))
    draws = torch.rand((3, 1, 1, 1), generator=torch.Generator().manual_seed(5)).flatten().tolist()
    lengths = [(e * x + (1 - e) * y).norm().item() for e, x, y in zip(draws, real, fake, strict=True)]
    expected = (bowl(fake).mean() - bowl(real).mean()).item() + sum((n - 1) ** 2 for n in lengths) / 3
    assert loss.item() == pytest.approx(expected)


def test_gradient_penalty_where_the_slope_vanishes(step: Any) -> None:
    critic, (real, fake) = Linear(), pair()
    with torch.no_grad():
        critic.w.zero_()
    loss = Objective(uses="wgan-gp").critic(critic, real, fake, step())
    assert loss.item() == pytest.approx(10, rel=1e-4)
    assert torch.autograd.grad(loss, critic.w)[0].isfinite().all()


@pytest.mark.parametrize(("option", "side"), [("r1", 0), ("r2", 1)])
def test_zero_centred_penalties(option: str, side: int, step: Any) -> None:
    images, critic = pair(), Linear()
    plain = Objective(uses="hinge")
    penalised = Objective.model_validate({"uses": "hinge", option: 10})
    extra = penalised.critic(critic, *images, step()) - plain.critic(critic, *images, step())
    assert extra.item() == pytest.approx(5 * critic.w.square().sum().item())
    extra = penalised.critic(bowl, *images, step()) - plain.critic(bowl, *images, step())
    assert extra.item() == pytest.approx(5 * images[side].square().sum().item() / 3)


def test_lazy_penalties_keep_their_mean(step: Any) -> None:
    objective, critic, images = Objective(uses="lsgan", r1=2, r2=1, lazy=4), Linear(), pair()
    every = Objective(uses="lsgan", r1=2, r2=1).critic(critic, *images, step())
    plain = Objective(uses="lsgan").critic(critic, *images, step()).item()
    losses = [objective.critic(critic, *images, step(index)).item() for index in range(8)]
    assert losses[1:4] + losses[5:] == [plain] * 6
    assert sum(losses) / 8 == pytest.approx(every.item())


def test_slopes_of_a_patch_critic_are_sums(step: Any) -> None:
    """Four patches of the same linear critic: four times the slope, as the common implementations have it."""
    critic, images = Linear(), pair()
    patches = Objective(uses="wgan", r1=2).critic(lambda x: critic(x)[:, None].expand(-1, 4), *images, step())
    plain = Objective(uses="wgan").critic(critic, *images, step())
    assert (patches - plain).item() == pytest.approx(16 * critic.w.square().sum().item())


def test_only_wgan_clips() -> None:
    critics = [nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)) for _ in range(2)]
    for uses in OBJECTIVES:
        before = [p.clone() for c in critics for p in c.parameters()]
        if uses != "wgan":
            Objective.model_validate(uses).constrain(*critics)
            assert all(map(torch.equal, before, (p for c in critics for p in c.parameters())))
    Objective(uses="wgan", clip=0.05).constrain(*critics)
    for p, old in zip((p for c in critics for p in c.parameters()), before, strict=True):
        assert p.tolist() == old.clamp(-0.05, 0.05).tolist()
        assert p.requires_grad


def test_noise_falls_linearly_on_all_that_the_critic_sees(step: Any) -> None:
    objective, (real, fake), seen = Objective(uses="relativistic", noise=0.4, noise_steps=8), pair(), []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return bowl(x)

    for index, sigma in ((0, 0.4), (2, 0.3), (6, 0.1), (8, 0.0), (100, 0.0)):
        for play, images in ((objective.critic, (real, fake)), (objective.generator, (fake, real))):
            seen.clear()
            play(critic, *images, step(index, seed=index))
            rng = torch.Generator().manual_seed(index)
            for x, clean in zip(seen, (real, fake), strict=True):
                draw = torch.randn(x.shape, generator=rng, dtype=x.dtype)
                torch.testing.assert_close(x, clean + sigma * draw, rtol=0, atol=1e-12)


@pytest.mark.parametrize("uses", OBJECTIVES)
def test_whose_gradients(uses: Any, step: Any) -> None:
    """The critic's loss never reaches the generator; the generator's reaches it through the fakes alone."""
    critic, (real, fake) = Linear(), pair()
    fake.requires_grad_()
    losses = Objective.model_validate(uses)
    assert torch.autograd.grad(losses.critic(critic, real, fake, step()), fake, allow_unused=True) == (None,)
    (slope,) = torch.autograd.grad(losses.generator(critic, fake, real, step()), fake)
    direction = torch.ones_like(fake)

    def loss(t: float) -> float:
        return losses.generator(critic, fake.detach() + t * direction, real, step()).item()

    assert (slope * direction).sum().item() == pytest.approx((loss(1e-5) - loss(-1e-5)) / 2e-5, rel=1e-5)


@pytest.mark.parametrize("uses", OBJECTIVES)
def test_losses_are_float32_under_autocast(uses: Any, step: Any) -> None:
    torch.manual_seed(0)
    critic, (real, fake) = nn.Conv2d(2, 1, 3), pair()
    real, fake = real.float(), fake.float()
    objective = Objective.model_validate({"uses": uses, "r1": 1.0, "r2": 1.0})
    with torch.autocast("cpu", torch.bfloat16):
        assert critic(real).dtype is torch.bfloat16
        low = objective.critic(critic, real, fake, step()), objective.generator(critic, fake, real, step())
    high = objective.critic(critic, real, fake, step()), objective.generator(critic, fake, real, step())
    for a, b in zip(low, high, strict=True):
        assert (a.dtype, a.shape) == (torch.float32, ())
        torch.testing.assert_close(a, b, rtol=0.02, atol=0.02)
    low[0].backward(inputs=list(critic.parameters()))
    assert all(p.grad is not None and p.grad.isfinite().all() for p in critic.parameters())


def test_comparisons_one_to_one(step: Any) -> None:
    real, fake = pair(3)[0], pair(1)[1]
    for uses in ("wgan-gp", "loss-sensitive", "relativistic"):
        with pytest.raises(ContractError, match=rf"{uses} compares real and fake images one to one"):
            Objective.model_validate(uses).critic(bowl, real, fake, step())
    with pytest.raises(ContractError, match="relativistic compares scores one to one"):
        Objective(uses="relativistic").generator(bowl, fake, real, step())
    assert Objective(uses="relativistic-average").critic(bowl, real, fake, step()).isfinite()


# ------------------------------------------------------------------------------------------------------ options


class MethodConfig(Config):
    objective: Objective = Objective(uses="lsgan")


def test_every_name_validates_and_survives_a_round_trip() -> None:
    for uses in OBJECTIVES:
        config = MethodConfig.model_validate({"objective": uses})
        assert config.objective.uses == uses
        assert MethodConfig.model_validate(config.model_dump(mode="json")) == config
    given = {"uses": "wgan-gp", "penalty": 5, "noise": 0.1, "noise_steps": 100, "r1": 1, "lazy": 16}
    config = MethodConfig.model_validate({"objective": given})
    assert MethodConfig.model_validate_json(config.model_dump_json()) == config
    plain, wrong = resolve(config, Registry([]))
    assert (set(plain["objective"]), wrong) == ({*given, "r2"}, [])
    assert MethodConfig().objective == Objective(uses="lsgan") == Objective.model_validate({})


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ("lsgam", "uses", "there is no objective 'lsgam'; did you mean 'lsgan'?"),
        ("{0}", "uses", "there is no objective '{0}'; there are hinge, "),
        (
            {"uses": "lsgan", "clip": 0.1},
            "clip",
            "unknown key; the keys here are lazy, noise, noise_steps, r1, r2",
        ),
        ({"uses": "wgan", "penlty": 1}, "penlty", "unknown key"),
        ({"uses": "hinge", "lazy": 4}, "", "'lazy' spaces out the penalties 'r1' and 'r2'"),
        ({"uses": "hinge", "noise": 0.1}, "", "'noise' and 'noise_steps' belong together"),
        ({"uses": "hinge", "noise_steps": 10}, "", "'noise' and 'noise_steps' belong together"),
        ({"uses": "hinge", "r1": float("nan")}, "r1", "must be a finite number"),
        ({"uses": "lsgan", "smoothing": 1.0}, "smoothing", "must be less than 1"),
    ],
)
def test_what_makes_no_sense_is_refused(value: Any, path: str, message: str) -> None:
    _, wrong = resolve(MethodConfig.model_validate({"objective": value}), Registry([]))
    (problem,) = wrong
    assert problem.path == ("objective", *([path] if path else []))
    assert message in problem.message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("vanilla", "did you mean 'non-saturating'?"),
        ({"uses": "RaGAN"}, "did you mean 'relativistic-average'?"),
        ({"uses": 3}, "Input should be"),
        (7, "Input should be"),
    ],
)
def test_what_is_no_name_is_refused_at_once(value: Any, message: str) -> None:
    with pytest.raises(ValidationError) as error:
        MethodConfig.model_validate({"objective": value})
    (problem,) = error.value.errors()
    assert problem["loc"][0] == "objective"
    assert message in problem["msg"]
    assert not problem["msg"].startswith("Value error")


def test_options_of_a_script_are_checked_when_they_act(step: Any) -> None:
    with pytest.raises(ConfigError, match=r"objective lsgan: .*clip"):
        Objective.model_validate({"uses": "lsgan", "clip": 0.1}).critic(bowl, *pair(), step())
    with pytest.raises(ConfigError, match="'acme/softer' is no built-in one"):
        Objective(uses="acme/softer").critic(bowl, *pair(), step())
