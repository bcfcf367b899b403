"""Outputs against functional implementations written here, from the papers' tables, that know none of our modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate.errors import ConfigError
from translate.networks import PatchGAN, PixelGAN, ResNet, UNet
from translate.networks.resnet import BlurredResNet


def normalise(x: Tensor, norm: str, tensors: Iterator[Tensor]) -> Tensor:
    if norm == "none":
        return x
    dims = (0, 2, 3) if norm == "batch" else (2, 3)
    y = (x - x.mean(dims, keepdim=True)) / (x.var(dims, keepdim=True, correction=0) + 1e-5).sqrt()
    if norm == "batch":
        gamma, beta = next(tensors), next(tensors)
        y = y * gamma.view(1, -1, 1, 1) + beta.view(1, -1, 1, 1)
    return y


def parameters(net: nn.Module) -> Iterator[Tensor]:
    """Weights and biases with values that are not nearly zero, in the order of the state dict."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=rng, dtype=p.dtype) * (0.5 if p.ndim == 1 else p[0].numel() ** -0.5))
    return iter(list(net.parameters()))


def images(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 2 - 1


def unet(x: Tensor, net: nn.Module, levels: int, norm: str, dropout: bool) -> Tensor:
    """The nested form of the U-Net: every level wraps the next one and joins what it wraps with its own input."""
    t = parameters(net)
    biased = norm != "batch"
    down: list[dict[str, Any]] = []
    for n in range(levels):
        w, b = next(t), next(t) if biased else None
        scale = [next(t), next(t)] if norm == "batch" and 0 < n < levels - 1 else []
        down.append({"w": w, "b": b, "norm": scale})
    up: list[dict[str, Any]] = [{} for _ in range(levels)]
    for n in reversed(range(levels)):
        w, b = next(t), next(t) if biased or n == 0 else None
        up[n] = {"w": w, "b": b, "norm": [next(t), next(t)] if norm == "batch" and n else []}

    def level(x: Tensor, n: int) -> Tensor:
        h = x if n == 0 else F.leaky_relu(x, 0.2)
        h = F.conv2d(h, down[n]["w"], down[n]["b"], stride=2, padding=1)
        if 0 < n < levels - 1:
            h = normalise(h, norm, iter(down[n]["norm"]))
        if n < levels - 1:
            h = level(h, n + 1)
        h = F.conv_transpose2d(F.relu(h), up[n]["w"], up[n]["b"], stride=2, padding=1)
        if n == 0:
            return h.tanh()
        h = normalise(h, norm, iter(up[n]["norm"]))
        if dropout and n in range(levels - 2, 3, -1):  # the reference's levels - 5 middle blocks
            h = F.dropout(h, 0.5)
        return torch.cat((x, h), 1)

    return level(x, 0)


@pytest.mark.parametrize(("norm", "levels"), [("batch", 7), ("instance", 6), ("none", 2), ("batch", 8)])
def test_unet(norm: Any, levels: int) -> None:
    dropout = norm == "batch"
    net = UNet(
        UNet.Config(filters=2, levels=levels, norm=norm, dropout=dropout), in_channels=1, out_channels=2
    ).double()
    x = images(2, 1, 2**levels, 2 ** (levels + 1))
    torch.manual_seed(3)
    expected = unet(x, net, levels, norm, dropout)
    torch.manual_seed(3)
    torch.testing.assert_close(net(x), expected, rtol=1e-9, atol=1e-10)


def resnet(x: Tensor, net: nn.Module, blocks: int, norm: str, dropout: bool) -> Tensor:
    t = parameters(net)

    def weights() -> tuple[Tensor, Tensor | None]:
        return next(t), next(t) if norm != "batch" else None

    def reflected(x: Tensor, pad: int) -> Tensor:
        return normalise(F.conv2d(F.pad(x, (pad,) * 4, mode="reflect"), *weights()), norm, t)

    x = F.relu(reflected(x, 3))
    for _ in range(2):
        x = F.relu(normalise(F.conv2d(x, *weights(), stride=2, padding=1), norm, t))
    for _ in range(blocks):
        h = F.relu(reflected(x, 1))
        x = x + reflected(F.dropout(h, 0.5) if dropout else h, 1)
    for _ in range(2):
        x = F.relu(normalise(F.conv_transpose2d(x, *weights(), stride=2, padding=1, output_padding=1), norm, t))
    return F.conv2d(F.pad(x, (3,) * 4, mode="reflect"), next(t), next(t)).tanh()


@pytest.mark.parametrize(("norm", "dropout"), [("instance", False), ("batch", True), ("none", False)])
def test_resnet(norm: Any, dropout: bool) -> None:
    net = ResNet(ResNet.Config(filters=3, blocks=2, norm=norm, dropout=dropout), in_channels=2, out_channels=1).double()
    x = images(2, 2, 16, 24)
    torch.manual_seed(3)
    expected = resnet(x, net, 2, norm, dropout)
    torch.manual_seed(3)
    torch.testing.assert_close(net(x), expected, rtol=1e-9, atol=1e-10)


def doubled(x: Tensor) -> Tensor:
    """By the filter (1 3 3 1) / 4, the border repeated: zeros between pixels, then a convolution."""
    row = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype) / 4
    kernel = torch.outer(row, row).expand(x.shape[1], 1, 4, 4)
    wide = F.conv_transpose2d(F.pad(x, (1,) * 4, mode="replicate"), kernel, stride=2, groups=x.shape[1])
    return wide[..., 3:-3, 3:-3]


