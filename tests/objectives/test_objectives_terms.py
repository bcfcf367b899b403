"""The loss terms of pipelines against closed forms, other libraries, and their papers' formulas written out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.module import _global_forward_hooks
from torchmetrics.functional.image import structural_similarity_index_measure

from translate.contracts import LossUse
from translate.errors import ConfigError, ContractError
from translate.networks.pretrained.features import RandomFeatures, RandomFeaturesConfig
from translate.objectives import LossTerm, translate_losses
from translate.objectives.image_terms import SCALES
from translate.plugins import Registry

COMPARING = [
    ("l1", {}),
    ("charbonnier", {}),
    ("ssim", {}),
    ("ms-ssim", {"scales": 2}),
    ("edge", {}),
    ("colour-histogram", {}),
    ("focal-frequency", {}),
    ("perceptual", {"features": {"uses": "random-features", "filters": 4}}),
    ("perceptual", {"features": {"uses": "random-features", "filters": 4}, "distance": "l1"}),
]
"""Terms that are smallest where two images are equal, and their options here."""


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry([])


@pytest.fixture
def make(registry: Registry) -> Any:
    def build(uses: str, **options: Any) -> LossTerm[Any]:
        term: LossTerm[Any] = registry.build(LossUse(uses=uses, options=options))
        return term.eval().requires_grad_(False)

    return build


def images(seed: int, size: tuple[int, int] = (32, 40), count: int = 2) -> Tensor:
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize(("uses", "options"), COMPARING)
def test_equal_images_are_the_minimum(make: Any, uses: str, options: dict[str, Any]) -> None:
    term, target = make(uses, **options), images(0)
    for other in (target, torch.zeros_like(target), torch.ones_like(target)):
        output = other.clone().requires_grad_()
        loss = term(output=output, target=other)
        assert loss.shape == ()
        assert loss.dtype == torch.float32
        least = 1e-3 if uses == "charbonnier" else 0.0
        assert loss.item() == pytest.approx(least, abs=1e-4 if "ssim" in uses else 1e-6)
        (slope,) = torch.autograd.grad(loss, output)
        assert slope.isfinite().all()
        assert slope.abs().max() < 1e-3
    output = (0.5 * target).requires_grad_()
    before = term(output=output, target=target)
    (slope,) = torch.autograd.grad(before, output)
    rate = 1e-2 * before.item() / slope.square().sum().item()
    assert term(output=output - rate * slope, target=target) < before
    assert before > 0


@pytest.mark.parametrize(("uses", "options"), COMPARING)
def test_half_precision_is_computed_in_float32(make: Any, uses: str, options: dict[str, Any]) -> None:
    term, output, target = make(uses, **options), images(0).bfloat16(), images(1).bfloat16()
    loss = term(output=output, target=target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, term(output=output.float(), target=target.float()))


# ------------------------------------------------------------------------------------------------- two images


def similarity(x: Tensor, y: Tensor) -> Tensor:
    """By torchmetrics, without the border where the window leaves the image, as the papers' own code."""
    whole = structural_similarity_index_measure(x, y, data_range=1.0, return_full_image=True)[1]
    return whole[..., 5:-5, 5:-5].mean((1, 2, 3))


