"""Colour spaces: profiles that are written here, judged by Pillow's littlecms, and the ways of images through them."""

import numpy as np
import pytest
from PIL import Image as Pillow, ImageCms

from translate.errors import DataError
from translate.imaging.appearance.handling import DEFAULT, Handling
from translate.imaging.appearance.look import Look, as_training_image
from translate.imaging.colour.matrix_profile import SRGB_CURVE, Space
from translate.imaging.colour.spaces import D65, SPACES, SRGB, cicp_profile, gamma_profile, profile_of
from translate.imaging.colour.transform import transform_of
from translate.imaging.io import Image, read, write

DRAW = np.random.default_rng(0)
PILLOWS = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photo(dtype=np.uint8, height=24, width=20):
    """Colours inside sRGB, as wide a space may have them."""
    return DRAW.integers(0, 256, (height, width, 3)).astype(np.uint8) if dtype == np.uint8 else None


def in_space(pixels, name):
    """sRGB pixels in another space, by Pillow."""
    other = ImageCms.ImageCmsProfile(__import__("io").BytesIO(profile_of(name)))
    made = ImageCms.profileToProfile(
        Pillow.fromarray(pixels), ImageCms.createProfile("sRGB"), other, renderingIntent=1, outputMode="RGB"
    )
    return np.asarray(made)


def test_the_formula_of_adobe_rgb():
    """Red of sRGB is (0.8586, 0, 0) to the power of 1 / 2.19921875 in Adobe RGB (1998): 219 of 255."""
    transform = transform_of(profile_of("adobe-rgb"), 3, "srgb")
    red = transform.back(np.array([[[1.0, 0, 0]]], np.float32))
    linear = 0.4124564 / 0.5767309  # the share of red's X in that of Adobe's red
    assert red[0, 0, 0] == pytest.approx(linear ** (256 / 563), abs=2e-3) and red[0, 0, 1] < 0.02


def test_profiles_of_srgb_are_one():
    assert transform_of(PILLOWS, 3, "srgb") is None and transform_of(profile_of("srgb"), 3, "srgb") is None
    assert transform_of(Space(D65, SRGB_CURVE).profile("grey"), 1, "srgb") is None


@pytest.mark.parametrize("junk", [b"", b"profile", b"\0" * 200, PILLOWS[:300], PILLOWS[:-200] + bytes(200)])
def test_a_damaged_profile_is_none(junk):
    transform = transform_of(junk, 3, "srgb")
    assert transform is None or transform.into(np.ones((1, 1, 3), np.float32)).shape == (1, 1, 3)
    assert transform_of(PILLOWS, 1, "srgb") is None  # not one of greys


@pytest.mark.parametrize("name", [name for name in SPACES if name != "srgb"])
def test_networks_see_srgb_and_files_keep_their_space(make, name):
    pixels = photo()
    stored = in_space(pixels, name)
    assert np.abs(stored.astype(int) - pixels).mean() > 3
    image = Image(stored, icc=profile_of(name))
    look = Look(image, DEFAULT)
    # 8 bits of a wide space are steps of several in sRGB, where colours are dark.
    assert np.abs(look.colours(stored) * 255 - pixels).mean() < 1.2
    for tile in ("off", 7):
        output = make().translate_image(image, tile=tile)
        assert np.array_equal(output.pixels, stored) and output.icc == image.icc
    plain = make(handling=Handling(colour="as-is")).translate_image(image)
    assert np.array_equal(plain.pixels, stored)


def test_as_is_keeps_numbers_and_named_spaces_are_seen():
    stored = in_space(photo(), "adobe-rgb")
    image = Image(stored, icc=profile_of("adobe-rgb"))
    assert Look(image, Handling(colour="as-is")).plain and Look(image, Handling(colour="adobe-rgb")).plain
    assert not Look(Image(stored), Handling(colour="adobe-rgb")).plain  # without a profile it is sRGB


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_colours_beyond_srgb_survive_where_nothing_changes(make, dtype):
    values = DRAW.random((16, 12, 3))
    pixels = values.astype(dtype) if dtype == np.float32 else np.rint(values * np.iinfo(dtype).max).astype(dtype)
    image = Image(pixels, icc=profile_of("prophoto"))
    output = make().translate_image(image)
    assert np.abs(output.pixels.astype(float) - pixels).max() <= (1e-5 if dtype == np.float32 else 1)


def test_images_of_data_become_srgb():
    pixels = photo()
    image = as_training_image(Image(in_space(pixels, "adobe-rgb"), icc=profile_of("adobe-rgb")), DEFAULT)
    assert image.icc is None and np.abs(image.pixels.astype(int) - pixels).mean() < 1


def test_greys_of_another_gamma(make):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    image = Image(grey, icc=gamma_profile(1.0, None, grey=True), mode="grey")
    seen = Look(image, DEFAULT).colours(grey)
    linear = grey / 255
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(seen - srgb).max() < 1e-3
    assert np.array_equal(make(channels=1).translate_image(image).pixels, grey)


def test_what_describes_srgb_needs_no_profile():
    assert cicp_profile(1, 13) is None and cicp_profile(9, 2) is None and cicp_profile(12, 13) is not None
    assert gamma_profile(2.2, (D65, *SRGB), grey=False) is None and gamma_profile(None, None, grey=False) is None
    assert gamma_profile(1.0, None, grey=False) is not None
    assert gamma_profile(2.2, (D65, (0.3, 0.3), (0.3, 0.3), (0.3, 0.3)), grey=False) is None  # no space at all


def test_a_format_without_profiles_holds_srgb(tmp_path):
    pixels = photo()
    write(tmp_path / "a.bmp", Image(in_space(pixels, "adobe-rgb"), icc=profile_of("adobe-rgb")))
    assert np.abs(read(tmp_path / "a.bmp").pixels.astype(int) - pixels).mean() < 1


def test_floats_of_another_range_are_no_colours(make):
    heights = Image(np.full((8, 8, 3), 300, np.float32), icc=profile_of("adobe-rgb"))
    with pytest.raises(DataError, match="floats from 300 to 300"):
        make().translate_image(heights)
    assert as_training_image(heights, DEFAULT) is heights


def test_a_large_photograph_is_turned_colour_by_colour(make):
    pixels = DRAW.integers(0, 256, (640, 640, 3)).astype(np.uint8) // 4 * 4
    image = Image(pixels, icc=profile_of("display-p3"))
    look = Look(image, DEFAULT)
    rows = np.concatenate([look.colours(pixels[first : first + 64]) for first in range(0, 640, 64)])
    assert np.array_equal(look.colours(pixels), rows)
    assert np.array_equal(make().translate_image(image).pixels, pixels)
