"""The network keeps to the contract of `translate`, and has the shape that it should have."""

from __future__ import annotations

import torch
from translate.testing import assert_network_conforms

from translate_my_plugin import MyPlugin, MyPluginConfig


def test_it_conforms() -> None:
    assert_network_conforms(MyPlugin)


def test_its_layers() -> None:
    net = MyPlugin(MyPluginConfig(filters=4, layers=2), in_channels=1, out_channels=3)
    assert [tuple(p.shape) for p in net.parameters() if p.ndim == 4] == [(4, 1, 3, 3), (4, 4, 3, 3), (3, 4, 3, 3)]
    output = net(torch.zeros(2, 1, 8, 10))
    assert output.shape == (2, 3, 8, 10)
    assert output.abs().max() <= 1
