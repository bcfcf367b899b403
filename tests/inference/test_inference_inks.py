"""CMYK with a profile: networks see its colours on paper, and a file of inks comes out."""

import io
import struct

import numpy as np
import pytest
from PIL import Image as Pillow, ImageCms
from torch import nn

from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.imaging.guard.reader import GuardedReader
from translate.imaging.io import read

GRID = 9


def press() -> bytes:
    """The profile of a press whose inks are ideal filters: red light is (1 - c) (1 - k), and so on."""
    axis = np.linspace(0, 1, GRID)
    c, m, y, k = np.meshgrid(axis, axis, axis, axis, indexing="ij")
    light = np.stack([(1 - c) * (1 - k), (1 - m) * (1 - k), (1 - y) * (1 - k)], -1)
    to_lab = lab_of(light)
    lightness, a, b = np.meshgrid(np.linspace(0, 100, 17), *[np.linspace(-128, 127, 17)] * 2, indexing="ij")
    light = light_of(np.stack([lightness, a, b], -1)).clip(0, 1)
    black = 1 - light.max(-1, keepdims=True)
    inks = 1 - light / np.maximum(1 - black, 1e-6)
    back = np.concatenate([inks.clip(0, 1), black], -1)
    encoded = np.stack([to_lab[..., 0] / 100 * 0xFF00, *((to_lab[..., n] + 128) * 256 for n in (1, 2))], -1)
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 6) + b"Press\0" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"None\0",
        b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061),
        b"A2B0": table(encoded, 4, 3, GRID),
        b"B2A0": table(back * 65535, 3, 4, 17),
    }
    at, listed, content = 128 + 4 + 12 * len(tags), b"", b""
    for tag, value in tags.items():
        listed += tag + struct.pack(">2I", at + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    size = at + len(content)
    head = struct.pack(">I4sI4s4s4s12x4s", size, b"", 0x02400000, b"prtr", b"CMYK", b"Lab ", b"acsp") + bytes(28)
    head += struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + listed + content


def table(values: np.ndarray, inputs: int, outputs: int, grid: int) -> bytes:
    """A table of 16 bits (lut16Type) with straight curves."""
    head = b"mft2" + bytes(4) + struct.pack(">4B", inputs, outputs, grid, 0)
    head += struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536) + struct.pack(">2H", 2, 2)
    straight = struct.pack(">2H", 0, 65535)
    return head + straight * inputs + np.rint(values).clip(0, 65535).astype(">u2").tobytes() + straight * outputs


D50 = np.array([0.9642, 1.0, 0.8249])
TO_XYZ = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])


def lab_of(light: np.ndarray) -> np.ndarray:
    x = light @ TO_XYZ.T / D50
    f = np.where(x > (6 / 29) ** 3, np.cbrt(x), x / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def light_of(lab: np.ndarray) -> np.ndarray:
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], -1)
    x = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * D50
    return x @ np.linalg.inv(TO_XYZ).T


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