def halved(x: Tensor) -> Tensor:
    """By the filter (1 2 1) / 4, the border mirrored, at every second pixel."""
    row = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype) / 4
    kernel = torch.outer(row, row).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (1,) * 4, mode="reflect"), kernel, stride=2, groups=x.shape[1])


def test_blurred_resnet() -> None:
    net = BlurredResNet(BlurredResNet.Config(filters=3, blocks=1), in_channels=2, out_channels=1).double()
    t, x = parameters(net), images(2, 2, 16, 24)

    def conv(x: Tensor, pad: int, mode: str) -> Tensor:
        return normalise(F.conv2d(F.pad(x, (pad,) * 4, mode=mode), next(t), next(t)), "instance", t)

    h = F.relu(conv(x, 3, "reflect"))
    for _ in range(2):
        h = halved(F.relu(conv(h, 1, "constant")))
    h = h + conv(F.relu(conv(h, 1, "reflect")), 1, "reflect")
    for _ in range(2):
        h = F.relu(conv(doubled(h), 1, "constant"))
    expected = F.conv2d(F.pad(h, (3,) * 4, mode="reflect"), next(t), next(t)).tanh()
    torch.testing.assert_close(net(x), expected, rtol=1e-9, atol=1e-10)
    assert net(images(1, 2, 33, 22)).shape == (1, 1, 36, 24)


