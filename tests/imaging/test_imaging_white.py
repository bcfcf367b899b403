"""Counts that do not fill their type: black and white by the file, or as stated, on the way in and out."""

import numpy as np
import pytest

from translate.imaging.appearance.handling import DEFAULT, Handling
from translate.imaging.appearance.look import Look, white_of
from translate.imaging.io import Image

COUNTS = np.arange(4096, dtype=np.uint16).reshape(64, 64, 1)


def test_what_is_stated_comes_before_what_the_file_says():
    image = Image(COUNTS, ranges=((0, 4000),), mode="grey")
    assert white_of(image, DEFAULT) == (0, 4000) and white_of(image, Handling(white=4095)) == (0, 4095)
    assert white_of(Image(COUNTS, mode="grey"), DEFAULT) is None
    assert white_of(Image(COUNTS, mode="grey"), Handling(white=65535)) is None
    assert white_of(Image(COUNTS.astype(np.uint8), mode="grey"), Handling(white=4095)) is None
    assert white_of(Image(np.dstack([COUNTS] * 5), mode="bands"), Handling(white=4095)) is None


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.float32])
def test_counts_become_colours_and_counts_again(dtype):
    pixels = COUNTS.astype(dtype)
    look = Look(Image(pixels, mode="grey"), Handling(white=4095))
    colours = look.colours(pixels)
    assert np.allclose(colours, COUNTS / 4095, atol=1e-7) and colours.dtype == np.float32
    assert np.abs(look.values(colours, pixels) - pixels).max() <= (1e-3 if dtype == np.float32 else 0)
    # Half as bright: half the counts.
    assert np.abs(look.values(colours / 2, pixels) - COUNTS / 2).max() <= 0.51


def test_black_above_zero():
    image = Image(COUNTS, ranges=((100, 4000),), mode="grey")
    colours = Look(image, DEFAULT).colours(COUNTS)
    assert colours.min() == 0 and colours.max() == 1 and colours[2, 50, 0] == pytest.approx((178 - 100) / 3900)


def test_values_above_white_survive_where_nothing_changes():
    pixels = np.array([[[5000], [4095], [60000]]], np.uint16)
    look = Look(Image(pixels, mode="grey"), Handling(white=4095))
    colours = look.colours(pixels)
    assert np.array_equal(colours, np.ones_like(colours))
    assert np.array_equal(look.values(colours, pixels), pixels)
    assert np.array_equal(look.values(np.zeros_like(colours), pixels), np.zeros_like(pixels))


def test_counts_are_shown_by_their_white():
    shown = Image(COUNTS, ranges=((0, 4095),), mode="grey").shown()
    assert shown.max() == 255 and np.abs(shown - COUNTS / 4095 * 255).max() <= 0.51
