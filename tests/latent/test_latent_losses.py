"""The objectives of the games in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn.functional import softplus
from translate_latent.bigan import BiGAN, joined as paired, parted
from translate_latent.conditional import Conditional, joined
from translate_latent.infogan import categorical_information, continuous_information
from translate_latent.networks import Parts
from translate_latent.semi_supervised import labelled_cross_entropy, log_partition

from translate import MISSING, Objective, Step


def step_of(seed: int = 0) -> Step:
    return Step(index=0, epoch=0, updates={"D": 0, "G": 0}, rng=torch.Generator().manual_seed(seed))


# -------------------------------------------------------------------------------------------------------- InfoGAN


@pytest.mark.parametrize("k", [2, 4, 10])
def test_a_code_that_q_guesses_gives_no_information_and_one_that_it_reads_all(k: int) -> None:
    code = torch.arange(60) % k
    assert categorical_information(torch.zeros(60, k), code).item() == pytest.approx(0, abs=1e-6)
    perfect = 100.0 * torch.nn.functional.one_hot(code, k)
    assert categorical_information(perfect, code).item() == pytest.approx(math.log(k), abs=1e-6)


def test_information_is_a_bound_on_that_of_a_noisy_reader() -> None:
    """Q that is right with probability p, and knows it: I = log K - H(p, (1 - p) / (K - 1), ...)."""
    k, p, count = 4, 0.7, 40_000
    rng = torch.Generator().manual_seed(0)
    code = torch.randint(k, (count,), generator=rng)
    wrong = (code + torch.randint(1, k, (count,), generator=rng)) % k
    read = torch.where(torch.rand(count, generator=rng) < p, code, wrong)
    rest = (1 - p) / (k - 1)
    logits = torch.full((count, k), math.log(rest))
    logits.scatter_(1, read[:, None], math.log(p))
    exact = math.log(k) + p * math.log(p) + (1 - p) * math.log(rest)
    assert categorical_information(logits, code).item() == pytest.approx(exact, abs=0.01)


def test_information_of_numbers_is_that_of_a_normal_reader() -> None:
    """E log N(c; mean, 1) + log 2, summed over two codes."""
    numbers = torch.tensor([[0.5, -0.2], [0.1, 0.9]])
    at_best = 2 * (math.log(2) - 0.5 * math.log(2 * math.pi))
    assert continuous_information(numbers, numbers).item() == pytest.approx(at_best, abs=1e-6)
    assert continuous_information(numbers + 0.4, numbers).item() == pytest.approx(at_best - 0.16, abs=1e-6)


# ------------------------------------------------------------------------------------------------- semi-supervised


@pytest.mark.parametrize("k", [2, 4, 10])
def test_k_logits_of_zero_say_real_with_k_of_k_plus_one(k: int) -> None:
    score = log_partition(torch.zeros(3, k))
    assert score.shape == (3, 1)
    assert score.sigmoid().flatten().tolist() == pytest.approx([k / (k + 1)] * 3)


def test_the_score_is_the_softmax_over_k_plus_one_classes() -> None:
    """With a logit of 0 for "fake": p(fake) = 1 - D, p(class k) / D = softmax over the K."""
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    whole = torch.cat((logits, torch.zeros(5, 1)), 1).softmax(1)
    torch.testing.assert_close(log_partition(logits).sigmoid()[:, 0], 1 - whole[:, 4])
    torch.testing.assert_close(whole[:, :4] / (1 - whole[:, 4:]), logits.softmax(1))


def test_unlabelled_images_count_nothing_in_the_cross_entropy() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    some = labelled_cross_entropy(logits, torch.tensor([2, MISSING, 0, MISSING]))
    expected = -(logits[0].log_softmax(0)[2] + logits[2].log_softmax(0)[0]) / 2
    torch.testing.assert_close(some, expected)
    none = labelled_cross_entropy(logits, torch.full((4,), MISSING))
    assert none.item() == 0
    (gradient,) = torch.autograd.grad(none, logits)
    assert not gradient.any()


# ----------------------------------------------------------------------------------------------------------- BiGAN


def test_pairs_come_apart_again() -> None:
    x, z = torch.randn(3, 2, 4, 6), torch.randn(3, 5)
    images, codes = parted(paired(x, z), x)
    assert torch.equal(images, x) and torch.equal(codes, z)


@pytest.mark.parametrize("name", ["non-saturating", "hinge", "wgan"])
def test_the_encoder_minimises_the_loss_with_real_and_fake_exchanged(name: str) -> None:
    """Real as fake: sp(a) for sp(-b), a for -b."""
    objective, a = Objective(uses=name), torch.tensor([[2.0], [-1.0]])  # type: ignore[arg-type]
    loss = objective.generator(lambda pairs: -pairs, a, a, step_of())
    expected = softplus(a).mean() if name == "non-saturating" else a.mean()
    torch.testing.assert_close(loss, expected)


def test_objectives_that_are_not_symmetric_are_refused() -> None:
    with pytest.raises(ValidationError, match="bigan plays minimax, non-saturating, hinge, wgan, wgan-gp"):
        BiGAN.Config.model_validate({"objective": "lsgan"})


# ----------------------------------------------------------------------------------------------------- conditional


def test_a_class_is_constant_channels_beside_the_image() -> None:
    images, y = torch.randn(2, 3, 4, 5), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    both = joined(images, y)
    assert both.shape == (2, 5, 4, 5) and torch.equal(both[:, :3], images)
    assert both[0, 3].eq(1).all() and both[0, 4].eq(0).all() and both[1, 3].eq(0).all() and both[1, 4].eq(1).all()


def test_mismatched_pairs_do_not_suit_every_objective() -> None:
    assert Conditional.Config.model_validate({"mismatched": True}).mismatched
    with pytest.raises(ValidationError, match="twice as many fakes as real images: not with wgan-gp"):
        Conditional.Config.model_validate({"mismatched": True, "objective": "wgan-gp"})


def test_parts_keep_what_a_critic_said_beside_its_score() -> None:
    def net(images: Tensor) -> Tensor:
        return torch.stack((images.mean((1, 2, 3)), images.amax((1, 2, 3))), 1)

    judge, real, fake = Parts(net), torch.ones(2, 1, 2, 2), torch.zeros(2, 1, 2, 2)
    Objective(uses="wgan").critic(judge, real, fake, step_of())
    assert judge(real).shape == (2, 1)
    assert [values[:, 1].tolist() for values in judge.calls] == [[1, 1], [0, 0], [1, 1]]
