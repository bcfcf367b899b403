"""Transparent images: the networks see them on white paper, and the paper does not stay in what comes out."""

import numpy as np
import pytest
import torch
from torch import nn

from translate.errors import ConfigError
from translate.imaging.appearance.handling import Handling
from translate.imaging.appearance.transparency import without_paper
from translate.imaging.io import Image, read, write
from translate.imaging.pixels import over_white, top

DRAW = np.random.default_rng(0)
TYPES = [np.uint8, np.uint16, np.float32]


def drawn(dtype, channels=3, height=20, width=14):
    """Colours and alpha of all values, with rows of no and of full alpha."""
    values, alpha = DRAW.random((height, width, channels)), DRAW.random((height, width))
    alpha[:3], alpha[3:6] = 0, 1
    if dtype == np.float32:
        return Image(values.astype(dtype), alpha.astype(dtype), mode="grey" if channels == 1 else "rgb")
    white = top(np.dtype(dtype))
    pixels, alpha = np.rint(values * white).astype(dtype), np.rint(alpha * white).astype(dtype)
    return Image(pixels, alpha, mode="grey" if channels == 1 else "rgb")


def step(dtype):
    return 1 / 65535 if dtype == np.float32 else 1


class Darker(nn.Module):
    """x * 0.9 in [0, 1], of which a part stays as it was: what is laid over white can be taken apart again."""

    multiple = 1

    def __init__(self):
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(0.9))

    def forward(self, x):
        return 1 - (1 - x) * self.rate


@pytest.mark.parametrize("tile", ["off", 6])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", TYPES)
def test_an_identity_gives_back_colours_and_alpha(make, dtype, channels, tile):
    image = drawn(dtype, channels)
    output = make().translate_image(image, tile=tile)
    assert np.abs(output.pixels.astype(float) - image.pixels).max() <= step(dtype)
    assert np.array_equal(output.alpha, image.alpha) and output.pixels.dtype == dtype


@pytest.mark.parametrize("tile", ["off", 6])
@pytest.mark.parametrize("dtype", TYPES)
def test_laid_over_white_it_is_the_flattened_image_translated(make, dtype, tile):
    image, model = drawn(dtype), make(nets={"gen": Darker()})
    output = model.translate_image(image, tile=tile)
    flattened = model.translate_image(Image(image.over_white()), tile=tile)
    visible = image.alpha > 0
    apart = np.abs(output.over_white().astype(float) - flattened.pixels)[visible]
    assert apart.max() <= step(dtype)
    # in [0, 1]: (1 - c') a = 0.9 (1 - c) a
    white = top(np.dtype(dtype))
    wanted = white - 0.9 * (white - image.pixels.astype(float))
    opaque = image.alpha == white
    assert np.abs(output.pixels - wanted)[opaque].max() <= step(dtype)
    assert np.array_equal(output.pixels[~visible], image.pixels[~visible])


def test_the_formula_of_a_dark_shadow():
    """A shadow of 20 at half alpha is 137.5 on paper; made 20 / 255 darker there, its colour is 40 / 255 darker."""
    pixels, alpha = np.full((1, 1, 3), 60, np.uint8), np.full((1, 1), 128, np.uint8)
    output = (over_white(pixels, alpha) - 20.0) / 255
    assert without_paper(output, pixels, alpha) * 255 == pytest.approx(60 - 20 * 255 / 128, abs=1)
    # No colour of that alpha is black on paper: black comes nearest.
    assert not without_paper(np.zeros((1, 1, 3)), pixels, alpha).any()


def test_batches_and_larger_outputs_are_treated_alike(make, tiny):
    from translate.contracts import Direction

    class Twice(tiny):
        directions = {"up": Direction(nets=("gen",), scale=2)}

        def translate(self, nets, inputs, direction, draw):
            return nn.functional.interpolate(nets.gen(inputs["image"]), scale_factor=2)

    image = drawn(np.uint8)
    image = Image(image.pixels, np.full_like(image.alpha, 128))
    for tile in ("off", 6):
        output = make(Twice).translate_image(image, tile=tile)
        assert np.array_equal(output.pixels, image.pixels.repeat(2, 0).repeat(2, 1))
        assert (output.alpha == 128).all()
    images = [drawn(np.uint8), drawn(np.uint16)]
    for given, output in zip(images, make().translate_images(images), strict=True):
        assert np.abs(output.pixels.astype(int) - given.pixels).max() <= 1


def test_ignored_alpha_shows_the_colours_as_stored(make):
    image, model = drawn(np.uint8), make(nets={"gen": Darker()}, handling=Handling("ignore"))
    output = model.translate_image(image)
    assert np.array_equal(output.pixels, model.translate_image(Image(image.pixels)).pixels)
    assert np.array_equal(output.alpha, image.alpha)


@pytest.mark.parametrize("channels", [3, 4])
def test_alpha_as_a_channel_is_translated_as_well(make, channels, tmp_path):
    """As the fourth band of a network that takes four; else as a grey picture of its own."""
    image = drawn(np.uint8)
    model = make(nets={"gen": Darker()}, channels=channels, handling=Handling("channel"))
    for output in (model.translate_image(image), *model.translate_images([image, image])):
        for values, given in ((output.pixels, image.pixels), (output.alpha, image.alpha)):
            assert np.abs(values - (255 - 0.9 * (255.0 - given))).max() <= 0.51


def test_the_option_is_taken_in_every_form(make, tmp_path):
    image = drawn(np.uint8)
    write(tmp_path / "a.png", image)
    model = make(nets={"gen": Darker()})
    wanted = make(nets={"gen": Darker()}, handling=Handling("ignore")).translate_image(image).array
    for given in (tmp_path / "a.png", image.array):
        assert np.array_equal(model(given, alpha="ignore"), wanted)
        assert not np.array_equal(model(given), wanted)
    with pytest.raises(ConfigError, match="alpha is one of over-white, channel, ignore, not 'black'"):
        model(image, alpha="black")
    assert np.array_equal(read(tmp_path / "a.png").array, image.array)
