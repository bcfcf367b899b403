"""A picture of Pillow is treated as its file is."""

import numpy as np
import pytest
from PIL import ExifTags, Image as Pillow

from translate.imaging.appearance.pillow_images import from_pillow, to_pillow
from translate.imaging.colour.spaces import profile_of
from translate.imaging.io import read

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def saved(path, orientation=1, **options):
    block = Pillow.Exif()
    block[ExifTags.Base.Orientation], block[ExifTags.Base.Artist] = orientation, "A Name"
    Pillow.fromarray(PIXELS).save(path, exif=block.tobytes(), dpi=(300, 200), **options)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_the_picture_and_its_path_are_one(tmp_path, make, suffix, orientation):
    path = saved(tmp_path / f"a{suffix}", orientation, icc_profile=profile_of("adobe-rgb"))
    with Pillow.open(path) as picture:
        image, file = from_pillow(picture), read(path)
    with Pillow.open(path) as picture:
        made = make()(picture)
    assert np.array_equal(image.pixels, file.pixels) and image.icc == file.icc
    assert image.metadata.resolution == pytest.approx(file.metadata.resolution, abs=0.01)
    assert np.array_equal(np.asarray(made), make()(path)) and made.size == file.pixels.shape[1::-1]
    assert made.info["icc_profile"] == file.icc
    assert made.info["dpi"] == pytest.approx(file.metadata.resolution, abs=0.01)
    again = Pillow.Exif()
    again.load(made.info["exif"])
    assert again[ExifTags.Base.Artist] == "A Name" and again.get(ExifTags.Base.Orientation, 1) == 1


def test_16_bits_alpha_and_palettes(make):
    deep = Pillow.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 257)
    assert deep.mode == "I;16"
    made = make(channels=1)(deep)
    assert made.mode == "I;16" and np.array_equal(np.asarray(made), np.asarray(deep))
    clear = Pillow.fromarray(np.dstack([PIXELS, PIXELS[..., :1]]))
    assert np.array_equal(np.asarray(make()(clear)), np.asarray(clear))
    few = Pillow.fromarray(PIXELS).quantize(8)
    assert np.array_equal(np.asarray(make()(few)), np.asarray(few.convert("RGB")))
    assert make()([]) == []


def test_deep_colours_are_rounded():
    image = from_pillow(Pillow.fromarray(PIXELS))
    deep = type(image)(np.minimum(image.pixels.astype(np.uint32) * 257 + 100, 65535).astype(np.uint16))
    assert np.array_equal(np.asarray(to_pillow(deep)), PIXELS)