@pytest.mark.parametrize("layers", [1, 3, 5])
@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_patchgan(layers: int, norm: Any) -> None:
    net = PatchGAN(PatchGAN.Config(filters=2, layers=layers, norm=norm), in_channels=3, out_channels=1).double()
    t, x = parameters(net), images(2, 3, 130, 97)
    expected = F.leaky_relu(F.conv2d(x, next(t), next(t), stride=2, padding=1), 0.2)
    for n in range(1, layers + 1):
        w, b = next(t), next(t) if norm == "instance" else None
        h = F.conv2d(expected, w, b, stride=1 if n == layers else 2, padding=1)
        expected = F.leaky_relu(normalise(h, norm, t), 0.2)
    expected = F.conv2d(expected, next(t), next(t), padding=1)
    assert expected.shape == (2, 1, 130 // 2**layers - 2, 97 // 2**layers - 2)
    torch.testing.assert_close(net(x), expected, rtol=1e-9, atol=1e-10)


def test_pixel_judges_every_pixel_alone() -> None:
    net = PixelGAN(PixelGAN.Config(filters=2, norm="none"), in_channels=3, out_channels=1).double()
    t, x = parameters(net), images(1, 3, 5, 7)
    expected = torch.empty(1, 1, 5, 7, dtype=torch.float64)
    (w1, b1, w2, b2, w3, b3) = (p.flatten(1) if p.ndim == 4 else p for p in t)
    for i in range(5):
        for j in range(7):
            h = F.leaky_relu(w1 @ x[0, :, i, j] + b1, 0.2)
            expected[0, :, i, j] = w3 @ F.leaky_relu(w2 @ h + b2, 0.2) + b3
    torch.testing.assert_close(net(x), expected)


def test_patch_maps_of_the_paper() -> None:
    """126, 62, 30, 14, 6, 2 scores a side of a 256 pixel image."""
    for layers, side in enumerate((126, 62, 30, 14, 6, 2), 1):
        net = PatchGAN(PatchGAN.Config(filters=1, layers=layers), in_channels=3, out_channels=1)
        assert net(torch.zeros(1, 3, 256, 256)).shape == (1, 1, side, side)


@pytest.mark.parametrize("upsample", ["transposed", "nearest", "bilinear", "pixel-shuffle"])
def test_sizes(upsample: Any) -> None:
    """A ResNet rounds odd sizes up to multiples of four; a U-Net refuses what it cannot halve."""
    generator = ResNet(
        ResNet.Config(filters=2, blocks=1, upsample=upsample, output="none"), in_channels=1, out_channels=5
    )
    assert generator.multiple == 4
    for height, width in ((8, 12), (5, 7), (33, 34), (35, 36)):
        expected = (2, 5, -(-height // 4) * 4, -(-width // 4) * 4)
        assert generator(images(2, 1, height, width).float()).shape == expected
    joined = UNet(UNet.Config(filters=2, levels=3, upsample=upsample), in_channels=4, out_channels=1)
    assert joined.multiple == 8
    assert joined(images(1, 4, 16, 40).float()).shape == (1, 1, 16, 40)
    with pytest.raises(ConfigError, match="unet needs a height and width that 8 divides, not 16 x 20; resize"):
        joined(images(1, 4, 16, 20).float())
    with pytest.raises(ConfigError, match="at least 5 x 5 pixels, not 4 x 64"):
        generator(images(1, 1, 4, 64).float())


def test_patchgan_names_the_smallest_size() -> None:
    net = PatchGAN(PatchGAN.Config(filters=2, layers=2), in_channels=3, out_channels=1)
    assert net(images(1, 3, 12, 12).float()).shape == (1, 1, 1, 1)
    with pytest.raises(ConfigError, match="at least 12 x 12 pixels, not 11 x 30; use larger images or fewer `layers`"):
        net(images(1, 3, 11, 30).float())


@pytest.mark.parametrize("upsample", ["nearest", "bilinear", "pixel-shuffle"])
def test_upsampling(upsample: Any) -> None:
    """The first doubling of a ResNet, against indexing written out."""
    net = ResNet(
        ResNet.Config(filters=4, blocks=1, upsample=upsample, norm="none"), in_channels=1, out_channels=1
    ).double()
    up, x = net.up[0], images(1, 16, 3, 5)
    conv = next(m for m in up.modules() if isinstance(m, nn.Conv2d))
    if upsample == "nearest":
        expected = F.conv2d(x.repeat_interleave(2, 2).repeat_interleave(2, 3), conv.weight, conv.bias, padding=1)
    elif upsample == "bilinear":
        expected = F.conv2d(doubled(x), conv.weight, conv.bias, padding=1)
    else:
        four = F.conv2d(x, conv.weight, conv.bias, padding=1)
        expected = torch.empty(1, 8, 6, 10, dtype=torch.float64)
        for c in range(8):
            for dy in (0, 1):
                for dx in (0, 1):
                    expected[0, c, dy::2, dx::2] = four[0, 4 * c + 2 * dy + dx]
    torch.testing.assert_close(up(x), expected.relu())


def test_output_activation() -> None:
    config = {"filters": 2, "blocks": 1, "gain": 1.0}
    x = images(1, 1, 8, 8).float() * 50
    bounded = ResNet(ResNet.Config(**config), in_channels=1, out_channels=1)
    plain = ResNet(ResNet.Config(**config, output="none"), in_channels=1, out_channels=1)
    plain.load_state_dict(bounded.state_dict())
    assert plain(x).abs().max() > 1
    torch.testing.assert_close(bounded(x), plain(x).tanh())


def test_backward_reaches_every_parameter() -> None:
    """In-place activations overwrite nothing that a gradient needs, the second one included."""
    for net in (
        UNet(UNet.Config(filters=2, levels=6), in_channels=3, out_channels=3),
        ResNet(ResNet.Config(filters=2, blocks=1, dropout=True), in_channels=3, out_channels=3),
        PatchGAN(PatchGAN.Config(filters=2), in_channels=3, out_channels=1),
    ):
        x = images(2, 3, 64, 64).float().requires_grad_()
        (slope,) = torch.autograd.grad(net(x).square().sum(), x, create_graph=True)
        (slope.square().sum() + net(x).sum()).backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
