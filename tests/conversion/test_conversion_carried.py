"""What files say, carried from one format into another; read again by other libraries where there are some."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow, IptcImagePlugin
from PIL.PngImagePlugin import PngInfo

from translate.console import PlainConsole
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.imaging.appearance.handling import DEFAULT
from translate.imaging.appearance.look import Look
from translate.imaging.colour.spaces import profile_of
from translate.imaging.decode import decode
from translate.imaging.formats.photo.boxes import boxes
from translate.imaging.formats.photo.jpegxl import jxl_info
from translate.imaging.image import Image
from translate.imaging.io import encode, read

DRAW = np.random.default_rng(0)
COLOUR = DRAW.integers(0, 256, (24, 32, 3), dtype=np.uint8)
DEEP = DRAW.integers(0, 65536, (24, 32, 3)).astype(np.uint16)
P3 = profile_of("display-p3")


def converted(make: Any, tmp_path: Path, suffix: str) -> Path:
    """The only file of `in`, as another format."""
    console = PlainConsole(io.StringIO(), io.StringIO())
    options = ConvertOptions(format=suffix.removeprefix("."), quality=100)
    assert not convert(tmp_path / "in", tmp_path / f"out{suffix}", make(), options, console=console).failures
    (output,) = (tmp_path / f"out{suffix}").glob(f"*{suffix}")
    return output


def test_texts_of_png_in_tiff_and_back(make: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    texts = PngInfo()
    for word, text in (("Title", "A & B <c>"), ("Author", "A Name"), ("prompt", '{"steps": 30}'), ("Ort", "北京")):
        texts.add_itxt(word, text)
    Pillow.fromarray(COLOUR).save(tmp_path / "in/a.png", pnginfo=texts)
    output = converted(make, tmp_path, ".tif")
    with tifffile.TiffFile(output) as file:
        tags = file.pages[0].tags
        assert tags[270].value == "A & B <c>" and tags[315].value == "A Name"
        assert "steps" in tags[42112].value and 'name="Ort"' in tags[42112].value
    metadata = read(output).metadata
    assert metadata and dict(metadata.texts)["prompt"] == '{"steps": 30}' and dict(metadata.texts)["Ort"] == "北京"
    (tmp_path / "in/a.png").unlink()
    (tmp_path / "in/a.tif").write_bytes(output.read_bytes())
    with Pillow.open(converted(make, tmp_path, ".png")) as file:
        assert file.text["prompt"] == '{"steps": 30}' and file.text["Ort"] == "北京"


@pytest.mark.parametrize("source", [".jpg", ".tif"])
@pytest.mark.parametrize("target", [".jpg", ".tif"])
def test_captions_of_press_photos(make: Any, source: str, target: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    record = b"\x1c\x02\x78\x00\x09A caption\x1c\x02\x50\x00\x06A Name"
    if source == ".tif":
        tags = [(33723, "B", len(record), record, True)]
        tifffile.imwrite(tmp_path / "in/a.tif", COLOUR, photometric="rgb", metadata=None, extratags=tags)
    else:
        resource = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + len(record).to_bytes(4, "big") + record
        data = encode(COLOUR, ".jpg")
        segment = b"\xff\xed" + (len(resource) + 2).to_bytes(2, "big") + resource
        (tmp_path / "in/a.jpg").write_bytes(data[:2] + segment + data[2:])
    with Pillow.open(converted(make, tmp_path, target)) as file:
        facts = IptcImagePlugin.getiptcinfo(file)
    assert facts and facts[2, 120] == b"A caption" and facts[2, 80] == b"A Name"


@pytest.mark.parametrize("pixels", [COLOUR, DEEP])
def test_jpeg_2000_with_a_profile_is_turned_once(pixels: Any) -> None:
    image = decode(encode(Image(pixels, icc=P3), ".jp2", quality=100), "x")
    assert image.icc == P3 and np.array_equal(image.pixels, pixels)


@pytest.mark.parametrize("suffix", [".jxl", ".bmp", ".exr", ".pfm"])
def test_formats_without_a_profile_hold_srgb_and_the_rest(make: Any, suffix: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    exif = Pillow.Exif()
    exif[315] = "A Name"
    path = tmp_path / "in/a.png"
    Pillow.fromarray(COLOUR).save(path, icc_profile=P3, exif=exif, dpi=(300, 300))
    image, output = read(path), read(converted(make, tmp_path, suffix))
    right = Look(image, DEFAULT).colours(image.pixels)
    stored = output.pixels / (255 if output.bits == 8 else 1)
    assert output.icc is None and np.abs(stored - right).max() < 0.51 / 255
    if suffix in (".jxl", ".bmp"):
        assert output.metadata and output.metadata.resolution == pytest.approx((300, 300), abs=0.02)
    if suffix == ".jxl":
        assert output.metadata and b"A Name" in output.metadata.exif


@pytest.mark.parametrize("quality", [90, 100])
@pytest.mark.parametrize("pixels", [DEEP, DEEP[..., :1], (DEEP / 65535).astype(np.float32)])
def test_deep_jpeg_xl_is_lossless_and_no_linear_light(pixels: Any, quality: int) -> None:
    data = encode(pixels, ".jxl", quality=quality)
    codestream = data if data.startswith(b"\xff\x0a") else dict(boxes(data))[b"jxlc"]
    info = jxl_info(codestream)
    assert not info.curve_at and info.colours in ((1, 13), (0, 0)) and not info.xyb
    assert np.array_equal(imagecodecs.jpegxl_decode(data).reshape(pixels.shape), pixels)
    image = decode(data, "x")
    assert image.icc is None and np.array_equal(image.pixels, pixels)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_avif_is_lossless_for_others_too(channels: int) -> None:
    array = DRAW.integers(0, 256, (24, 32, channels), dtype=np.uint8)
    data = encode(array, ".avif", quality=100)
    other = imagecodecs.avif_decode(data)
    right = array if channels != 2 else array[..., [0, 0, 0, 1]]
    assert np.array_equal(other.reshape(right.shape), right)
    with Pillow.open(io.BytesIO(data)) as file:
        file.load()
        assert file.size == (32, 24)
