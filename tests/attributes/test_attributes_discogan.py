"""DiscoGAN: the networks of the authors' code, its losses in closed form, who plays when, and a toy of two lines."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from translate_discogan import DiscoGAN, feature_matching

from translate.contracts import Step
from translate.networks import count_parameters

Pictures = Callable[..., Tensor]


def step_of(index: int) -> Step:
    return Step(index, 0, {"D": 0, "G": 0}, torch.Generator().manual_seed(index))


@pytest.mark.parametrize(("extra", "expected"), [(False, 5_513_856), (True, 7_153_480)])
def test_parameters_are_those_of_the_authors_code(game, extra: bool, expected: int) -> None:  # type: ignore[no-untyped-def]
    counts = {n: count_parameters(net) for n, net in game("discogan", {"extra_layers": extra}).nets.items()}
    assert counts == {"G_ab": expected, "G_ba": expected, "D_a": 2_765_568, "D_b": 2_765_568}


def test_one_score_an_image_and_the_features_of_three_layers(game, pictures: Pictures) -> None:  # type: ignore[no-untyped-def]
    critic = game("discogan", {"width": 4}).nets.D_a
    scores, features = critic.judge(pictures(0))
    assert scores.shape == (2, 1, 1, 1) and [tuple(f.shape[1:]) for f in features] == [
        (8, 16, 16),
        (16, 8, 8),
        (32, 4, 4),
    ]


def test_feature_matching_compares_means_of_batches() -> None:
    real = [torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.ones(2, 3)]
    fake = [torch.tensor([[0.0, 0.0], [0.0, 2.0]]), torch.ones(2, 3)]
    assert float(feature_matching(real, fake)) == pytest.approx(((2 - 0) ** 2 + (3 - 1) ** 2) / 2)


def test_losses_equal_the_authors(game, pictures: Pictures) -> None:  # type: ignore[no-untyped-def]
    """BCE of sigmoids and MSE of images from 0 to 1, summed as in their loop."""
    engine = game("discogan", {"width": 4, "curriculum": 5})
    method, nets = engine.method, engine.nets
    for net in nets.values():
        net.eval()  # otherwise each call would move the running averages, not the losses
    a, b = pictures(1), pictures(2)
    for index, rate in ((1, 0.01), (7, 0.5)):
        (update,) = method.step(nets, {"a": a, "b": b}, step_of(index))
        total = sum(DiscoGAN.losses[name] * float(value.detach()) for name, value in update.losses.items())
        fake_b, fake_a = nets.G_ab(a), nets.G_ba(b)
        expected = 0.0
        again_a, again_b = nets.G_ba(fake_b), nets.G_ab(fake_a)
        for D, fake, real, truth, again in ((nets.D_b, fake_b, b, a, again_a), (nets.D_a, fake_a, a, b, again_b)):
            scores, features = D.judge(fake)
            bce = F.binary_cross_entropy(torch.sigmoid(scores), torch.ones_like(scores))
            distance = sum(
                (r.mean(0) - f.mean(0)).square().mean() for r, f in zip(D.judge(real)[1], features, strict=True)
            )
            undone = F.mse_loss((again + 1) / 2, (truth + 1) / 2)
            expected += float(((1 - rate) * (0.1 * bce + 0.9 * distance) + rate * undone).detach())
        assert total == pytest.approx(expected, rel=1e-5)


def test_critics_play_every_third_step(game, pictures: Pictures) -> None:  # type: ignore[no-untyped-def]
    engine = game("discogan", {"width": 4}, optimizer={"uses": "adam", "lr": 2e-4, "weight_decay": 1e-5})
    batch = {"a": pictures(1), "b": pictures(2)}
    played = []
    for _ in range(7):
        before = engine.players["D"].done, engine.players["G"].done
        engine.step([batch], 0)
        played.append("D" if engine.players["D"].done > before[0] else "G")
        assert engine.players["D"].done + engine.players["G"].done == sum(before) + 1
    assert "".join(played) == "DGGDGGD"
    engine.check_finite({})


def test_outputs_are_images(game, pictures: Pictures) -> None:  # type: ignore[no-untyped-def]
    engine = game("discogan", {"width": 4})
    for direction in DiscoGAN.directions:
        made = engine.method.translate(engine.nets, {"image": pictures(3)}, direction, None)
        assert made.shape == (2, 3, 64, 64) and float(made.detach().abs().max()) <= 1
