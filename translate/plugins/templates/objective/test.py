"""The objective keeps to the contract of `translate`, and has the values that it should have."""

from __future__ import annotations

import torch
from translate.testing import assert_objective_conforms

from translate_my_plugin import MyPlugin, MyPluginConfig


def test_it_conforms() -> None:
    assert_objective_conforms(MyPlugin)


def test_its_values_by_hand() -> None:
    game = MyPlugin(MyPluginConfig(sharpness=2))
    certain, unsure = torch.full((3, 1), 100.0), torch.zeros(3, 1)
    assert game.critic(certain, -certain) == -1, "the largest distance that there is"
    assert game.critic(unsure, unsure) == 0
    assert game.generator(unsure, certain) == -0.5
    score = torch.tensor([[0.25]])
    torch.testing.assert_close(game.generator(score, score), -torch.tensor(0.5).tanh() / 2)
