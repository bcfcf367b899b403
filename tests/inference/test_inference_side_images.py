"""Sides of bands, floats and stated ranges through a translator: the closed form of a network that is one matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import Tensor, nn

from translate.contracts import Config, DataSpec, Direction, Image as ImageSide, Method, Sides
from translate.errors import ConfigError, DataError
from translate.imaging.image import distance
from translate.imaging.io import Image
from translate.inference.side_images import is_picture, output_suffix
from translate.inference.translator import Translator

Array = np.ndarray[Any, Any]


class Mix(Method[Config]):
    """Pairs; the network is a 1 x 1 convolution."""

    name = "mix"
    data = "paired"
    players = {"gen": ("gen",)}
    directions = {"a_to_b": Direction(nets=("gen",), multiple=1)}

    def networks(self, build: Any) -> Mapping[str, nn.Module]:
        torch.manual_seed(0)
        return {"gen": nn.Conv2d(self.spec.channels["input"], self.spec.channels["target"], 1)}

    def step(self, nets: Any, batch: Any, step: Any) -> Any:
        yield from ()

    def translate(self, nets: Any, inputs: Mapping[str, Tensor], direction: str, draw: Any) -> Tensor:
        output: Tensor = nets.gen(inputs["image"])
        return output


def translator(source: ImageSide, target: ImageSide) -> Translator:
    sides = replace(Sides.of("paired"), types={"input": source, "target": target})
    channels = {"input": source.channels or 3, "target": target.channels or 3}
    method = Mix(Config(), DataSpec(sides, channels, (8, 8)), {})
    return Translator(method, method.networks(None), {}, tile="off")


def expected(used: Translator, values: Array) -> Array:
    """The network's answer in [-1, 1] to values in [-1, 1], H x W x C in float64."""
    layer = used.nets["gen"]
    weight = layer.weight.detach().double().numpy()[..., 0, 0]
    return (values @ weight.T + layer.bias.detach().double().numpy()).clip(-1, 1)


SIX = ImageSide(6, "uint16", tuple((0.0, 100.0 * n) for n in range(1, 7)))
TWO = ImageSide(2, "float32", ((-40.0, 260.0), (0.0, 1e-3)))


def test_bands_by_their_ranges() -> None:
    used = translator(SIX, TWO)
    array = np.random.default_rng(0).integers(0, 700, (9, 7, 6), np.uint16)
    values = (array / (np.arange(1, 7) * 100) * 2 - 1).clip(-1, 1)
    wanted = (expected(used, values) + 1) / 2 * [300, 1e-3] + [-40, 0]
    output = used(array)
    assert output.dtype == np.float32 and output.shape == (9, 7, 2)
    assert np.abs(output - wanted).max(axis=(0, 1)) == pytest.approx([0, 0], abs=1e-3)
    strips = used.translate_image(Image(array, mode="bands"), tile=2)
    assert strips.mode == "bands" and np.allclose(strips.pixels, output, rtol=1e-5, atol=1e-4)
    assert not is_picture(used.program, used.route()) and output_suffix(used.program, used.route()) == ".tif"


def test_floats_to_pictures_and_back() -> None:
    """The output has the type of its side, whatever the input's was; alpha and profile of the input are not its own."""
    used = translator(replace(TWO, channels=2), ImageSide(3, "uint8"))
    array = np.random.default_rng(0).uniform(-40, 260, (6, 5, 2)).astype(np.float32)
    output = used(array)
    assert output.dtype == np.uint8 and output.shape == (6, 5, 3)
    assert is_picture(used.program, used.route()) and output_suffix(used.program, used.route()) == ".png"
    back = translator(ImageSide(3, "uint8"), ImageSide(1, "float32", ((100.0, 200.0),)))
    rgba = np.random.default_rng(0).integers(0, 256, (6, 5, 4), np.uint8)
    depth = back.translate_image(Image(rgba[..., :3], rgba[..., 3], icc=b"profile"))
    assert depth.pixels.dtype == np.float32 and depth.alpha is None and depth.icc is None
    assert depth.pixels.min() >= 100 and depth.pixels.max() <= 200
    assert depth.shown().dtype == np.uint8 and distance(
        depth, replace(depth, pixels=depth.pixels + 10)
    ) == pytest.approx(0.1)


def test_two_bands_are_no_alpha() -> None:
    used = translator(ImageSide(2, "uint16"), ImageSide(4, "uint16"))
    image = used.translate_image(Image(np.zeros((4, 4, 2), np.uint16), mode="bands"))
    assert image.mode == "bands" and image.alpha is None and image.pixels.shape == (4, 4, 4)
    array = used(np.zeros((4, 4, 2), np.uint16))
    assert array.shape == (4, 4, 4) and array.dtype == np.uint16


def test_usual_pictures_keep_their_own_bits() -> None:
    used = translator(ImageSide(), ImageSide())
    for dtype in (np.uint8, np.uint16):
        assert used(np.zeros((4, 4, 3), dtype)).dtype == dtype


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros((4, 4, 3), np.uint8), "the image has 3 channels, and this model takes 6"),
        (np.zeros((4, 4), np.uint8), "the image has 1 channels, and this model takes 6"),
        (np.zeros((4, 4, 7), np.float32), "the image has 7 channels, and this model takes 6"),
    ],
)
def test_other_bands_are_refused(given: Array, words: str) -> None:
    for tile in ("off", 2):
        used = translator(SIX, TWO)
        with pytest.raises(ConfigError, match=words):
            used.translate_image(Image(np.atleast_3d(given)), tile=tile)


def test_bands_and_floats_are_no_pictures_of_a_usual_model() -> None:
    used = translator(ImageSide(), ImageSide())
    with pytest.raises(ConfigError, match="the image has 6 channels, and this model takes 3"):
        used(np.zeros((4, 4, 6), np.uint16))
    with pytest.raises(DataError, match="floats from -5 to 5, and this model takes black at 0 and white at 1"):
        used(np.array([[[-5.0] * 3, [5.0] * 3]], np.float32))


def test_a_pil_image_holds_no_bands() -> None:
    used = translator(ImageSide(), TWO)
    with pytest.raises(ConfigError, match="the output has 2 bands of float32, which no PIL image holds; give an array"):
        used(Pillow.new("RGB", (4, 4)))
