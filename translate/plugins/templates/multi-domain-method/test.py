"""The method keeps to the contract of `translate`, and its directions follow the domains of the data."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from translate import DirectionCall, Nets
from translate.testing import assert_method_conforms, tiny_spec

from translate_my_plugin import MyPlugin, MyPluginConfig

SMALL = {
    "generator": {"uses": "resnet", "norm": "batch", "blocks": 1, "filters": 8},
    "discriminator": {"uses": "patchgan", "filters": 8, "layers": 2},
}


def test_it_conforms() -> None:
    assert_method_conforms(MyPlugin, options=SMALL)


class Maps(nn.Module):
    """Shows three of the maps that tell the domain."""

    def forward(self, seen: Tensor) -> Tensor:
        return seen[:, 3:6]


def test_each_domain_has_a_direction() -> None:
    spec = tiny_spec(MyPlugin.data, classes=3)
    method = MyPlugin(MyPluginConfig(), spec, MyPlugin.losses)
    assert [*method.directions] == ["to", "to_class_0", "to_class_1", "to_class_2"]
    nets, image = Nets({"gen": Maps()}), torch.zeros(2, 3, 8, 8)
    into_last = method.translate(nets, {"image": image}, DirectionCall("to_class_2"), None)
    assert into_last.mean((2, 3)).tolist() == [[0, 0, 1], [0, 0, 1]]
    inputs = {"image": image, "class": torch.tensor([1, 2])}
    assert method.translate(nets, inputs, DirectionCall("to"), None).mean((2, 3)).tolist() == [[0, 1, 0], [0, 0, 1]]
