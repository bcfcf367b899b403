"""Networks of restoration: counts in closed form, and forward passes written out by the papers' equations."""

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
from translate.networks import count_parameters
from translate.networks.restoration.layer_norm import LayerNorm2d
from translate.networks.restoration.nafnet import NAFBlock, NAFNet

# --------------------------------------------------------------------------------------------------------- layer norm


def test_layer_norm_treats_each_pixel_alone() -> None:
    norm, x = filled(LayerNorm2d(5)), images(2, 5, 3, 4) * 3 + 1
    expected = torch.empty_like(x)
    for n, i, j in torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(4)).tolist():
        pixel = x[n, :, i, j]
        deviation = (pixel.var(correction=0) + 1e-6).sqrt()
        expected[n, :, i, j] = (pixel - pixel.mean()) / deviation * norm.weight + norm.bias
    torch.testing.assert_close(norm(x), expected)


# ------------------------------------------------------------------------------------------------------------- nafnet


def nafnet_count(filters: int, encoder: tuple[int, ...], middle: int, decoder: int, inputs: int, outputs: int) -> int:
    def block(c: int) -> int:
        scales, norms = 2 * c, 4 * c
        spatial = (2 * c * c + 2 * c) + (2 * c * 9 + 2 * c) + (c * c + c) + (c * c + c)
        return scales + norms + spatial + (2 * c * c + 2 * c) + (c * c + c)

    total = (9 * inputs * filters + filters) + (9 * filters * outputs + outputs)
    for level, blocks in enumerate(encoder):
        c = filters * 2**level
        down, up = 4 * c * 2 * c + 2 * c, 2 * c * 4 * c
        total += (blocks + decoder) * block(c) + down + up
    return total + middle * block(filters * 2 ** len(encoder))


@pytest.mark.parametrize(
    ("options", "published"),
    [
        ({}, 29.16e6),
        ({"filters": 64}, 115.98e6),
        ({"encoder": (1, 1, 1, 28), "middle": 1, "decoder": 1}, 17.11e6),
        ({"filters": 64, "encoder": (1, 1, 1, 28), "middle": 1, "decoder": 1}, 67.89e6),
    ],
)
def test_parameters_of_nafnet(options: dict[str, Any], published: float) -> None:
    """Against a closed form, and the millions that are published for the networks for noise and for blur."""
    config = NAFNet.Config(**options)
    with torch.device("meta"):
        count = count_parameters(NAFNet(config, in_channels=3, out_channels=3))
    assert count == nafnet_count(config.filters, config.encoder, config.middle, config.decoder, 3, 3)
    assert count == pytest.approx(published, abs=5e3)


def naf_block(x: Tensor, t: Mapping[str, Tensor], prefix: str) -> Tensor:
    """Figure 3d, with means and products written out."""

    def normalised(x: Tensor, name: str) -> Tensor:
        y = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, correction=0) + 1e-6).sqrt()
        return y * t[f"{name}.weight"].view(1, -1, 1, 1) + t[f"{name}.bias"].view(1, -1, 1, 1)

    def pointwise(x: Tensor, name: str) -> Tensor:
        weight, bias = t[f"{name}.weight"][:, :, 0, 0], t[f"{name}.bias"].view(1, -1, 1, 1)
        return torch.einsum("oc,nchw->nohw", weight, x) + bias

    c, branch = x.shape[1], f"{prefix}.spatial"
    h = pointwise(normalised(x, f"{branch}.norm"), f"{branch}.expand")
    weight, padded = t[f"{branch}.depthwise.weight"], F.pad(h, (1, 1, 1, 1))
    h = t[f"{branch}.depthwise.bias"].view(1, -1, 1, 1).expand_as(h).clone()
    for dy in range(3):
        for dx in range(3):
            shifted = padded[:, :, dy : dy + h.shape[2], dx : dx + h.shape[3]]
            h = h + weight[:, 0, dy, dx].view(1, -1, 1, 1) * shifted
    h = h[:, :c] * h[:, c:]
    means = h.flatten(2).sum(2)[..., None, None] / (h.shape[2] * h.shape[3])
    h = pointwise(h * pointwise(means, f"{branch}.attention.weigh"), f"{branch}.project")
    x = x + t[f"{prefix}.beta"] * h
    branch = f"{prefix}.pointwise"
    h = pointwise(normalised(x, f"{branch}.norm"), f"{branch}.expand")
    return x + t[f"{prefix}.gamma"] * pointwise(h[:, :c] * h[:, c:], f"{branch}.project")


