"""Initial weights, spectral norm, presets, and a network written by somebody else."""

from __future__ import annotations

import copy
import math
from typing import Any

import pluggy
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

import translate.hookspecs
import translate.networks
from translate.contracts import Config
from translate.errors import ContractError
from translate.networks import Network, PatchGAN, ResNet, UNet


class TinyConfig(Config):
    spectral: bool = False


class Tiny(Network[TinyConfig]):
    """One 1 x 1 convolution."""

    name = "tiny"

    def __init__(self, config: TinyConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        self.conv = nn.Conv2d(in_channels, out_channels, 1)
        self.initialise("normal", 1.0, config.spectral)

    def forward(self, images: Tensor) -> Tensor:
        y: Tensor = self.conv(images)
        return y


def wide(init: Any, gain: float) -> PatchGAN:
    torch.manual_seed(0)
    config = PatchGAN.Config(norm="batch", init=init, gain=gain)
    return PatchGAN(config, in_channels=3, out_channels=1)


@pytest.mark.parametrize(
    ("init", "gain", "std"),
    [
        ("normal", 0.02, 0.02),
        ("normal", 0.5, 0.5),
        ("xavier", 0.02, 0.02 * math.sqrt(2 / (128 * 16 + 256 * 16))),
        ("kaiming", 0.02, math.sqrt(2 / (128 * 16))),
    ],
)
def test_initial_weights(init: str, gain: float, std: float) -> None:
    net = wide(init, gain)
    conv, norm = net.middle[1].conv, net.middle[1].norm
    assert conv.weight.std().item() == pytest.approx(std, rel=0.01)
    assert abs(conv.weight.mean().item()) < std / 100
    assert norm.weight.mean().item() == pytest.approx(1, abs=gain / 4)
    assert norm.weight.std().item() == pytest.approx(gain, rel=0.15)
    assert not norm.bias.any()
    assert not net.last.bias.any()


def test_orthogonal_weights() -> None:
    weight = wide("orthogonal", 0.3).middle[1].conv.weight.flatten(1)
    torch.testing.assert_close(weight @ weight.T, 0.09 * torch.eye(256), atol=1e-6, rtol=0)


def test_spectral_norm_of_a_known_matrix() -> None:
    """diag(3, 1) has the singular values 3 and 1: it becomes diag(1, 1/3), and stays so in eval mode."""
    net = Tiny(Tiny.Config(spectral=True), in_channels=2, out_channels=2)
    with torch.no_grad():
        net.conv.parametrizations.weight.original.copy_(torch.diag(torch.tensor([3.0, 1.0])).view(2, 2, 1, 1))
        for _ in range(50):
            net(torch.ones(1, 2, 1, 1))
    torch.testing.assert_close(net.eval().conv.weight.view(2, 2), torch.diag(torch.tensor([1.0, 1 / 3])))


def test_spectral_norm_of_every_layer() -> None:
    net = PatchGAN(PatchGAN.Config(filters=4, layers=2, spectral=True), in_channels=3, out_channels=1)
    with torch.no_grad():
        for _ in range(200):
            net(torch.rand(1, 3, 12, 12))
    convs = [m for m in net.eval().modules() if isinstance(m, nn.Conv2d)]
    assert len(convs) == 4
    for conv in convs:
        assert torch.linalg.svdvals(conv.weight.flatten(1))[0].item() == pytest.approx(1, abs=1e-3)


def test_spectral_norm_under_autocast() -> None:
    net = PatchGAN(PatchGAN.Config(filters=4, layers=1, spectral=True), in_channels=3, out_channels=1)
    with torch.autocast("cpu", torch.bfloat16):
        net(torch.rand(1, 3, 12, 12)).float().mean().backward()
    assert all(p.grad is not None and p.grad.dtype is torch.float32 for p in net.parameters())


def test_presets_change_defaults_and_keep_the_rest() -> None:
    small = ResNet.preset("small", blocks=2, filters=3)
    assert (small.name, small.Config().blocks, small.Config(blocks=4).blocks) == ("small", 2, 4)
    assert ResNet.Config().blocks == 9
    assert "blocks 2" in (small.__doc__ or "")
    net = small(small.Config(), in_channels=1, out_channels=1)
    assert isinstance(net, ResNet)
    assert len(net.blocks) == 2
    assert copy.deepcopy(net).config == net.config
    for wrong in ({"blocks": 0}, {"gain": math.inf}, {"width": 3}, {"norm": "layer"}):
        with pytest.raises(ValidationError):
            small.Config(**wrong)
    with pytest.raises(ContractError, match="small: ResNet has no option 'blokcs'; did you mean 'blocks'"):
        ResNet.preset("small", blokcs=2)


def test_built_in_networks_reach_the_hook() -> None:
    manager = pluggy.PluginManager("translate")
    manager.add_hookspecs(translate.hookspecs)
    manager.register(translate.networks)
    manager.check_pending()
    (found,) = manager.hook.translate_networks()
    unets = [f"unet_{2**n}" for n in (6, 7, 8, 9)]
    names = ["resnet", "resnet_6", "resnet_9", "unet", *unets, "patchgan", "pixel"]
    assert [n.name for n in found][: len(names)] == names
    multiples = {n.name: n(n.Config(filters=1), in_channels=1, out_channels=1).multiple for n in found[: len(names)]}
    assert [multiples[name] for name in unets] == [64, 128, 256, 512]
    assert (multiples["resnet_6"], multiples["patchgan"]) == (4, 1)


def test_dropout_is_an_option() -> None:
    def drops(net: nn.Module) -> int:
        return sum(isinstance(m, nn.Dropout) for m in net.modules())

    def unet(levels: int, dropout: bool) -> UNet:
        return UNet(UNet.Config(filters=1, levels=levels, dropout=dropout), in_channels=1, out_channels=1)

    assert [drops(unet(levels, True)) for levels in (4, 5, 6, 7, 8, 9)] == [0, 0, 1, 2, 3, 4]
    assert drops(unet(8, False)) == 0
    blocks = ResNet(ResNet.Config(filters=1, blocks=4, dropout=True), in_channels=1, out_channels=1)
    assert drops(blocks) == 4
