"""SwinIR: attention pixel by pixel, the layers by the paper's equations, and the published counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from small_networks import filled, fitted, images
from torch import Tensor
from torch.nn import functional as F

from translate.errors import ConfigError
from translate.networks import bicubic, count_parameters
from translate.networks.restoration.swinir import SwinIR
from translate.networks.restoration.window_attention import window_attention


def slow_attention(qkv: Tensor, table: Tensor, window: int, shift: int) -> Tensor:
    """One pixel after another looks at the pixels of the image that lie in its window, by a table of relative
    positions."""
    images, channels, height, width = qkv.shape
    heads, depth = table.shape[1], channels // (3 * table.shape[1])
    q, k, v = qkv.reshape(images, 3, heads, depth, height, width).unbind(1)
    output = torch.empty_like(q)

    def pixels_beside(row: int, column: int) -> list[tuple[int, int]]:
        top, left = (row - shift) // window * window + shift, (column - shift) // window * window + shift
        rows = range(max(top, 0), min(top + window, height))
        columns = range(max(left, 0), min(left + window, width))
        return [(r, c) for r in rows for c in columns]

    for n, head, row, column in torch.cartesian_prod(*map(torch.arange, (images, heads, height, width))).tolist():
        scores, values = [], []
        for r, c in pixels_beside(row, column):
            place = (row - r + window - 1) * (2 * window - 1) + column - c + window - 1
            scores.append(q[n, head, :, row, column] @ k[n, head, :, r, c] / depth**0.5 + table[place, head])
            values.append(v[n, head, :, r, c])
        output[n, head, :, row, column] = torch.stack(scores).softmax(0) @ torch.stack(values)
    return output.reshape(images, heads * depth, height, width)


def layer(window: int = 4, **options: Any) -> tuple[SwinIR, Any]:
    config = SwinIR.Config(filters=4, groups=1, layers=2, heads=2, window=window, **options)
    net = filled(SwinIR(config, in_channels=3, out_channels=3))
    assert isinstance(net, SwinIR)
    return net, net.groups[0].branch.layers[1]


@pytest.mark.parametrize(("window", "shift", "size"), [(4, 0, (8, 4)), (4, 2, (8, 12)), (4, 2, (4, 4)), (3, 1, (6, 9))])
def test_attention_pixel_by_pixel(window: int, shift: int, size: tuple[int, int]) -> None:
    _, part = layer(window)
    qkv = images(2, 12, *size) * 2
    expected = slow_attention(qkv, part.position, window, shift)
    torch.testing.assert_close(window_attention(qkv, part.bias(), window, shift), expected)


def test_shifted_windows_do_not_join_opposite_borders() -> None:
    """A pixel in the last row and column is seen in its window, which is cut off by the border, and nowhere else."""
    _, part = layer()
    qkv = images(1, 12, 12, 12)
    changed = qkv.clone()
    changed[..., 11, 11] += 1
    moved = (window_attention(changed, part.bias(), 4, 2) - window_attention(qkv, part.bias(), 4, 2)).abs().amax((0, 1))
    assert (moved[10:, 10:] > 0).all()
    moved[10:, 10:] = 0
    assert not moved.any()


def swin_layer(x: Tensor, t: Mapping[str, Tensor], prefix: str, window: int, shift: int) -> Tensor:
    """A transformer layer of section 3.2, with linear layers on vectors of channels."""

    def normalised(x: Tensor, name: str) -> Tensor:
        vectors = F.layer_norm(x.movedim(1, -1), x.shape[1:2], t[f"{name}.weight"], t[f"{name}.bias"], 1e-5)
        return vectors.movedim(-1, 1)

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x.movedim(1, -1), t[f"{name}.weight"][..., 0, 0], t[f"{name}.bias"]).movedim(-1, 1)

    qkv = linear(normalised(x, f"{prefix}.norm1"), f"{prefix}.qkv")
    x = x + linear(slow_attention(qkv, t[f"{prefix}.position"], window, shift), f"{prefix}.project")
    wide = linear(normalised(x, f"{prefix}.norm2"), f"{prefix}.mlp.expand")
    gelu = wide * 0.5 * (1 + torch.erf(wide / 2**0.5))
    return x + linear(gelu, f"{prefix}.mlp.project")


@pytest.mark.parametrize(("scale", "residual"), [(3, False), (2, True), (1, True)])
def test_swinir(scale: Any, residual: bool) -> None:
    config = SwinIR.Config(filters=4, groups=2, layers=2, heads=2, window=4, scale=scale, residual=residual)
    net, x = filled(SwinIR(config, in_channels=3, out_channels=2 if not residual else 3)), images(1, 3, 7, 4)
    t = net.state_dict()

    def conv(x: Tensor, name: str) -> Tensor:
        return F.conv2d(x, t[f"{name}.weight"], t[f"{name}.bias"], padding=1)

    def normalised(x: Tensor, name: str) -> Tensor:
        deviation = (x.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
        y = (x - x.mean(1, keepdim=True)) / deviation
        return y * t[f"{name}.weight"].view(1, -1, 1, 1) + t[f"{name}.bias"].view(1, -1, 1, 1)

    # Seven rows become eight: behind the last one stands the last but one.
    first = conv(torch.cat((x, x[:, :, 5:6]), 2), "stem")
    h = normalised(first, "norm_first")
    for group in range(2):
        inner = h
        for number in range(2):
            inner = swin_layer(inner, t, f"groups.{group}.branch.layers.{number}", 4, 2 * number)
        h = h + conv(inner, f"groups.{group}.branch.conv")
    many = conv(first + conv(normalised(h, "norm_last"), "trunk"), "head.conv")
    expected = torch.empty(1, net.out_channels, 8 * scale, 4 * scale, dtype=x.dtype)
    for dy in range(scale):
        for dx in range(scale):
            expected[:, :, dy::scale, dx::scale] = many[:, dy * scale + dx :: scale * scale]
    expected = expected[:, :, : 7 * scale]
    if residual:
        expected = expected + (x if scale == 1 else bicubic(x, scale))
    torch.testing.assert_close(net(x), expected)
    assert net.scale == scale


@pytest.mark.parametrize(("scale", "count", "published"), [(2, 910_152, 878), (3, 918_267, 886), (4, 929_628, 897)])
def test_parameters_as_published(scale: Any, count: int, published: int) -> None:
    """The paper's thousands leave the tables of positions out: 24 layers of 15^2 for 6 heads."""
    with torch.device("meta"):
        found = count_parameters(SwinIR(SwinIR.Config(scale=scale), in_channels=3, out_channels=3))
    norms, linear, table = 4 * 60, 60 * 180 + 180 + 60 * 60 + 60 + 2 * 60 * 120 + 120 + 60, 15**2 * 6
    conv = 9 * 60 * 60 + 60
    group = 6 * (norms + linear + table) + conv
    pixels = 3 * scale**2
    assert found == (27 * 60 + 60) + 4 * group + 2 * 120 + conv + (9 * 60 * pixels + pixels) == count
    assert round((found - 24 * table) / 1000) == published


