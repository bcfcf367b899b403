"""Every objective against closed forms, tables of gradients, and what theory says of the best critic."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from translate.objectives import Objective
from translate.objectives.forms import OBJECTIVES


def same(x: Tensor) -> Tensor:
    return x


def make(uses: Any, **options: Any) -> Objective:
    return Objective(uses=uses, **options)


# fixed scores a = 2, b = -1
VALUES = [
    ("non-saturating", 0.440190, 1.313262),
    ("minimax", 0.440190, -0.313262),
    ("maximum-likelihood", 0.440190, -0.5 * math.exp(-1)),
    ("lsgan", 2.0, 4.0),
    ("hinge", 0.0, 1.0),
    ("wgan", -3.0, 1.0),
    ("wgan-gp", -3.0, 1.0),
    ("relativistic", 0.048587, 3.048587),
    ("relativistic-average", 0.097175, 6.097175),
]


@pytest.mark.parametrize(("uses", "critic", "generator"), VALUES)
def test_values(uses: str, critic: float, generator: float, step: Any, scores: Any) -> None:
    objective = make(uses, **({"penalty": 0} if uses == "wgan-gp" else {}))
    real, fake = scores(2.0), scores(-1.0)
    assert objective.critic(same, real, fake, step()).item() == pytest.approx(critic, abs=1e-6)
    assert objective.generator(same, fake, real, step()).item() == pytest.approx(generator, abs=1e-6)


def test_gradients_of_the_log_critic(step: Any) -> None:
    a, b = torch.tensor(2.0, requires_grad=True), torch.tensor(-1.0, requires_grad=True)

    def critic(x: Tensor) -> Tensor:  # the real image is all ones, the fake one all zeros
        return torch.where(x == 1, a, b)

    loss = make("non-saturating").critic(critic, torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), step())
    loss.backward()
    assert a.grad is not None
    assert b.grad is not None
    assert a.grad.item() == pytest.approx(-0.119203, abs=1e-6)
    assert b.grad.item() == pytest.approx(0.268941, abs=1e-6)


SLOPES = [
    (-4.0, -0.017986, -0.982014, -0.009158, -10.0, -1.0),
    (-1.0, -0.268941, -0.731059, -0.183940, -4.0, -1.0),
    (0.0, -0.5, -0.5, -0.5, -2.0, -1.0),
    (2.0, -0.880797, -0.119203, -3.694528, 2.0, -1.0),
]


@pytest.mark.parametrize("row", SLOPES)
def test_gradients_of_the_generator(row: tuple[float, ...], step: Any, scores: Any) -> None:
    names = ("minimax", "non-saturating", "maximum-likelihood", "lsgan", "hinge", "wgan", "wgan-gp")
    for uses, slope in zip(names, (*row[1:], row[5], row[5]), strict=True):
        fake = scores(row[0]).requires_grad_()
        make(uses).generator(same, fake, scores(0.0), step()).backward()
        assert fake.grad is not None
        assert fake.grad.item() == pytest.approx(slope, abs=1e-6), uses


def test_saturation(step: Any, scores: Any) -> None:
    """The minimax generator's gradient is e^b times the non-saturating one's: 4.5e-5 where the critic is sure."""

    def slope(uses: str) -> float:
        fake = scores(-10.0).requires_grad_()
        return torch.autograd.grad(make(uses).generator(same, fake, fake, step()), fake)[0].item()

    assert slope("minimax") / slope("non-saturating") == pytest.approx(math.exp(-10))


def test_the_likelihood_cost_is_clamped(step: Any, scores: Any) -> None:
    fake = scores(50.0, 1.0).requires_grad_()
    loss = make("maximum-likelihood", clamp=3).generator(same, fake, fake, step())
    assert loss.item() == pytest.approx(-(math.exp(3) + math.exp(1)) / 4)
    (slope,) = torch.autograd.grad(loss, fake)
    assert slope.flatten().tolist() == pytest.approx([0.0, -math.exp(1) / 4])


def by_hand(uses: str, a: list[float], b: list[float]) -> tuple[float, float]:
    """(critic, generator), with loops over scalars."""

    def sp(t: float) -> float:
        return math.log1p(math.exp(t))

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    log = mean([sp(-x) for x in a]) + mean([sp(y) for y in b])
    ea, eb = mean(a), mean(b)
    average = mean([sp(-(x - eb)) for x in a]) + mean([sp(y - ea) for y in b])
    other = mean([sp(-(y - ea)) for y in b]) + mean([sp(x - eb) for x in a])
    pairs = list(zip(a, b, strict=True))
    return {
        "minimax": (log, -mean([sp(y) for y in b])),
        "non-saturating": (log, mean([sp(-y) for y in b])),
        "maximum-likelihood": (log, -0.5 * mean([math.exp(y) for y in b])),
        "lsgan": (mean([(x - 1) ** 2 for x in a]) + mean([y * y for y in b]), mean([(y - 1) ** 2 for y in b])),
        "hinge": (mean([max(0.0, 1 - x) for x in a]) + mean([max(0.0, 1 + y) for y in b]), -eb),
        "wgan": (eb - ea, -eb),
        "relativistic": (mean([sp(-(x - y)) for x, y in pairs]), mean([sp(-(y - x)) for x, y in pairs])),
        "relativistic-average": (average, other),
    }[uses]


@pytest.mark.parametrize("uses", [name for name in OBJECTIVES if name not in ("wgan-gp", "loss-sensitive")])
def test_patches_count_like_images(uses: str, step: Any) -> None:
    rng = torch.Generator().manual_seed(4)
    real, fake = (torch.randn((3, 1, 2, 4), generator=rng, dtype=torch.float64) for _ in "ab")
    critic, generator = by_hand(uses, real.flatten().tolist(), fake.flatten().tolist())
    assert make(uses).critic(same, real, fake, step()).item() == pytest.approx(critic)
    assert make(uses).generator(same, fake, real, step()).item() == pytest.approx(generator)


def test_loss_sensitive_by_hand(step: Any) -> None:
    """E L(x) + slack E (|x - G| + L(x) - L(G))_+ with the mean difference of each pair of images, and four patches."""
    rng = torch.Generator().manual_seed(5)
    real, fake = (torch.randn((3, 2, 4, 4), generator=rng, dtype=torch.float64) for _ in "ab")

    def critic(x: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(x.sum(1, keepdim=True), 2)

    a, b, total, slack = critic(real), critic(fake), 0.0, 0.0
    for n in range(3):
        distance = sum(abs(x - y) for x, y in zip(real[n].flatten().tolist(), fake[n].flatten().tolist(), strict=True))
        for x, y in zip(a[n].flatten().tolist(), b[n].flatten().tolist(), strict=True):
            total += x / 12
            slack += max(0.0, distance / 32 + x - y) / 12
    objective = make("loss-sensitive", slack=0.7)
    assert objective.critic(critic, real, fake, step()).item() == pytest.approx(total + 0.7 * slack)
    assert objective.generator(critic, fake, real, step()).item() == pytest.approx(b.mean().item())


# ------------------------------------------------------------------------- N(0, 1) against N(mu, 1), best critics


def samples(mu: float, n: int = 40_001) -> tuple[Tensor, Tensor]:
    """Equally likely points of both distributions, so that means are integrals."""
    levels = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    real = Normal(0.0, 1.0).icdf(levels).view(-1, 1, 1, 1)
    return real, real + mu


def logit(mu: float) -> Callable[[Tensor], Tensor]:
    return lambda x: -mu * x + mu**2 / 2


@pytest.mark.parametrize(("mu", "value"), [(0.0, 1.386294), (1.0, 1.163451), (2.0, 0.712633)])
@pytest.mark.parametrize("uses", ["minimax", "non-saturating", "maximum-likelihood"])
def test_the_best_log_critic(uses: str, mu: float, value: float, step: Any) -> None:
    """-V* = log 4 - 2 JSD, and no other critic of the family does better."""
    real, fake = samples(mu)
    best = make(uses).critic(logit(mu), real, fake, step())
    assert best.item() == pytest.approx(value, abs=2e-5)
    for scale, shift in ((0.9, 0.0), (1.1, 0.0), (1.0, 0.1), (1.0, -0.1)):
        other = make(uses).critic(lambda x, s=scale, t=shift: s * logit(mu)(x) + t, real, fake, step())
        assert other >= best


@pytest.mark.parametrize(("mu", "tv"), [(0.5, 0.197413), (1.0, 0.382925), (2.0, 0.682689)])
def test_the_best_hinge_critic(mu: float, tv: float, step: Any) -> None:
    """min L_D = 2 (1 - TV), at C* = sign(p - q)."""
    real, fake = samples(mu)
    loss = make("hinge").critic(lambda x: (mu / 2 - x).sign(), real, fake, step())
    assert loss.item() == pytest.approx(2 * (1 - tv), abs=1e-4)


def test_the_best_least_squares_critic(step: Any) -> None:
    """C* = p / (p + q), here s(logit); any change raises the loss. At p = q the half loss is 0.25."""
    real, fake = samples(1.0)
    best = make("lsgan").critic(lambda x: logit(1.0)(x).sigmoid(), real, fake, step())
    for change in (0.02, -0.02):
        other = make("lsgan").critic(lambda x, c=change: logit(1.0)(x).sigmoid() + c, real, fake, step())
        assert other > best
    equal = make("lsgan").critic(lambda x: torch.full_like(x, 0.5), real, real, step())
    assert equal.item() / 2 == pytest.approx(0.25)


def test_disjoint_supports(step: Any, scores: Any) -> None:
    """Points theta apart: the log game ends at 0; W1 is |theta|, with the slope sign(theta)."""
    for theta in (0.5, -3.0):
        real, fake = scores(0.0), scores(theta).requires_grad_()
        sign = math.copysign(1.0, theta)
        assert make("wgan").critic(lambda x: -sign * x, real, fake, step()).item() == pytest.approx(-abs(theta))  # noqa: B023
        (slope,) = torch.autograd.grad(make("wgan").generator(lambda x: -sign * x, fake, real, step()), fake)  # noqa: B023
        assert slope.item() == pytest.approx(sign)

        def sure(x: Tensor) -> Tensor:
            return 400.0 * ((x.abs() < 0.1).double() - 0.5)

        assert make("minimax").critic(sure, real, fake, step()).item() == pytest.approx(0, abs=1e-6)


# ---------------------------------------------------------------------------------------------- label smoothing


def test_one_sided_label_smoothing(step: Any) -> None:
    """Equal constant batches at alpha = 0.9: the best critic says 0.45, not 0.5; with least squares C* = 0.45 too."""
    image = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    for uses, optimum in (
        ("non-saturating", math.log(0.45 / 0.55)),
        ("minimax", math.log(0.45 / 0.55)),
        ("lsgan", 0.45),
    ):
        score = torch.tensor(optimum, dtype=torch.float64, requires_grad=True)
        loss = make(uses, smoothing=0.1).critic(lambda x, s=score: s * x, image, image, step())
        (first,) = torch.autograd.grad(loss, score, create_graph=True)
        (second,) = torch.autograd.grad(first, score)
        assert first.item() == pytest.approx(0, abs=1e-12)
        assert second.item() > 0


def test_smoothed_real_loss_is_an_entropy(step: Any, scores: Any) -> None:
    """With fakes out of the way the minimum is H(0.9) = 0.325083, at D = 0.9. The generator's target stays 1."""
    objective = make("non-saturating", smoothing=0.1)
    loss = objective.critic(same, scores(math.log(9)), scores(-1e3), step())
    assert loss.item() == pytest.approx(0.325083, abs=1e-6)
    assert objective.generator(same, scores(-1.0), scores(0.0), step()).item() == pytest.approx(1.313262, abs=1e-6)
