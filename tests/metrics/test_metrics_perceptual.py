"""LPIPS, DISTS and MS-SSIM against their formulas, written out, and against torchmetrics."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from translate.contracts import NoOptions
from translate.errors import DataError
from translate.metrics import DISTS, LPIPS, MSSSIM

WIDTHS = {"alex": [64, 192, 384, 256, 256], "vgg": [64, 128, 256, 512, 512]}


def alexnet() -> nn.Sequential:
    """The layers of AlexNet as its publisher numbers them."""
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    )


def vgg16() -> nn.Sequential:
    """The layers of VGG16 as its publisher numbers them."""
    layers: list[nn.Module] = []
    inputs = 3
    for number, (width, count) in enumerate(zip(WIDTHS["vgg"], (2, 2, 3, 3, 3), strict=True)):
        layers += [nn.MaxPool2d(2)] if number else []
        for _ in range(count):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
    return nn.Sequential(*layers)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[nn.Sequential, Path]]:
    """Networks with random weights that keep the size of values, and their files."""
    torch.manual_seed(0)
    files = {}
    for name, net in (("alex", alexnet()), ("vgg", vgg16())):
        for layer in net:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
        path = tmp_path_factory.mktemp("weights") / f"{name}.safetensors"
        save_file({f"features.{key}": value for key, value in net.state_dict().items()}, path)
        files[name] = (net, path)
    return files


def pair(height: int, width: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    x, y = torch.rand(2, 3, height, width, generator=rng)
    return x, 0.7 * x + 0.3 * y


def shown_by(net: nn.Sequential, x: Tensor, places: list[int]) -> list[Tensor]:
    maps = []
    for place, layer in enumerate(net):
        x = layer(x)
        if place in places:
            maps.append(x)
    return maps


@pytest.mark.parametrize(("name", "places"), [("alex", [1, 4, 7, 9, 11]), ("vgg", [3, 8, 15, 22, 29])])
def test_lpips_is_its_formula(name: str, places: list[int], files, tmp_path: Path) -> None:
    net, weights = files[name]
    heads = {f"lin{n}.model.1.weight": torch.rand(1, width, 1, 1) for n, width in enumerate(WIDTHS[name])}
    save_file(heads, tmp_path / "heads.safetensors")
    metric = LPIPS(LPIPS.Config(net=name, weights=weights, heads=tmp_path / "heads.safetensors"))
    a, b = pair(72, 64)
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    expected = 0.0
    with torch.no_grad():
        normed = [((2 * x - 1).movedim(0, -1) - shift).div(scale).movedim(-1, 0)[None] for x in (a, b)]
        for x, y, head in zip(*(shown_by(net, n, places) for n in normed), heads.values(), strict=True):
            difference = F.normalize(x, dim=1) - F.normalize(y, dim=1)
            expected += float((difference.square() * head).sum(1).mean())
    assert metric.score([a], [b]) == pytest.approx(expected, rel=1e-4)
    assert metric.score([a], [a]) == 0
    assert metric.score([a, a], [b, a]) == pytest.approx(expected / 2, rel=1e-4)


def test_dists_is_its_formula(files, tmp_path: Path) -> None:
    net, weights = files["vgg"]
    width = 3 + sum(WIDTHS["vgg"])
    heads = {name: torch.rand(1, width, 1, 1) for name in ("alpha", "beta")}
    save_file(heads, tmp_path / "heads.safetensors")
    metric = DISTS(DISTS.Config(weights=weights, heads=tmp_path / "heads.safetensors"))
    a, b = pair(48, 40)
    smooth = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16

    def maps(image: Tensor) -> list[Tensor]:
        mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        x = ((image.movedim(0, -1) - mean) / deviation).movedim(-1, 0)[None]
        shown = [image[None]]
        for place, layer in enumerate(net):
            if isinstance(layer, nn.MaxPool2d):
                channels = F.conv2d(x.square().movedim(1, 0), smooth[None, None], stride=2, padding=1)
                x = channels.movedim(0, 1).add(1e-12).sqrt()
            else:
                x = layer(x)
            if place in (3, 8, 15, 22, 29):
                shown.append(x)
        return shown

    with torch.no_grad():
        texture, structure = [], []
        for of_a, of_b in zip(maps(a), maps(b), strict=True):
            x, y = of_a.flatten(2)[0].double(), of_b.flatten(2)[0].double()
            both = torch.stack([torch.cov(torch.stack([p, q]), correction=0)[0, 1] for p, q in zip(x, y, strict=True)])
            mx, my = x.mean(1), y.mean(1)
            texture.append((2 * mx * my + 1e-6) / (mx**2 + my**2 + 1e-6))
            structure.append((2 * both + 1e-6) / (x.var(1, correction=0) + y.var(1, correction=0) + 1e-6))
        total = heads["alpha"].sum() + heads["beta"].sum()
        parts = [(heads["alpha"], texture), (heads["beta"], structure)]
        alike = sum(float((head.flatten() * torch.cat(values)).sum()) for head, values in parts)
    assert metric.score([a], [b]) == pytest.approx(1 - alike / float(total), rel=1e-3)
    assert metric.score([a], [a]) == pytest.approx(0, abs=1e-5)


def test_ms_ssim_is_that_of_torchmetrics() -> None:
    a, b = pair(200, 180)
    expected = multiscale_structural_similarity_index_measure(
        a[None].double(), b[None].double(), data_range=1.0, normalize="relu"
    )
    assert MSSSIM(NoOptions()).score([a], [b]) == pytest.approx(float(expected), abs=1e-4)
    assert MSSSIM(NoOptions()).score([a], [a]) == pytest.approx(1, abs=1e-9)
    assert MSSSIM(NoOptions()).score([a], [1 - a]) == 0, "contrast that is turned round counts as none"
    with pytest.raises(DataError, match="at least 176 pixels a side"):
        MSSSIM(NoOptions()).score(*([x] for x in pair(175, 200)))


def test_other_files_and_small_images_are_refused(files, tmp_path: Path) -> None:
    _, weights = files["alex"]
    save_file({"alpha": torch.zeros(1)}, tmp_path / "other.safetensors")
    a, b = pair(40, 40)
    with pytest.raises(DataError, match=r"not the weights of VGG16: features\.0\.weight"):
        LPIPS(LPIPS.Config(net="vgg", weights=weights, heads=weights)).score([a], [b])
    with pytest.raises(DataError, match=r"not the weights of LPIPS 0\.1 with alex"):
        LPIPS(LPIPS.Config(weights=weights, heads=tmp_path / "other.safetensors")).score([a], [b])
    heads = {f"lin{n}.model.1.weight": torch.ones(1, width, 1, 1) for n, width in enumerate(WIDTHS["alex"])}
    save_file(heads, tmp_path / "heads.safetensors")
    small = LPIPS(LPIPS.Config(weights=weights, heads=tmp_path / "heads.safetensors"))
    with pytest.raises(DataError, match="AlexNet looks at images of at least 32 pixels"):
        small.score(*([x] for x in pair(16, 16)))