def test_sizes_of_swinir() -> None:
    net = SwinIR(SwinIR.Config(filters=6, groups=1, layers=2, heads=3, scale=2), in_channels=1, out_channels=1)
    for height, width in ((5, 5), (8, 8), (9, 21)):
        assert net(images(1, 1, height, width).float()).shape == (1, 1, 2 * height, 2 * width)
    with pytest.raises(ConfigError, match="swinir needs images of at least 5 x 5 pixels, not 4 x 9; use larger images"):
        net(images(1, 1, 4, 9).float())
    with pytest.raises(ValidationError, match="`filters`, 64, is no multiple of `heads`, 6"):
        SwinIR.Config(filters=64)
    for wrong in ({"window": 1}, {"scale": 5}, {"layers": 0}):
        with pytest.raises(ValidationError):
            SwinIR.Config(**wrong)


def test_swinir_learns_a_picture_from_its_reduction() -> None:
    torch.manual_seed(0)
    config = SwinIR.Config(filters=12, groups=1, layers=2, heads=2, window=4, scale=2, residual=True)
    net = SwinIR(config, in_channels=3, out_channels=3)
    target = images(1, 3, 16, 16).float()
    low = bicubic(target, 0.5)
    first, last = fitted(net, low, target, steps=80, rate=1e-2)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert last < 0.2 * first