def test_ssim_is_that_of_torchmetrics(make: Any) -> None:
    target = images(0)
    output = target + 0.3 * images(1)
    expected = 1 - similarity((output + 1) / 2, (target + 1) / 2).mean()
    torch.testing.assert_close(make("ssim")(output, target), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("scales", [1, 2, 5])
def test_ms_ssim_of_parts_of_torchmetrics(make: Any, scales: int) -> None:
    target = F.interpolate(images(0, (22, 24)), (176, 192), mode="bilinear")
    output = target + 0.4 * F.interpolate(images(1, (22, 24)), (176, 192))
    x, y, expected = (output + 1) / 2, (target + 1) / 2, torch.ones(2)
    for scale, weight in enumerate(SCALES[:scales], 1):
        options = {"data_range": 1.0, "return_contrast_sensitivity": True}
        contrast = structural_similarity_index_measure(x, y, reduction="none", **options)[1]
        expected *= (similarity(x, y) if scale == scales else contrast) ** (weight / sum(SCALES[:scales]))
        x, y = (F.interpolate(z, scale_factor=0.5, mode="area") for z in (x, y))
    assert 0.2 < expected.mean() < 0.9
    torch.testing.assert_close(make("ms-ssim", scales=scales)(output, target), 1 - expected.mean(), rtol=0, atol=1e-5)


def test_ms_ssim_of_opposite_images_has_a_finite_slope(make: Any) -> None:
    target = images(0)
    output = (-target).requires_grad_()
    make("ms-ssim", scales=2)(output, target).backward()
    assert output.grad is not None
    assert output.grad.isfinite().all()


@pytest.mark.parametrize(("uses", "options", "least"), [("ssim", {}, 11), ("ms-ssim", {}, 176)])
def test_images_smaller_than_the_window(make: Any, uses: str, options: dict[str, Any], least: int) -> None:
    small = torch.zeros(1, 3, least, least - 1)
    with pytest.raises(ConfigError, match=rf"{uses} needs images of at least {least} x {least} pixels, not {least} x"):
        make(uses, **options)(small, small)
    whole = torch.zeros(1, 3, least, least)
    assert make(uses, **options)(whole, whole).item() == pytest.approx(0, abs=1e-4)


def test_edge_is_the_difference_of_sobel_slopes(make: Any) -> None:
    output, target = images(0), images(1)
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    total = []
    for image in (output - target).flatten(0, 1).numpy():
        padded = np.pad(image, 1, mode="edge")
        for k in (kernel, kernel.T):
            slope = sum(k[i, j] * padded[i : i + 32, j : j + 40] for i in range(3) for j in range(3))
            total.append(np.abs(slope).mean())
    assert make("edge")(output, target).item() == pytest.approx(2 * np.mean(total), rel=1e-5)


def test_edge_of_a_ramp_is_its_slope(make: Any) -> None:
    ramp = torch.linspace(-1, 1, 101).expand(1, 1, 9, 101)
    flat = torch.zeros_like(ramp)
    assert make("edge")(ramp, flat).item() == pytest.approx(0.02 * 100 / 101, rel=1e-4)  # half of it at two borders


def test_histograms_are_as_far_apart_as_values_move(make: Any) -> None:
    term = make("colour-histogram", size=40)
    a, b = torch.full((1, 3, 8, 8), -0.4), torch.full((1, 3, 8, 8), 0.25)
    assert term(a, b).item() == pytest.approx(0.65, abs=1e-5)
    x = 0.6 * images(0) - 0.2
    y = 0.5 * x + 0.3  # every value grows: the distance of the sorted values
    moved = (x.flatten(2).sort().values - y.flatten(2).sort().values).abs().mean()
    assert term(x, y).item() == pytest.approx(moved.item(), abs=1e-4)
    shuffled = y.flatten(2)[..., torch.randperm(32 * 40, generator=torch.Generator().manual_seed(2))].view_as(y)
    assert term(x, shuffled).item() == pytest.approx(term(x, y).item(), abs=1e-6)


def test_histograms_of_large_images_are_those_of_areas(make: Any) -> None:
    x, y = images(0, (64, 96)), images(1, (64, 96))
    small = [image.unflatten(3, (32, 3)).unflatten(2, (32, 2)).mean((3, 5)) for image in (x, y)]
    expected = make("colour-histogram", size=64)(*small)
    torch.testing.assert_close(make("colour-histogram", size=32)(x, y), expected)


def test_focal_frequency_by_the_papers_sums(make: Any) -> None:
    h, w = 5, 6
    output, target = images(0, (h, w)), images(1, (h, w))
    u, x = np.meshgrid(np.arange(h), np.arange(h), indexing="ij")
    v, y = np.meshgrid(np.arange(w), np.arange(w), indexing="ij")
    rows, columns = np.exp(-2j * np.pi * u * x / h), np.exp(-2j * np.pi * v * y / w)
    for alpha in (0.5, 1.0, 2.0):
        total = []
        for real, fake in zip(target.flatten(0, 1).numpy(), output.flatten(0, 1).numpy(), strict=True):
            distance = np.abs(rows @ (real - fake) @ columns.T) / math.sqrt(h * w)
            total.append((distance**alpha / (distance**alpha).max() * distance**2).mean())
        found = make("focal-frequency", alpha=alpha)(output, target)
        assert found.item() == pytest.approx(np.mean(total), rel=1e-5)


def test_focal_frequency_of_one_wave_and_without_focus(make: Any) -> None:
    wave = 0.6 * torch.cos(2 * math.pi * 3 * torch.arange(16) / 16).expand(1, 1, 8, 16)
    assert make("focal-frequency")(wave, torch.zeros_like(wave)).item() == pytest.approx(0.6**2 / 2, rel=1e-5)
    output, target = images(0), images(1)
    plain = make("focal-frequency", alpha=0)(output, target)
    torch.testing.assert_close(plain, F.mse_loss(output, target))  # Parseval


# ---------------------------------------------------------------------------------------------------- networks


def test_perceptual_is_the_distance_of_features(make: Any) -> None:
    options = {"filters": 4, "levels": 2, "seed": 3}
    net = RandomFeatures(RandomFeaturesConfig(**options), in_channels=3)
    output, target = images(0), images(1)
    for distance, apart in (("mse", F.mse_loss), ("l1", F.l1_loss)):
        term = make("perceptual", features={"uses": "random-features", **options}, distance=distance)
        expected = sum(apart(a, b) for a, b in zip(net(output), net(target), strict=True)) / 2
        torch.testing.assert_close(term(output, target), expected)
    grey = make("perceptual", features={"uses": "random-features", **options})
    torch.testing.assert_close(grey(output[:, :1], target[:, :1]), grey(*(x[:, [0, 0, 0]] for x in (output, target))))


def test_perceptual_with_the_weights_of_a_file(make: Any, tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(64, 3, 3, 3, generator=draw), torch.randn(64, generator=draw)
    torch.save({"features.0.weight": weight, "features.0.bias": bias}, tmp_path / "vgg19.pth")
    features = {"uses": "vgg19", "layer": "conv1_1", "weights": tmp_path / "vgg19.pth"}
    term = make("perceptual", features=features)
    output, target = images(0), images(1)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

    def phi(image: Tensor) -> Tensor:
        seen = ((image + 1) / 2 - mean.view(-1, 1, 1)) / deviation.view(-1, 1, 1)
        return F.conv2d(seen, weight, bias, padding=1).relu()

    torch.testing.assert_close(term(output, target), F.mse_loss(phi(output), phi(target)))


def test_perceptual_knows_its_networks(registry: Registry) -> None:
    wrong = registry.check("losses", "perceptual", {"features": "vgg16"})[1]
    assert [(p.path, p.message) for p in wrong] == [
        (("features",), "no network whose features are compared is called 'vgg16'; did you mean 'vgg19'?")
    ]
    (nested,) = registry.check("losses", "perceptual", {"features": {"uses": "vgg19", "layr": "conv1_1"}})[1]
    assert nested.path == ("features", "layr")


def critic_of(*layers: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), layers[0], nn.Conv2d(4, 5, 3), layers[1], nn.Conv2d(5, 1, 3))


@pytest.mark.parametrize("inplace", [False, True])
def test_feature_matching_compares_activations(make: Any, inplace: bool) -> None:
    net = critic_of(nn.LeakyReLU(0.2, inplace=inplace), nn.ReLU(inplace=inplace))
    output, target = images(0).requires_grad_(), images(1).requires_grad_()
    a1, b1 = (F.leaky_relu(net[0](x), 0.2) for x in (target, output))
    a2, b2 = (net[2](x).relu() for x in (a1, b1))
    each = make("feature-matching")(critic=lambda x: 1 * net(x), output=output, target=target)
    torch.testing.assert_close(each, (a1 - b1).abs().mean() + (a2 - b2).abs().mean())
    means = make("feature-matching", match="means")(critic=net, output=output, target=target)
    expected = (a1.mean(0) - b1.mean(0)).square().mean() + (a2.mean(0) - b2.mean(0)).square().mean()
    torch.testing.assert_close(means, expected)
    slope, other = torch.autograd.grad(each, (output, target), allow_unused=True)
    assert slope.abs().max() > 0
    assert other is None
    assert not _global_forward_hooks


def test_feature_matching_of_equal_images_and_of_no_layers(make: Any) -> None:
    x = images(0).requires_grad_()
    loss = make("feature-matching")(critic_of(nn.ReLU(), nn.ReLU()), x, x.detach())
    assert loss.item() == 0
    assert torch.autograd.grad(loss, x)[0].isfinite().all()
    with pytest.raises(ContractError, match="finds no activation layer"):
        make("feature-matching")(F.relu, x, x.detach())
    assert not _global_forward_hooks


def test_gradient_penalty_of_a_linear_critic(make: Any) -> None:
    w = torch.randn(3, 32, 40, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = make("gradient-penalty")(critic=lambda x: (w * x).sum((1, 2, 3)), images=images(0))
    assert loss.item() == pytest.approx(0.5 * w.square().sum().item(), rel=1e-5)
    torch.testing.assert_close(torch.autograd.grad(loss, w)[0], w.detach())  # it teaches the critic


def test_identity_asks_for_no_change(make: Any) -> None:
    target, scale = images(0), torch.tensor(3.0, requires_grad=True)
    loss = make("identity")(generator=lambda x: scale * x, target=target)
    torch.testing.assert_close(loss, 2 * target.abs().mean())
    torch.testing.assert_close(torch.autograd.grad(loss, scale)[0], target.abs().mean())
    same = make("identity")(generator=lambda x: scale / 3 * x, target=target)
    assert torch.autograd.grad(same, scale)[0].isfinite()


def test_arguments_are_those_of_forward() -> None:
    class Optional(LossTerm[Any]):
        def forward(self, output: Tensor, mask: Tensor | None = None, *, target: Tensor) -> Tensor:
            return output

    assert Optional.arguments() == {"output": True, "mask": False, "target": True}
    assert len({term.name for term in translate_losses()}) == 12
