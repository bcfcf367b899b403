"""The metric keeps to the contract of `translate`, and has the value that it should have."""

from __future__ import annotations

import torch
from translate.testing import assert_metric_conforms

from translate_my_plugin import MyPlugin, MyPluginConfig


def test_it_conforms() -> None:
    assert_metric_conforms(MyPlugin)


def test_its_value_by_hand() -> None:
    reference = torch.zeros(3, 4, 4)
    output = reference.clone()
    output[:, :1] = 1  # a quarter of the rows is wrong
    metric = MyPlugin(MyPluginConfig())
    assert metric.score([output, reference], [reference, reference]) == (0.75 + 1) / 2
