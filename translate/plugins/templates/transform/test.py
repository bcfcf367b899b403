"""The transform keeps to the contract of `translate`, and makes what it should make of an image."""

from __future__ import annotations

import numpy as np
from translate.testing import assert_transform_conforms

from translate_my_plugin import MyPlugin, MyPluginConfig

CORNERS = np.array([[1, 2], [3, 4]], np.uint8)


def test_it_conforms() -> None:
    assert_transform_conforms(MyPlugin)


def test_a_square_comes_out_in_its_eight_ways() -> None:
    transform = MyPlugin(MyPluginConfig(light=0))
    ways = {transform({"label": CORNERS}, seed)["label"].tobytes() for seed in range(200)}
    turns = [np.rot90(image, n) for image in (CORNERS, CORNERS[:, ::-1]) for n in range(4)]
    assert ways == {turn.tobytes() for turn in turns}


def test_light_changes_images_and_no_labels() -> None:
    transform = MyPlugin(MyPluginConfig(light=0.5))
    grey = np.full((4, 6, 1), 200, np.uint8)
    values = []
    for seed in range(200):
        changed = transform({"image": grey, "label": grey[..., 0]}, seed)
        assert (changed["label"] == 200).all()
        values.append(int(changed["image"][0, 0, 0]))
    assert min(values) in range(100, 110)
    assert max(values) == 255, "as bright as it gets: 300 is no value of 8 bits"
