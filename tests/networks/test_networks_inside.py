"""Outputs of layers inside a network, against calling these layers by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from translate import ConfigError, features_of
from translate.networks import ResNet, UNet


def images() -> Tensor:
    return torch.rand((2, 3, 16, 16), generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def resnet() -> ResNet:
    return ResNet(ResNet.Config(filters=4, blocks=3, gain=1.0), in_channels=3, out_channels=3)


def hooks(net: nn.Module) -> int:
    return sum(len(layer._forward_hooks) for layer in net.modules())


def test_features_are_what_the_layers_put_out(resnet: ResNet) -> None:
    x = images()
    stem = resnet.stem(x)
    first = resnet.down[0](stem)
    blocks = resnet.blocks[1](resnet.blocks[0](resnet.down[1](first)))
    expected = {"down.0": first, "": resnet(x), "stem.pad": nn.ReflectionPad2d(3)(x), "blocks.1": blocks, "stem": stem}
    for layers in (list(expected), ["blocks.1", "stem.pad"], [""], ["stem", "", "stem"], []):
        found = features_of(resnet, x, layers)
        assert all(torch.equal(f, expected[name]) for f, name in zip(found, layers, strict=True))
        assert hooks(resnet) == 0


def test_nothing_runs_behind_the_last_layer_asked_for(resnet: ResNet) -> None:
    called: list[str] = []
    for name in ("blocks.0", "blocks.1", "head"):
        resnet.get_submodule(name).register_forward_hook(lambda *_, name=name: called.append(name))
    features_of(resnet, images(), ["blocks.0", "stem"])
    assert called == ["blocks.0"]
    features_of(resnet, images(), ["blocks.0", ""])
    assert called == ["blocks.0", "blocks.0", "blocks.1", "head"]


def test_gradients_reach_the_layers_before_and_the_images(resnet: ResNet) -> None:
    x = images().requires_grad_()
    features_of(resnet, x, ["down.0"])[0].sum().backward()
    reached = {name.split(".")[0] for name, p in resnet.named_parameters() if p.grad is not None}
    assert reached == {"stem", "down"} and x.grad is not None


def test_a_network_compiled_in_place_is_looked_into_as_well(resnet: ResNet) -> None:
    x = images()
    expected = features_of(resnet, x, ["blocks.1", ""])
    resnet.compile(backend="eager")
    resnet(x)
    assert all(torch.equal(a, b) for a, b in zip(features_of(resnet, x, ["blocks.1", ""]), expected, strict=True))


class Idle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Any:
        return self.used(x)


def test_layers_that_are_not_there_are_named(resnet: ResNet) -> None:
    with pytest.raises(ConfigError, match=r"network resnet has no layer 'blocks\.7'; did you mean 'blocks\.[0-2]'"):
        features_of(resnet, images(), ["stem", "blocks.7"])
    assert hooks(resnet) == 0
    unet = UNet(UNet.Config(filters=2, levels=2), in_channels=3, out_channels=3)
    with pytest.raises(ConfigError, match=r"network unet has no layer 'xyz'; the first ones are down, down\.0"):
        features_of(unet, images(), ["xyz"])
    with pytest.raises(ConfigError, match="network Idle does not call its layer 'idle'"):
        features_of(Idle(), images(), ["used", "idle"])
