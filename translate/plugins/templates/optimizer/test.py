"""The optimizer keeps to the contract of `translate`, and steps as it should."""

from __future__ import annotations

import torch
from translate.testing import assert_optimizer_conforms

from translate_my_plugin import MyPlugin, MyPluginConfig


def test_it_conforms() -> None:
    """Among else, a training goes on from a checkpoint as though it had never stopped."""
    assert_optimizer_conforms(MyPlugin)


def test_its_steps_by_hand() -> None:
    weights = torch.nn.Parameter(torch.tensor([1.0, 1.0]))
    optimizer = MyPlugin(MyPluginConfig(lr=0.1, momentum=0.5)).build([weights], fused=False)
    for slopes in ([4.0, -0.1], [-1.0, -0.1]):  # averages: [2, -0.05], then [0.5, -0.075]
        weights.grad = torch.tensor(slopes)
        optimizer.step()
    torch.testing.assert_close(weights.data, torch.tensor([0.8, 1.2]))
