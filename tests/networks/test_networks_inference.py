"""Test-time behaviour, joint calls and receptive fields."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from translate.contracts import TestTime
from translate.networks import PatchGAN, ResNet, UNet, batched, prepare_for_inference, receptive_field
from translate.networks.resnet import BlurredResNet


def images(n: int, size: int, seed: int = 0) -> Tensor:
    return torch.rand((n, 3, size, size), generator=torch.Generator().manual_seed(seed)) * 2 - 1


def trained_unet(**options: Any) -> UNet:
    """A U-Net whose batch norms have seen something: running averages are not 0 and 1."""
    torch.manual_seed(0)
    net = UNet(UNet.Config(filters=4, levels=6, gain=0.3, **options), in_channels=3, out_channels=3)
    net(images(3, 64, seed=1) * 3 + 1)
    return net


def test_image_statistics_equal_single_passes_in_train_mode() -> None:
    net, x = trained_unet(dropout=False), images(4, 64)
    single = copy.deepcopy(net).train()
    with torch.no_grad():
        expected = torch.cat([single(image[None]) for image in x])
        ready = prepare_for_inference(net, TestTime(norm="image"))
        assert ready is net
        torch.testing.assert_close(ready(x), expected, rtol=1e-4, atol=1e-5)
        assert (copy.deepcopy(single).eval()(x) - expected).abs().max() > 0.01
    assert not any(m.training for m in net.modules())
    assert len(list(net.parameters())) == len(list(single.parameters()))


def test_image_statistics_share_the_weights() -> None:
    norm = nn.BatchNorm2d(3)
    net = prepare_for_inference(nn.Sequential(norm), TestTime(norm="image"))
    with torch.no_grad():
        norm.weight.fill_(2.0)
    assert isinstance(net[0], nn.InstanceNorm2d)
    assert net[0].weight.tolist() == [2.0] * 3


def test_running_statistics_are_eval_mode() -> None:
    net, x = trained_unet(dropout=True), images(2, 64)
    expected = copy.deepcopy(net).eval()(x)
    torch.testing.assert_close(prepare_for_inference(net, TestTime())(x), expected, rtol=0, atol=0)


@pytest.mark.parametrize("norm", ["running", "image"])
def test_dropout_may_stay_on(norm: Any) -> None:
    net, x = prepare_for_inference(trained_unet(dropout=True), TestTime(dropout=True, norm=norm)), images(1, 64)
    torch.manual_seed(0)
    first = net(x)
    torch.manual_seed(0)
    assert torch.equal(net(x), first)
    assert not torch.equal(net(x), first)
    assert {type(m).__name__ for m in net.modules() if m.training} == {"Dropout"}


class Counted(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        y: Tensor = self.net(x)
        return y


class Spread(nn.Module):
    """Depends on the whole batch, and says so."""

    batch_independent = False

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0, keepdim=True)


def resnet(norm: Any = "instance", dropout: bool = False, spectral: bool = False) -> ResNet:
    torch.manual_seed(0)
    config = ResNet.Config(filters=4, blocks=1, norm=norm, dropout=dropout, spectral=spectral, gain=0.3)
    return ResNet(config, in_channels=3, out_channels=3)


@pytest.mark.parametrize(
    ("net", "calls"),
    [
        (resnet(), 1),
        (resnet("none"), 1),
        (resnet("batch"), 2),
        (resnet("batch").eval(), 1),
        (resnet(dropout=True), 2),
        (resnet(dropout=True).eval(), 1),
        (resnet(spectral=True), 2),
        (resnet(spectral=True).eval(), 1),
        (nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)).eval(), 2),
        (nn.Sequential(Spread()), 2),
    ],
)
def test_two_inputs_in_one_call_where_nothing_changes(net: nn.Module, calls: int) -> None:
    a, b = images(2, 16).double(), images(1, 16, seed=1).double()
    counted, plain = Counted(net.double()), copy.deepcopy(net).double()
    torch.manual_seed(1)
    expected = plain(a), plain(b)
    torch.manual_seed(1)
    results = batched(counted, a, b)
    assert counted.calls == calls
    for result, other in zip(results, expected, strict=True):
        torch.testing.assert_close(result, other, rtol=1e-9, atol=1e-12)


def test_inputs_of_two_sizes_are_two_calls() -> None:
    net = Counted(resnet())
    a, b = batched(net, images(1, 16), images(1, 24))
    assert (net.calls, a.shape[-1], b.shape[-1]) == (2, 16, 24)


def footprint(net: nn.Module, size: int, positions: range) -> int:
    """The widest square of input pixels that the gradient of one output reaches; all weights are positive."""
    net = net.double().train()
    with torch.no_grad():
        for p in net.parameters():
            p.fill_(1 / p[0].numel() if p.ndim == 4 else 0.0)
    x = torch.ones(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    y, widest = net(x), 0
    for at in positions:
        (slope,) = torch.autograd.grad(y[0, 0, at, at], x, retain_graph=True)
        rows, columns = slope[0, 0].nonzero().unbind(1)
        widest = max(widest, int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1)
    return widest


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_receptive_fields_of_patchgans(layers: int, field: int) -> None:
    net = PatchGAN(PatchGAN.Config(filters=1, layers=layers, norm="none"), in_channels=1, out_channels=1)
    size = 2 * field + 2 ** (layers + 2)
    middle = net(torch.zeros(1, 1, size, size)).shape[-1] // 2
    assert receptive_field(net) == field == footprint(net, size, range(middle, middle + 1))


@pytest.mark.parametrize("upsample", ["transposed", "nearest", "bilinear", "pixel-shuffle"])
def test_receptive_fields_of_generators(upsample: Any) -> None:
    for kind, blocks in ((ResNet, 1), (ResNet, 2), (BlurredResNet, 1)):
        config = kind.Config(filters=1, blocks=blocks, norm="none", upsample=upsample, output="none")
        net = kind(config, in_channels=1, out_channels=1)
        assert receptive_field(net) == footprint(net, 128, range(64, 68))
    for levels in (2, 3):
        config = UNet.Config(filters=1, levels=levels, norm="none", upsample=upsample, output="none")
        joined = UNet(config, in_channels=1, out_channels=1)
        assert receptive_field(joined) == footprint(joined, 128, range(64, 64 + 2**levels))
