"""Networks of super-resolution and fixed features: the papers' counts, loops written out, other libraries."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_networks import filled, images
from torch import Tensor, nn
from torch.nn import functional as F
from translate_colorization.networks import Zhang
from translate_srgan.networks import RRDB, SRGANCritic, SRResNet

from translate.errors import ConfigError, DataError
from translate.networks import bicubic, count_parameters, feature_distance
from translate.networks.pretrained.features import VGG19, RandomFeatures

# ------------------------------------------------------------------------------------------------------- bicubic


@pytest.mark.parametrize("scale", [0.25, 0.5, 2, 4, 1.5, Fraction(2, 3)])
def test_bicubic_against_torch_inside(scale: Any) -> None:
    """torch's antialiased bicubic has the same kernel; it cuts the kernel off at the border instead of mirroring."""
    x = images(2, 3, 48, 36)
    found = bicubic(x, scale)
    assert found.shape[-2:] == (48 * scale, 36 * scale)
    expected = F.interpolate(x, found.shape[-2:], mode="bicubic", antialias=True)
    edge = max(3, int(2 * scale) + 1)
    inside = (..., slice(edge, -edge), slice(edge, -edge))
    torch.testing.assert_close(found[inside], expected[inside], atol=1e-5, rtol=0)


def test_bicubic_mirrors_its_border() -> None:
    x = images(1, 1, 12, 8)
    mirrored = torch.cat((x.flip(2), x, x.flip(2)), 2)
    mirrored = torch.cat((mirrored.flip(3), mirrored, mirrored.flip(3)), 3)
    for scale in (0.25, 0.5, 2):
        height, width = int(12 * scale), int(8 * scale)
        inside = bicubic(mirrored, scale)[..., height : 2 * height, width : 2 * width]
        torch.testing.assert_close(bicubic(x, scale), inside)


def test_bicubic_rounds_sizes_up_and_keeps_constants() -> None:
    found = bicubic(torch.full((1, 2, 10, 7), 0.3), 0.25)
    assert found.shape == (1, 2, 3, 2)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.full_like(found, 0.3))
    with torch.autocast("cpu", torch.bfloat16):
        assert bicubic(torch.rand(1, 1, 8, 8), 0.5).dtype == torch.float32
    with pytest.raises(ValueError, match="positive"):
        bicubic(torch.zeros(1, 1, 4, 4), 0)


def test_bicubic_recovers_what_lies_below_the_limit() -> None:
    """A slow wave survives the reduction by four and the way back: over 40 dB."""
    t = torch.arange(128, dtype=torch.float64)
    wave = (0.5 * torch.sin(2 * np.pi * t / 64)[:, None] * torch.cos(2 * np.pi * t / 64))[None, None]
    back = bicubic(bicubic(wave, 0.25), 4)
    error = (back - wave)[..., 16:-16, 16:-16].square().mean()
    assert 10 * torch.log10(4 / error) > 40


# ---------------------------------------------------------------------------------------------------- generators


def test_parameters_as_counted_from_the_papers() -> None:
    made = [(SRResNet, 3, 1_549_462), (RRDB, 3, 16_697_987), (SRGANCritic, 1, 23_565_505)]
    for cls, outputs, expected in made:
        with torch.device("meta"):
            net = cls(cls.Config(), in_channels=3, out_channels=outputs)
        assert count_parameters(net) == expected, cls.name


