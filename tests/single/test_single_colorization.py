"""Colorization: Lab by known values, losses written out by hand, soft classes, and lightness that nobody touches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from translate_colorization.bins import Prior, ab_bins, annealed_mean, soft_encode
from translate_colorization.metrics import AbAuC, AbPSNR, Colourfulness, colourfulness

from translate import Method, Nets, Step, to_lab, to_rgb
from translate.contracts import DataSpec, NoOptions
from translate.inference.translator import Translator
from translate.networks import network_builder
from translate.plugins import Registry

TINY: Mapping[str, Any] = {
    "generator": {"uses": "unet", "levels": 3, "filters": 4},
    "discriminator": {"uses": "patchgan", "filters": 4, "layers": 1},
    "norm": "none",
}


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return Registry()


def game(plugins: Registry, weights: Mapping[str, float] | None = None, **options: Any) -> tuple[Method[Any], Nets]:
    cls = plugins.get("methods", "colorization")
    config = cls.Config.model_validate({**TINY, **options})
    method = cls(config, DataSpec("single", {"image": 3}, (32, 32)), {**cls.losses, **(weights or {})})
    torch.manual_seed(0)
    return method, Nets(method.networks(network_builder(plugins)))


def images(count: int = 2, height: int = 32, width: int = 32) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(3)) * 2 - 1


def updates(method: Method[Any], nets: Nets, batch: Tensor) -> list[Any]:
    step = Step(0, 0, dict.fromkeys(method.players, 0), torch.Generator().manual_seed(0))
    return list(method.step(nets, {"image": batch}, step))


# ----------------------------------------------------------------------------------------------------------- colours


def test_lab_of_known_colours() -> None:
    colours = torch.tensor([[1, 1, 1], [0, 0, 0], [1, 0, 0]]).float().T.view(1, 3, 1, 3) * 2 - 1
    L, ab = to_lab(colours)
    torch.testing.assert_close(L[0, 0, 0], torch.tensor([100, 0, 53.24]), atol=0.01, rtol=0)
    torch.testing.assert_close(ab[0, :, 0, 2], torch.tensor([80.09, 67.20]), atol=0.01, rtol=0)
    x = images(1)
    torch.testing.assert_close(to_rgb(*to_lab(x)), x, atol=1e-4, rtol=0)
    grey = torch.zeros(1, 1, 2, 2)
    torch.testing.assert_close(to_lab(grey)[0], to_lab(grey.expand(-1, 3, -1, -1))[0])
    with torch.autocast("cpu", torch.bfloat16):
        assert to_lab(x.bfloat16())[0].dtype == torch.float32


def test_colourfulness_of_known_images() -> None:
    red = torch.zeros(3, 4, 4)
    red[0] = 1
    assert colourfulness(red) == pytest.approx(85.5296, abs=1e-4)
    assert colourfulness(torch.full((3, 4, 4), 0.3)) == 0
    metric = Colourfulness(NoOptions())
    assert metric.score([red, red * 0], [red]) == pytest.approx(85.5296 / 2, abs=1e-4)
    assert metric.details([red], [red])["colourfulness/outputs"] == pytest.approx(85.5296, abs=1e-4)


def test_ab_psnr_of_a_known_error_and_of_the_mean_colour() -> None:
    L = torch.full((1, 1, 4, 4), 60.0)
    plain = to_rgb(L, torch.zeros(1, 2, 4, 4))[0].add(1).div(2)
    tinted = to_rgb(L, torch.full((1, 2, 4, 4), 10.0))[0].add(1).div(2)
    darker = to_rgb(L - 20, torch.full((1, 2, 4, 4), 10.0))[0].add(1).div(2)
    psnr = AbPSNR(NoOptions())
    assert psnr.score([plain], [tinted]) == pytest.approx(20 * math.log10(255 / 10), abs=0.01)
    assert psnr.score([darker], [tinted]) > 60  # lightness does not count
    assert psnr.best_constant([plain, tinted]) == pytest.approx(20 * math.log10(255 / 5), abs=0.01)


def test_the_area_under_the_curve_against_thresholds_written_out() -> None:
    rng = np.random.default_rng(0)
    made, true = (torch.from_numpy(rng.random((3, 12, 9), dtype=np.float32)) for _ in range(2))
    ab = [to_lab(image[None] * 2 - 1)[1][0].double() for image in (made, true)]
    error = (ab[0] - ab[1]).square().sum(0).sqrt()
    expected = np.mean([(error <= t).double().mean().item() for t in range(151)])
    assert AbAuC(AbAuC.Config()).score([made], [true]) == pytest.approx(100 * expected)
    cells = {tuple(cell) for cell in (ab[1] / 10).round().flatten(1).T.tolist()}
    per_cell = [
        np.mean([(error[((ab[1] / 10).round() == torch.tensor(c).view(2, 1, 1).double()).all(0)] <= t).double().mean()
                 for t in range(151)])
        for c in cells
    ]  # fmt: skip
    assert AbAuC(AbAuC.Config(rebalanced=True)).score([made], [true]) == pytest.approx(100 * np.mean(per_cell))
    assert AbAuC(AbAuC.Config()).score([true], [true]) == 100


# ----------------------------------------------------------------------------------------------------------- classes


def test_bins_cover_every_colour() -> None:
    bins = ab_bins()
    assert 240 < len(bins) < 320 and (bins % 10 == 0).all()
    ab = to_lab(images(1, 64, 64))[1].permute(0, 2, 3, 1).reshape(-1, 2)
    assert torch.cdist(ab, bins).min(1).values.max() <= math.hypot(5, 5) + 2


def test_soft_encoding_and_its_mean() -> None:
    bins = ab_bins()
    ab = torch.tensor([[20.0, -10.0], [23.0, 4.0]]).T.reshape(1, 2, 1, 2)
    index, share = soft_encode(ab, bins)
    for n, colour in enumerate(((20, -10), (23, 4))):
        distances = ((bins - torch.tensor(colour)) ** 2).sum(1)
        nearest = distances.argsort()[:10]
        weights = torch.exp(-distances[nearest] / 50)
        torch.testing.assert_close(share[0, 0, n].sort().values, (weights / weights.sum()).sort().values)
        assert index[0, 0, n, 0] == distances.argmin()
    logits = torch.full((1, len(bins), 1, 2), -1e4).scatter(
        1, index.permute(0, 3, 1, 2), share.log().permute(0, 3, 1, 2)
    )
    torch.testing.assert_close(annealed_mean(logits, bins)[..., :1], ab[..., :1], atol=0.5, rtol=0)


def test_the_annealed_mean_lies_between_mean_and_mode() -> None:
    """Two colours, 0.7 to 0.3: T = 1 gives the mean, T = 0.38 leans to the more frequent, T near 0 takes it."""
    bins = torch.tensor([[0.0, 0.0], [100.0, 0.0]])
    logits = torch.tensor([0.3, 0.7]).log().view(1, 2, 1, 1)
    sharpened = 0.7 ** (1 / 0.38) / (0.7 ** (1 / 0.38) + 0.3 ** (1 / 0.38))
    for temperature, expected in ((1.0, 70.0), (0.38, 100 * sharpened), (0.01, 100.0)):
        found = annealed_mean(logits, bins, temperature)[0, 0].item()
        assert found == pytest.approx(expected, abs=1e-3)


def test_rare_colours_weigh_more() -> None:
    prior = Prior(4)
    torch.testing.assert_close(prior.weights(), torch.ones(4))
    for _ in range(20_000):
        prior.learn(torch.tensor([0, 0, 0, 1]), torch.ones(4))
    torch.testing.assert_close(prior.shares, torch.tensor([0.75, 0.25, 0, 0]), atol=1e-3, rtol=0)
    w = 1 / (0.5 * prior.shares + 0.5 / 4)
    torch.testing.assert_close(prior.weights(), w / (w * prior.shares).sum())
    assert (prior.weights() * prior.shares).sum().item() == pytest.approx(1)


# ------------------------------------------------------------------------------------------------------------- games


def test_regression_against_a_critic(plugins: Registry) -> None:
    method, nets = game(plugins)
    real = images()
    critic, painter = updates(method, nets, real)
    L, ab = to_lab(real)
    x, y = L / 50 - 1, ab / 110
    fake = nets.G(x)
    torch.testing.assert_close(painter.losses["l1"], (fake - y).abs().mean())
    scores = nets.D(torch.cat((x, y), 1)), nets.D(torch.cat((x, fake), 1))
    expected = F.softplus(-scores[0]).mean() + F.softplus(scores[1]).mean()
    torch.testing.assert_close(critic.losses["critic"], expected)
    torch.testing.assert_close(painter.losses["adversarial"], F.softplus(-scores[1]).mean())
    method, nets = game(plugins, {"adversarial": 0})
    assert [(u.player, set(u.losses)) for u in updates(method, nets, real)] == [("G", {"l1"})]


@pytest.mark.parametrize("rebalance", [True, False])
def test_classification(plugins: Registry, rebalance: bool) -> None:
    """Equation 2, pixel by pixel, at the network's resolution; a grey image teaches nothing."""
    zhang = {"uses": "zhang", "filters": 2}
    method, nets = game(plugins, predict="classes", generator=zhang, rebalance=rebalance)
    real = images()
    real[1] = real[1, :1].expand(3, -1, -1)
    (update,) = updates(method, nets, real)
    L, ab = to_lab(real)
    logits = nets.G(L / 50 - 1)
    assert logits.shape == (2, len(ab_bins()), 8, 8)
    small = ab.unfold(2, 4, 4).unfold(3, 4, 4).mean((4, 5))
    weights = nets.prior.weights() if rebalance else torch.ones(len(ab_bins()))
    index, share = soft_encode(small, ab_bins())
    total = torch.zeros(())
    for row in range(8):
        for column in range(8):
            log = logits[0, :, row, column].log_softmax(0)
            entropy = -(share[0, row, column] * log[index[0, row, column]]).sum()
            total = total + weights[index[0, row, column, 0]] * entropy
    torch.testing.assert_close(update.losses["classes"], total / (2 * 64), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "options", [{}, {"resolution": 16}, {"predict": "classes", "generator": {"uses": "zhang", "filters": 2}}]
)
def test_lightness_and_resolution_are_kept(plugins: Registry, options: Mapping[str, Any]) -> None:
    method, nets = game(plugins, **options)
    translator = Translator(method, dict(nets), {})
    grey = method.degrade(images(1, 40, 56), "colorize", torch.Generator())
    assert isinstance(grey, Tensor)
    assert (grey.amax(1) - grey.amin(1)).max() < 2e-3
    with torch.no_grad():
        nets_output = translator.translate_tensor(grey)
    assert nets_output.shape == (1, 3, 40, 56)
    dim = (grey.mean(1) > -0.6) & (grey.mean(1) < 0.6) & (to_lab(nets_output)[1].abs().amax(1) < 25)  # not clipped
    if dim.any():
        off = (to_lab(nets_output)[0] - to_lab(grey)[0])[:, 0][dim]
        assert off.abs().max() < 1
    one = translator(np.full((9, 13), 100, np.uint8))
    assert one.shape[:2] == (9, 13)
