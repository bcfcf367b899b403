"""The loss keeps to the contract of `translate`, and has the value that it should have."""

from __future__ import annotations

import torch
from translate.testing import assert_loss_conforms

from translate_my_plugin import MyPlugin, MyPluginConfig


def test_it_conforms() -> None:
    assert_loss_conforms(MyPlugin)


def test_its_value_by_hand() -> None:
    output, target = torch.full((2, 3, 4, 4), 0.5), torch.zeros(2, 3, 4, 4)
    term = MyPlugin(MyPluginConfig(power=2))
    torch.testing.assert_close(term(output, target), torch.tensor(0.25))
    assert term(target, target) == 0
