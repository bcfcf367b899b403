"""PIL images of every mode and arrays of every type: treated as their files are, or refused in words."""

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from translate.errors import ConfigError, DataError
from translate.imaging.appearance.pillow_images import from_pillow
from translate.imaging.convert import as_image
from translate.imaging.io import read

DRAW = np.random.default_rng(4)
RGB = DRAW.integers(0, 256, (8, 12, 3), dtype=np.uint8)
GREY = RGB[..., 0].copy()
DEEP = DRAW.integers(0, 65536, (8, 12), dtype=np.uint16)


def picture(mode):
    if mode == "I;16":
        return Pillow.fromarray(DEEP)
    if mode == "I":
        return Pillow.fromarray(DEEP.astype(np.int32) - 700)
    if mode == "F":
        return Pillow.fromarray((GREY / 255).astype(np.float32))
    if mode == "P":
        return Pillow.fromarray(RGB).quantize(16)
    if mode in ("LA", "PA"):
        return Pillow.fromarray(np.dstack([GREY, RGB[..., 1]]), "LA").convert(mode)
    return Pillow.fromarray(np.dstack([RGB, GREY]), "RGBA").convert(mode)


CASES = [
    *((mode, "png", {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    *((mode, "tif", {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F")),
    ("L", "png", {"transparency": int(GREY[0, 0])}),
    ("RGB", "png", {"transparency": tuple(map(int, RGB[0, 0]))}),
    ("I;16", "png", {"transparency": int(DEEP[0, 0])}),
    ("P", "png", {"transparency": 3}),
    ("1", "png", {"transparency": 0}),
    ("CMYK", "jpg", {"quality": 95}),
]


@pytest.mark.parametrize(("mode", "suffix", "options"), CASES)
def test_a_picture_of_any_mode_is_treated_as_its_file(mode, suffix, options, tmp_path):
    path = tmp_path / f"a.{suffix}"
    picture(mode).save(path, **options)
    file = read(path)
    with Pillow.open(path) as opened:
        image = from_pillow(opened)
    assert image.pixels.dtype == file.pixels.dtype
    apart = np.abs(image.array.astype(float) - np.broadcast_to(file.array, image.array.shape).astype(float))
    assert image.array.shape[2] % 2 == file.array.shape[2] % 2 and apart.max() == 0


def test_modes_that_no_file_has():
    swapped = Pillow.frombytes("I;16B", (12, 8), DEEP.astype(">u2").tobytes())
    assert np.array_equal(from_pillow(swapped).pixels[..., 0], DEEP)
    older = Pillow.fromarray(DEEP.astype(np.int32))  # what Pillow made of a PNG of 16 bits before version 11
    assert older.mode == "I" and np.array_equal(from_pillow(older).pixels[..., 0], DEEP)
    times_alpha = Pillow.fromarray(np.dstack([GREY, RGB[..., 1]]), "LA").convert("La")
    image, wanted = from_pillow(times_alpha), GREY.astype(float)
    assert np.array_equal(image.alpha, RGB[..., 1])
    # One step of what is stored is 255 / alpha of the grey.
    assert (np.abs(image.pixels[..., 0] - wanted) * image.alpha <= 255).all()


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "RGBX", "LAB"])
def test_colours_in_other_coordinates_become_rgb(mode, make):
    from PIL import ImageCms

    rgb = Pillow.fromarray(RGB)
    if mode == "LAB":
        srgb, lab = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
        other = ImageCms.profileToProfile(rgb, srgb, lab, outputMode="LAB")
    else:
        other = rgb.convert(mode)
    made = np.asarray(make()(other)).astype(int)
    assert made.shape == RGB.shape and np.abs(made - RGB.astype(int)).mean() < 4


def test_pictures_that_cannot_be(tmp_path):
    with pytest.raises(ConfigError, match="0 x 0 pixels"):
        from_pillow(Pillow.new("RGB", (0, 0)))
    path = tmp_path / "cut.jpg"
    Pillow.fromarray(np.tile(RGB, (40, 40, 1))).save(path)
    path.write_bytes(path.read_bytes()[:9000])
    with Pillow.open(path) as cut, pytest.raises(DataError, match="truncated"):
        from_pillow(cut)
    holes = (GREY / 255).astype(np.float32)
    holes[0, 0] = np.nan
    with pytest.raises(DataError, match="1 of 96 samples are NaN"):
        from_pillow(Pillow.fromarray(holes))


def test_deep_and_float_greys_come_back_as_they_are(make):
    grey = make(channels=1)
    floats = grey(picture("F"))
    assert floats.mode == "F" and np.abs(np.asarray(floats) - GREY / 255).max() < 1e-6
    assert np.array_equal(np.asarray(grey(Pillow.fromarray(DEEP))), DEEP)
    assert make()(picture("F")).mode == "RGB"
    counts = Pillow.fromarray(GREY.astype(np.float32))
    with pytest.raises(DataError, match="say what is white"):
        grey(counts)
    assert np.abs(np.asarray(grey(counts, white=255)) - GREY).max() < 1e-3


@pytest.mark.parametrize(
    "array",
    [GREY.astype(">u2"), (RGB / 255).astype(">f4"), RGB / 255, (RGB / 255).astype(np.float16), GREY.astype(np.int16)],
    ids=lambda array: array.dtype.str,
)
def test_an_array_is_treated_as_its_file(array, tmp_path):
    np.save(tmp_path / "a.npy", array)
    file, image = read(tmp_path / "a.npy"), as_image(array)
    assert image.pixels.dtype == file.pixels.dtype and np.array_equal(image.pixels, file.pixels)


def test_odd_arrays(make):
    model = make()
    assert np.array_equal(model(GREY > 99)[..., 0], (GREY > 99) * np.uint8(255))
    assert model(GREY.view(np.matrix)).shape == (8, 12, 3)
    assert np.array_equal(model(RGB[::-1, ::-1]), RGB[::-1, ::-1])
    frozen = RGB.copy()
    frozen.flags.writeable = False
    assert np.array_equal(model(frozen), RGB)
    assert np.array_equal(model(np.ma.masked_array(RGB, False)), RGB)
    for odd, message in (
        (np.ma.masked_array(RGB, RGB > 99), "masked"),
        (GREY.astype(int), r"8 x 12 of int64; `.astype\(np.uint8\)` says that white is 255"),
        (GREY.astype(complex), "complex128"),
        (GREY.astype(object), "object"),
        (np.array(3), "a single number"),
        (GREY[0], "not 12 of uint8"),
        (np.zeros((0, 4, 3), np.uint8), "0 x 4 x 3"),
    ):
        with pytest.raises(ConfigError, match=message):
            model(odd)


def test_batches_of_arrays_and_of_nothing(make):
    model = make()
    assert model([]) == model(()) == model([], samples=2) == []
    batch = np.stack([RGB, RGB[::-1]])
    assert np.array_equal(model(batch), batch)
    assert model(batch[:0]).shape == (0, 8, 12, 3)
    assert model(torch.zeros(0, 1, 8, 12)).shape == (0, 3, 8, 12)
