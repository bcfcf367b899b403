"""The method keeps to the contract of `translate`, and goes from noise to the image that it should reach."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from translate import DirectionCall, Nets
from translate.testing import assert_method_conforms, tiny_spec

from translate_my_plugin import MyPlugin, MyPluginConfig

SMALL = {"network": {"uses": "resnet", "blocks": 1, "filters": 8}}


def test_it_conforms() -> None:
    """Among else: an image gets the same noise alone, in a batch and in any order; another seed, other noise."""
    assert_method_conforms(MyPlugin, options=SMALL)


class Noise:
    """Draws that a test can foresee."""

    def normal(self, *shape: int) -> Tensor:
        return torch.full((2, *shape), 3.0)


class Certain(nn.Module):
    """Takes the same image for the target, whatever it sees."""

    def forward(self, seen: Tensor) -> Tensor:
        return torch.full_like(seen[:, :3], 0.25)


class Blind(nn.Module):
    """Takes the noise for the target."""

    def forward(self, seen: Tensor) -> Tensor:
        return seen[:, :3]


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize(("net", "end"), [(Certain(), 0.25), (Blind(), 3.0)])
def test_where_it_ends(net: nn.Module, end: float, steps: int) -> None:
    method = MyPlugin(MyPluginConfig(), tiny_spec("paired"), MyPlugin.losses)
    options = method.directions["a_to_b"].options(steps=steps)
    inputs = {"image": torch.zeros(2, 3, 8, 8)}
    output = method.translate(Nets({"net": net}), inputs, DirectionCall("a_to_b", options), Noise())
    torch.testing.assert_close(output, torch.full((2, 3, 8, 8), end))
