"""CMYK with a profile: networks see its colours on paper, and a file of inks comes out."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow, ImageCms
from press_profile import press
from torch import nn

from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.imaging.guard.reader import GuardedReader
from translate.imaging.io import read

PROFILE = press()
DRAW = np.random.default_rng(0)
VALUES = np.kron(DRAW.integers(0, 256, (6, 8, 4)), np.ones((8, 8, 1))).astype(np.uint8)


def by_pillow(values: np.ndarray) -> np.ndarray:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(PROFILE))
    picture = Pillow.fromarray(values, "CMYK")
    made = ImageCms.profileToProfile(
        picture, profile, ImageCms.createProfile("sRGB"), renderingIntent=1, outputMode="RGB"
    )
    return np.asarray(made)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    picture = Pillow.fromarray(VALUES, "CMYK")
    picture.save(tmp_path / "in/a.tif", icc_profile=PROFILE)
    picture.save(tmp_path / "in/a.jpg", icc_profile=PROFILE, quality=100, subsampling=0)
    picture.save(tmp_path / "in/plain.tif")
    return tmp_path


@pytest.mark.parametrize("name", ["a.tif", "a.jpg"])
def test_networks_see_the_colours_on_paper(folder, make, name):
    image = read(folder / "in" / name)
    with Pillow.open(folder / "in" / name) as file:
        values = np.asarray(file)
    assert np.abs(image.pixels.astype(int) - by_pillow(values)).max() <= 2 and image.mode == "cmyk"
    assert np.array_equal(image.inks.values, values) and np.array_equal(make()(folder / "in" / name), image.pixels)
    with GuardedReader(workers=1) as reader:
        guarded = reader.read(folder / "in" / name)
    assert np.array_equal(guarded.inks.values, values) and guarded.inks.profile == PROFILE and guarded.icc is None


def test_what_stays_keeps_its_inks(folder, make, told):
    convert(folder / "in", folder / "out", make(), ConvertOptions(quality=100), console=told)
    for name, steps in (("a.tif", 1), ("a.jpg", 3), ("plain.tif", 0)):
        with Pillow.open(folder / "in" / name) as before, Pillow.open(folder / "out" / name) as after:
            wanted = before if name != "plain.tif" else before.convert("RGB")
            assert after.mode == wanted.mode and after.info.get("icc_profile") == before.info.get("icc_profile")
            assert np.abs(np.asarray(after).astype(int) - np.asarray(wanted)).max() <= steps


def test_what_changes_is_mixed_anew(folder, make, told):
    inverse = nn.Conv2d(3, 3, 1, bias=False)
    nn.init.dirac_(inverse.weight)
    inverse.weight.data *= -1
    convert(folder / "in", folder / "out", make(nets={"gen": inverse}), ConvertOptions(), console=told)
    with Pillow.open(folder / "out/a.tif") as after:
        seen = by_pillow(np.asarray(after))
    # A table of 17 steps for each of L, a and b is coarse.
    assert np.abs(seen.astype(int) - (255 - by_pillow(VALUES).astype(int))).mean() < 8
    convert(folder / "in", folder / "png", make(), ConvertOptions(format="png"), console=told)
    assert np.array_equal(read(folder / "png/a.png").pixels, read(folder / "in/a.jpg").pixels)
