"""The transform keeps to the contract of `translate`, and moves images as it should."""

from __future__ import annotations

import torch
from translate import IGNORE
from translate.testing import assert_device_transform_conforms

from translate_my_plugin import MyPlugin, MyPluginConfig


def test_it_conforms() -> None:
    assert_device_transform_conforms(MyPlugin)


def test_a_shift_by_hand() -> None:
    transform = MyPlugin(MyPluginConfig(share=0.25))
    image = torch.arange(16.0).reshape(1, 4, 4)
    down_and_left = transform.shifted(image, [1.0, -1.0])
    assert down_and_left.tolist() == [[[-1] * 4, [1, 2, 3, -1], [5, 6, 7, -1], [9, 10, 11, -1]]]
    labels = transform.shifted(torch.zeros(4, 4, dtype=torch.long), [0.0, 1.0])
    assert labels.tolist() == [[IGNORE, 0, 0, 0]] * 4


def test_images_move_by_themselves_and_classes_stay() -> None:
    batch = {"image": torch.ones(8, 1, 16, 16), "class": torch.arange(8)}
    moved = MyPlugin(MyPluginConfig())(batch, 1)
    assert moved["class"] is batch["class"]
    assert len({image.numpy().tobytes() for image in moved["image"]}) > 4