@pytest.mark.parametrize(("norm", "scale"), [("batch", 4), ("none", 2)])
def test_srresnet(norm: Any, scale: Any) -> None:
    config = SRResNet.Config(filters=4, blocks=2, norm=norm, scale=scale)
    net = filled(SRResNet(config, in_channels=3, out_channels=3))
    t, x = iter(list(net.parameters())), images(2, 3, 7, 9)

    def conv(x: Tensor, pad: int) -> Tensor:
        return F.conv2d(x, next(t), next(t), padding=pad)

    def bn(x: Tensor) -> Tensor:
        return x if norm == "none" else F.batch_norm(x, None, None, next(t), next(t), training=True)

    first = h = F.prelu(conv(x, 4), next(t))
    for _ in range(2):
        inner = F.prelu(bn(conv(h, 1)), next(t))
        h = h + bn(conv(inner, 1))
    h = first + bn(conv(h, 1))
    for _ in range({2: 1, 4: 2}[scale]):
        four = conv(h, 1)
        h = torch.empty(2, 4, 2 * h.shape[2], 2 * h.shape[3], dtype=x.dtype)
        for c in range(4):
            for dy in (0, 1):
                for dx in (0, 1):
                    h[:, c, dy::2, dx::2] = four[:, 4 * c + 2 * dy + dx]
        h = F.prelu(h, next(t))
    torch.testing.assert_close(net(x), conv(h, 4))
    assert net.scale == scale


@pytest.mark.parametrize(("blocks", "filters", "scale"), [(16, 64, 4), (2, 8, 3)])
def test_parameters_of_a_direct_tail(blocks: int, filters: int, scale: int) -> None:
    """9 x 9 from RGB and a PReLU, the trunk's 3 x 3 and its PReLUs, and 3 x 3 to 3 scale^2 channels."""
    stem = (81 * 3 + 1) * filters + 1
    trunk = (2 * blocks + 1) * (9 * filters + 1) * filters + blocks
    head = (9 * filters + 1) * 3 * scale**2
    config = SRResNet.Config(blocks=blocks, filters=filters, scale=scale, norm="none", tail="direct")
    with torch.device("meta"):
        net = SRResNet(config, in_channels=3, out_channels=3)
    assert count_parameters(net) == stem + trunk + head


@pytest.mark.parametrize("scale", [2, 3])
def test_srresnet_with_a_direct_tail(scale: Any) -> None:
    config = SRResNet.Config(filters=4, blocks=1, norm="none", scale=scale, tail="direct")
    net = filled(SRResNet(config, in_channels=3, out_channels=2))
    x = images(2, 3, 7, 9)
    features = net.stem(x) + net.trunk(net.stem(x))
    channels = F.conv2d(features, net.head.conv.weight, net.head.conv.bias, padding=1)
    expected = torch.empty(2, 2, 7 * scale, 9 * scale, dtype=x.dtype)
    for c in range(2):
        for dy in range(scale):
            for dx in range(scale):
                expected[:, c, dy::scale, dx::scale] = channels[:, c * scale**2 + dy * scale + dx]
    torch.testing.assert_close(net(x), expected)


def test_a_fresh_direct_tail_repeats_pixels() -> None:
    """No checkerboard at the start (ICNR): all pixels of a square of the scale's side are one."""
    net = SRResNet(SRResNet.Config(filters=4, blocks=1, tail="direct", gain=1), in_channels=3, out_channels=3)
    squares = net(images(1, 3, 5, 6).float()).detach().unfold(2, 4, 4).unfold(3, 4, 4)
    torch.testing.assert_close(squares, squares[..., :1, :1].expand_as(squares), rtol=0, atol=1e-5)
    assert squares.std() > 0.1


@pytest.mark.parametrize(("scale", "times"), [(4, [2, 2]), (3, [3])])
def test_srresnet_with_a_resized_tail(scale: Any, times: list[int]) -> None:
    config = SRResNet.Config(filters=4, blocks=1, norm="none", scale=scale, tail="resized")
    net = filled(SRResNet(config, in_channels=3, out_channels=2))
    x = images(2, 3, 7, 9)
    h = net.stem(x) + net.trunk(net.stem(x))
    for up, factor in zip(net.up, times, strict=True):
        repeated = h.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
        h = F.prelu(F.conv2d(repeated, up.conv.weight, up.conv.bias, padding=1), up.prelu.weight)
    torch.testing.assert_close(net(x), F.conv2d(h, net.head.conv.weight, net.head.conv.bias, padding=4))


