"""Attention gates of the U-Net: the gate pixel by pixel, gates that stand open or closed, and counts."""

from __future__ import annotations

import pytest
import torch
from small_networks import filled, fitted, images
from torch import Tensor

from translate.networks import UNet, count_parameters
from translate.networks.unet import AttentionGate


def unet(attention: bool = True) -> UNet:
    config = UNet.Config(filters=4, levels=4, norm="instance", attention=attention)
    net = filled(UNet(config, in_channels=3, out_channels=2))
    assert isinstance(net, UNet)
    return net


def between(weights: Tensor, row: int, column: int) -> Tensor:
    """A map of half the height and width at a pixel of the whole: weights 3/4 and 1/4 of the nearest ones."""
    rows, columns = weights.shape
    total = torch.zeros((), dtype=weights.dtype)
    for i, share in ((row // 2, 0.75), (row // 2 + (1 if row % 2 else -1), 0.25)):
        for j, part in ((column // 2, 0.75), (column // 2 + (1 if column % 2 else -1), 0.25)):
            total = total + share * part * weights[min(max(i, 0), rows - 1), min(max(j, 0), columns - 1)]
    return total


def test_a_gate_pixel_by_pixel() -> None:
    """Equations 1 and 2 of the paper, one place after another."""
    gate, skip, decoder = filled(AttentionGate(4, 6)), images(2, 4, 6, 8), images(2, 6, 3, 4, seed=3)
    t, before = gate.state_dict(), decoder.clone()
    expected = torch.empty_like(skip)
    for n in range(2):
        weights = torch.empty(3, 4, dtype=skip.dtype)
        for i in range(3):
            for j in range(4):
                square = skip[n, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                of_skip = (t["of_skip.weight"] * square).sum((1, 2, 3))
                of_decoder = t["of_decoder.weight"][:, :, 0, 0] @ decoder[n, :, i, j].clamp(min=0)
                both = (of_skip + of_decoder + t["of_decoder.bias"]).clamp(min=0)
                weights[i, j] = 1 / (1 + torch.exp(-(t["psi.weight"].flatten() @ both + t["psi.bias"][0])))
        for i in range(6):
            for j in range(8):
                expected[n, :, i, j] = skip[n, :, i, j] * between(weights, i, j)
    torch.testing.assert_close(gate(skip, decoder), expected)
    assert torch.equal(decoder, before)


def hold(net: UNet, bias: float) -> None:
    """Gates that let everything through, or nothing, whatever they see."""
    with torch.no_grad():
        for gate in net.gates:
            gate.psi.weight.zero_()
            gate.psi.bias.fill_(bias)


def test_open_gates_make_the_plain_unet() -> None:
    gated, plain, x = unet(), unet(attention=False), images(2, 3, 32, 16)
    plain.load_state_dict({key: value for key, value in gated.state_dict().items() if not key.startswith("gates")})
    assert (gated(x) - plain(x)).abs().max() > 0.01
    hold(gated, 50.0)
    torch.testing.assert_close(gated(x), plain(x))


def test_closed_gates_make_a_unet_without_skips() -> None:
    gated, x = unet(), images(1, 3, 32, 32)
    hold(gated, -1e4)
    h = x
    for down in gated.down:
        h = down(h)
    for up in gated.up:
        h = up(h)
        h = h if up is gated.up[-1] else torch.cat((torch.zeros_like(h), h), 1)
    torch.testing.assert_close(gated(x), h)


@pytest.mark.parametrize("levels", [2, 5, 8])
def test_parameters_of_the_gates(levels: int) -> None:
    """For a skip of c channels and a decoder of k: 4 c c/2 + k c/2 + c/2 + c/2 + 1."""
    counts = []
    for attention in (False, True):
        with torch.device("meta"):
            config = UNet.Config(levels=levels, attention=attention)
            counts.append(count_parameters(UNet(config, in_channels=3, out_channels=3)))
    widths = [64 * min(2**level, 8) for level in range(levels)]
    expected = 0
    for level in range(levels - 1):
        c, k = widths[level], widths[level + 1] * (1 if level == levels - 2 else 2)
        expected += 4 * c * (c // 2) + k * (c // 2) + c // 2 + c // 2 + 1
    assert counts[1] - counts[0] == expected


def test_gradients_reach_the_gates_and_a_picture_is_learned() -> None:
    torch.manual_seed(0)
    net = UNet(UNet.Config(filters=8, levels=3, norm="instance", attention=True), in_channels=3, out_channels=3)
    inputs, targets = images(1, 3, 16, 16).float(), images(1, 3, 16, 16, seed=5).float() * 0.8
    first, last = fitted(net, inputs, targets, steps=80, rate=5e-3)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert last < 0.2 * first
