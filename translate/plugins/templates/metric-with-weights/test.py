"""The metric keeps to the contract of `translate`, has the value that it should have, and takes weights from files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from translate import DataError
from translate.testing import assert_metric_conforms

from translate_my_plugin import MyPlugin, MyPluginConfig, frechet
from translate_my_plugin.train import train


def test_it_conforms() -> None:
    assert_metric_conforms(MyPlugin)


def test_its_value_by_hand() -> None:
    """N(0, 1) and N(3, 4) in one dimension, and the same along the second of two: (0 - 3)^2 + (1 - 2)^2."""
    one = torch.zeros(2).double(), torch.eye(2).double()
    other = torch.tensor([0.0, 3.0]).double(), torch.tensor([[1.0, 0.0], [0.0, 4.0]]).double()
    assert frechet(*one, *other) == pytest.approx(10)
    assert frechet(*other, *other) == pytest.approx(0, abs=1e-12)


def test_the_blurred_are_further_than_the_shifted() -> None:
    """A picture moved by eight pixels has the same features elsewhere; a blurred one has others."""
    draw = torch.Generator().manual_seed(0)
    image = torch.rand(3, 64, 64, generator=draw)
    blurred = torch.nn.functional.avg_pool2d(image[None], 3, stride=1, padding=1)[0]
    metric = MyPlugin(MyPluginConfig())
    assert metric.score([image.roll(8, 2)], [image]) < metric.score([blurred], [image]) / 10


def test_weights_of_other_images(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 80).save(tmp_path / "noise.png")
    file = tmp_path / "other.safetensors"
    assert 0 <= train(tmp_path, file, steps=2) <= 1
    black, white = [torch.zeros(1, 16, 16)], [torch.ones(1, 16, 16)]
    own = MyPlugin(MyPluginConfig(weights=file))
    assert own.score(black, white) != MyPlugin(MyPluginConfig()).score(black, white)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "odd.safetensors"
    file.write_bytes(b"odd")
    with pytest.raises(DataError, match=r"odd\.safetensors: no weights of my-plugin"):
        MyPlugin(MyPluginConfig(weights=file))