def test_srresnet_starts_from_the_bicubic_image() -> None:
    net = SRResNet(SRResNet.Config(filters=2, blocks=1, residual=True), in_channels=3, out_channels=3).double()
    nn.init.zeros_(net.head.conv.weight)
    x = images(1, 3, 6, 5)
    torch.testing.assert_close(net(x), bicubic(x, 4))


def test_rrdb() -> None:
    net = filled(RRDB(RRDB.Config(filters=3, growth=2, blocks=2), in_channels=1, out_channels=1))
    t, x = iter(list(net.parameters())), images(1, 1, 6, 5)

    def conv(x: Tensor) -> Tensor:
        return F.conv2d(x, next(t), next(t), padding=1)

    first = h = conv(x)
    for _ in range(2):
        block = h
        for _ in range(3):
            dense = h
            for n in range(5):
                made = conv(dense)
                dense = torch.cat((dense, F.leaky_relu(made, 0.2)), 1) if n < 4 else made
            h = h + 0.2 * dense
        h = block + 0.2 * h
    h = first + conv(h)
    for _ in range(2):
        h = F.leaky_relu(conv(h.repeat_interleave(2, 2).repeat_interleave(2, 3)), 0.2)
    torch.testing.assert_close(net(x), conv(F.leaky_relu(conv(h), 0.2)))


def test_rrdb_begins_small() -> None:
    """A tenth of the kaiming deviation sqrt(2 / fan in) (section 3.1)."""
    torch.manual_seed(0)
    net = RRDB(RRDB.Config(blocks=1), in_channels=3, out_channels=3)
    assert net.last.weight.std().item() == pytest.approx(0.1 * (2 / (9 * 64)) ** 0.5, rel=0.03)


def test_the_critic_judges_its_crop_or_any_size() -> None:
    fixed = SRGANCritic(SRGANCritic.Config(filters=2, crop=32), in_channels=3)
    assert fixed(torch.rand(2, 3, 32, 32)).shape == (2, 1)
    with pytest.raises(ConfigError, match=r"judges images of 32 x 32 pixels, not 48 x 32; set its `crop`"):
        fixed(torch.rand(2, 3, 48, 32))
    pooled = SRGANCritic(SRGANCritic.Config(filters=2, pool=True), in_channels=3)
    assert pooled(torch.rand(2, 3, 40, 56)).shape == (2, 1)
    norms = [m for m in fixed.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [n.num_features for n in norms] == [2, 4, 4, 8, 8, 16, 16]


def test_zhang_against_its_layers_written_out() -> None:
    """Width, stride of the last convolution and dilation of each block, from the authors' table."""
    net = filled(Zhang(Zhang.Config(filters=2), in_channels=1, out_channels=5))
    t, x = iter(list(net.parameters())), images(2, 1, 24, 16)
    h = x
    for count, stride, dilation in ((2, 2, 1), (2, 2, 1), (3, 2, 1), (3, 1, 1), (3, 1, 2), (3, 1, 2), (3, 1, 1)):
        for n in range(count):
            step = stride if n == count - 1 else 1
            h = F.relu(F.conv2d(h, next(t), next(t), stride=step, padding=dilation, dilation=dilation))
        h = F.batch_norm(h, None, None, next(t), next(t), training=True)
    h = F.relu(F.conv_transpose2d(h, next(t), next(t), stride=2, padding=1))
    for _ in range(2):
        h = F.relu(F.conv2d(h, next(t), next(t), padding=1))
    expected = F.conv2d(h, next(t), next(t))
    assert expected.shape == (2, 5, 6, 4)
    torch.testing.assert_close(net(x), expected)


# ------------------------------------------------------------------------------------------------------ features


def vgg_file(folder: Path) -> tuple[Path, list[Tensor]]:
    """A file of the layout of torchvision's VGG19, of random weights and a sixteenth of the last blocks' cost."""
    rng, tensors, number, inputs = torch.Generator().manual_seed(0), {}, 0, 3
    for block in ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4):
        for width in block:
            tensors[f"features.{number}.weight"] = (
                torch.randn(width, inputs, 3, 3, generator=rng) * (2 / (9 * inputs)) ** 0.5
            )
            tensors[f"features.{number}.bias"] = 0.1 * torch.randn(width, generator=rng)
            number, inputs = number + 2, width
        number += 1
    tensors["classifier.0.weight"] = torch.zeros(2, 2)
    torch.save(tensors, folder / "vgg19.pth")
    return folder / "vgg19.pth", [tensors[k] for k in tensors if k.startswith("features")]