@pytest.mark.parametrize(("outputs", "residual"), [(3, True), (3, False), (2, True)])
def test_nafnet(outputs: int, residual: bool) -> None:
    config = NAFNet.Config(filters=3, encoder=(1, 2), middle=1, decoder=2, residual=residual)
    net, x = filled(NAFNet(config, in_channels=3, out_channels=outputs)), images(2, 3, 8, 12)
    t = net.state_dict()
    h = F.conv2d(x, t["stem.weight"], t["stem.bias"], padding=1)
    skips = []
    for level, blocks in enumerate((1, 2)):
        for number in range(blocks):
            h = naf_block(h, t, f"encoder.{level}.{number}")
        skips.append(h)
        h = F.conv2d(h, t[f"down.{level}.weight"], t[f"down.{level}.bias"], stride=2)
    h = naf_block(h, t, "middle.0")
    for level in range(2):
        four = F.conv2d(h, t[f"up.{level}.conv.weight"])
        h = skips.pop().clone()
        for dy in (0, 1):
            for dx in (0, 1):
                h[:, :, dy::2, dx::2] += four[:, 2 * dy + dx :: 4]
        for number in range(2):
            h = naf_block(h, t, f"decoder.{level}.{number}")
    expected = F.conv2d(h, t["head.conv.weight"], t["head.conv.bias"], padding=1)
    if residual and outputs == 3:
        expected = expected + x
    torch.testing.assert_close(net(x), expected)


def test_blocks_of_nafnet_begin_as_the_identity() -> None:
    x = images(1, 4, 6, 5)
    assert torch.equal(NAFBlock(4).double()(x), x)
    assert not torch.equal(filled(NAFBlock(4))(x), x)


def test_the_attention_of_nafnet_sees_the_whole_image() -> None:
    """A pixel far away changes every output: crops of an image do not give what the whole image gives."""
    config = NAFNet.Config(filters=2, encoder=(0,), middle=1, decoder=0)
    net, x = filled(NAFNet(config, in_channels=1, out_channels=1)), images(1, 1, 32, 32)
    changed = x.clone()
    changed[..., 31, 31] += 5
    assert (net(x) - net(changed)).abs()[..., :16, :16].min() > 0


def test_sizes_of_nafnet() -> None:
    net = NAFNet(NAFNet.Config(filters=2, encoder=(0, 1, 0), middle=0, decoder=0), in_channels=1, out_channels=4)
    assert net.multiple == 8
    assert net(images(1, 1, 8, 24).float()).shape == (1, 4, 8, 24)
    with pytest.raises(ConfigError, match="nafnet needs a height and width that 8 divides, not 8 x 20; resize or crop"):
        net(images(1, 1, 8, 20).float())
    for wrong in ({"encoder": ()}, {"encoder": (1, -1)}, {"middle": -1}, {"filters": 0}, {"norm": "batch"}):
        with pytest.raises(ValidationError):
            NAFNet.Config(**wrong)


def test_nafnet_learns_to_take_noise_away() -> None:
    torch.manual_seed(0)
    clean = F.interpolate(images(1, 3, 4, 4).float(), scale_factor=5, mode="bilinear")
    net = NAFNet(NAFNet.Config(filters=8, encoder=(1,), middle=1, decoder=1), in_channels=3, out_channels=3)
    first, last = fitted(net, clean + 0.2 * torch.randn(clean.shape), clean, steps=60, rate=2e-3)
    assert last < 0.2 * first