def test_vgg19_against_its_layers_written_out(tmp_path: Path) -> None:
    path, tensors = vgg_file(tmp_path)
    x = images(1, 3, 32, 32).float()
    h = ((x + 1) / 2 - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(
        1, 3, 1, 1
    )
    t = iter(tensors)
    for convs in (2, 2, 4, 4):
        for _ in range(convs):
            h = F.relu(F.conv2d(h, next(t), next(t), padding=1))
        h = F.max_pool2d(h, 2)
    for _ in range(3):
        h = F.relu(F.conv2d(h, next(t), next(t), padding=1))
    last = F.conv2d(h, next(t), next(t), padding=1)
    for activated, expected in ((True, last.relu()), (False, last)):
        net = VGG19(VGG19.Config(weights=path, activated=activated), in_channels=3)
        torch.testing.assert_close(net(x)[0], expected)
        assert not net.state_dict()
        assert not list(net.parameters())
    shallow = VGG19(VGG19.Config(weights=path, layer="conv2_2"), in_channels=3)
    assert shallow(x)[0].shape == (1, 128, 16, 16)


def test_vgg19_refuses_what_is_not_vgg19(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"vgg19 has no layer 'conv1_3'"):
        VGG19(VGG19.Config(layer="conv1_3"), in_channels=3)
    torch.save({"features.0.weight": torch.zeros(8, 3, 3, 3), "features.0.bias": torch.zeros(8)}, tmp_path / "a.pth")
    with pytest.raises(DataError, match="not VGG19: conv1_1 has shape"):
        VGG19(VGG19.Config(weights=tmp_path / "a.pth"), in_channels=3)(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ConfigError, match="there is no such file"):
        VGG19(VGG19.Config(weights=tmp_path / "b.pth"), in_channels=3)(torch.zeros(1, 3, 8, 8))


def test_random_features_are_the_same_everywhere_and_let_gradients_through() -> None:
    torch.manual_seed(5)
    first = RandomFeatures(RandomFeatures.Config(filters=8), in_channels=3)
    torch.manual_seed(6)
    second = RandomFeatures(RandomFeatures.Config(filters=8), in_channels=3)
    x = images(2, 3, 16, 16).float().requires_grad_()
    a, b = first(x), second(x)
    assert [tuple(m.shape) for m in a] == [(2, 8, 16, 16), (2, 16, 8, 8), (2, 32, 4, 4)]
    assert all(torch.equal(m, n) for m, n in zip(a, b, strict=True))
    assert not first.state_dict()
    y = images(2, 3, 16, 16).float().flip(3)
    loss = feature_distance(first, x, y)
    assert loss.item() == pytest.approx(
        np.mean([(m - n).square().mean().item() for m, n in zip(a, first(y), strict=True)])
    )
    loss.backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    assert feature_distance(first, x, x.detach()).item() == 0
    grey = RandomFeatures(RandomFeatures.Config(filters=8), in_channels=1)
    torch.testing.assert_close(grey(y[:, :1])[0], first(y[:, :1].expand(-1, 3, -1, -1))[0])
