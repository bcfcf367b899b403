"""Colours that files state by numbers, and samples that are no RGB: as other libraries and closed forms have them."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow, ImageCms

from translate.errors import UnsupportedError
from translate.imaging.appearance.handling import DEFAULT
from translate.imaging.appearance.look import Look
from translate.imaging.colour.spaces import profile_of
from translate.imaging.decode import decode, probe
from translate.imaging.formats.photo.jpegxl import jxl_info
from translate.imaging.io import encode

Array = np.ndarray[Any, Any]
DRAW = np.random.default_rng(0)
COLOUR = DRAW.integers(0, 256, (40, 48, 3), dtype=np.uint8)
DEEP = DRAW.integers(0, 65536, (40, 48, 4)).astype(np.uint16)
SRGB, LAB = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB", 5000)


def tiff(array: Array, **options: Any) -> bytes:
    out = BytesIO()
    tifffile.imwrite(out, array, metadata=None, **options)
    return out.getvalue()


def seen(data: bytes) -> Array:
    """What networks see of a file."""
    image = decode(data, "x")
    return Look(image, DEFAULT).colours(image.pixels)


def by_littlecms(array: Array, profile: bytes) -> Array:
    """Colours of 8 bits by a profile as sRGB."""
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    image = ImageCms.profileToProfile(Pillow.fromarray(array), source, SRGB, renderingIntent=1)
    return np.asarray(image).astype(np.float32) / 255


# ------------------------------------------------------------------------------------------------- colours by numbers


def with_colours(codestream: bytes, primaries: int, transfer: int) -> bytes:
    """A lossless JPEG XL of sRGB that says it is of another space (18181-1: ColourEncoding in ImageMetadata)."""
    bits = [codestream[2 + at // 8] >> at % 8 & 1 for at in range(8 * 16)]
    place = 9 + 9  # behind a small height whose width is 6/5 of it, and fields of 9 bits
    assert bits[place] == 1, "the encoding is the default"
    after = place + 1 + 3  # extensions, and the default of the transform
    chosen = [0, 0, 0, 0, 1, 0]  # no default, no profile, RGB, white D65
    for number in (primaries, transfer):
        chosen += [0, 1, *((number - 2) >> n & 1 for n in range(4))]
        chosen += [0] if number == primaries else []  # no gamma
    chosen += [1, 0]  # an intent
    head = bits[:place] + chosen + bits[place + 1 : after]
    head += [0] * (-len(head) % 8)
    packed = bytes(sum(head[at + n] << n for n in range(8)) for at in range(0, len(head), 8))
    return codestream[:2] + packed + codestream[2 + -(-after // 8) :]


def test_jpeg_xl_says_its_space() -> None:
    plain = bytes(imagecodecs.jpegxl_encode(COLOUR, lossless=True))
    data = with_colours(plain, 11, 13)
    assert jxl_info(data).colours == (12, 13)
    image = decode(data, "x")
    assert np.array_equal(image.pixels, COLOUR) and not image.notes
    assert np.abs(seen(data) - by_littlecms(COLOUR, profile_of("display-p3"))).max() < 2 / 255
    toned = decode(with_colours(plain, 9, 16), "x")
    assert np.array_equal(toned.pixels, COLOUR) and "high dynamic range (PQ)" in toned.notes[0]


@pytest.mark.parametrize(("primaries", "name"), [(12, "display-p3"), (1, None)])
def test_avif_says_its_space(primaries: int, name: str | None) -> None:
    data = bytes(imagecodecs.avif_encode(COLOUR, level=100, primaries=primaries, transfer=13, matrix=1))
    pixels = decode(data, "x").pixels
    right = pixels / np.float32(255) if name is None else by_littlecms(pixels, profile_of("display-p3"))
    assert np.abs(seen(data) - right).max() < 2 / 255


@pytest.mark.parametrize("curve", [1, 6, 14, 15])
def test_codes_of_video_mean_srgb(curve: int) -> None:
    data = bytes(imagecodecs.avif_encode(COLOUR, level=100, primaries=1, transfer=curve, matrix=1))
    assert decode(data, "x").icc is None


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_dynamic_range_is_toned_down_and_comes_back(transfer: int) -> None:
    """White paper (203 cd/m2: 58 % of PQ, 75 % of HLG) is bright, light beyond it brighter, and nothing is lost."""
    y = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    body = b"cICP" + bytes([9, transfer, 0, 1])
    chunk = struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body))
    png = bytes(imagecodecs.png_encode(np.dstack([y] * 3)))
    data = png[:33] + chunk + png[33:]
    image = decode(data, "x")
    assert "toned down" in image.notes[0]
    look = Look(image, DEFAULT)
    colours = look.colours(image.pixels)[..., 1].reshape(-1)
    assert (np.diff(colours) >= -1e-4).all() and colours[0] < 0.01 and colours[-1] > 0.99
    paper = colours[round((0.5807 if transfer == 16 else 0.75) * 65535)]
    assert 0.7 < paper < 0.8  # light 1 becomes about a half, whose sRGB is 0.735
    restored = look.values(look.colours(image.pixels), image.pixels)
    assert np.array_equal(restored, image.pixels)


# ----------------------------------------------------------------------------------------------------- Lab and inks


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind", ["cielab", "icclab"])
def test_lab_becomes_rgb(bits: int, kind: str) -> None:
    """Lab as littlecms makes it of sRGB, in the numbers of each kind."""
    colours = np.kron(DRAW.integers(40, 200, (5, 6, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    lab = imagecodecs.cms_transform(
        (colours / np.float32(255)).astype(np.float32),
        ImageCms.ImageCmsProfile(SRGB).tobytes(),
        ImageCms.ImageCmsProfile(LAB).tobytes(),
        colorspace="rgb",
        outcolorspace="lab",
        intent=1,
    ).astype(np.float64)
    step, half = 1 << bits - 8, 1 << bits - 1
    stored = np.empty(lab.shape, np.int64)
    stored[..., 0] = np.rint(lab[..., 0] / 100 * ((1 << bits) - 1))
    ab = np.rint(lab[..., 1:] * step).astype(np.int64)
    stored[..., 1:] = ab % (2 * half) if kind == "cielab" else ab + half
    array = stored.astype(f"u{bits // 8}")
    image = decode(tiff(array, photometric=8 if kind == "cielab" else 9, compression="zlib"), "x")
    assert image.mode == "rgb" and image.bits == bits and image.icc is None
    apart = np.abs(image.pixels / (257 if bits == 16 else 1) - colours)
    assert apart.max() <= (5 if bits == 8 else 0.6)


def test_inks_of_sixteen_bits() -> None:
    image = decode(tiff(DEEP, photometric="separated"), "x")
    c = DEEP / 65535
    right = (1 - c[..., :3]) * (1 - c[..., 3:])
    assert image.pixels.dtype == np.uint16 and np.abs(image.pixels / 65535 - right).max() < 1 / 65535


def test_inks_with_alpha() -> None:
    array = DRAW.integers(0, 256, (40, 48, 5), dtype=np.uint8)
    image = decode(tiff(array, photometric="separated", extrasamples=["unassalpha"]), "x")
    right = (1 - array[..., :3] / 255) * (1 - array[..., 3:4] / 255)
    assert np.abs(image.pixels / 255 - right).max() < 1 / 255
    assert image.alpha is not None and np.array_equal(image.alpha, array[..., 4])


# ------------------------------------------------------------------------------------------------------ sparse files


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("nodata", [None, 7])
def test_tiles_that_are_left_out(dtype: Any, nodata: int | None) -> None:
    """GDAL leaves out tiles that hold nothing: 0, or what is no data."""
    pixels = DRAW.integers(8, 200, (64, 64)).astype(dtype)
    options = {} if nodata is None else {"extratags": [(42113, "s", 0, str(nodata), True)]}
    data = bytearray(tiff(pixels, tile=(16, 16), compression="zlib", **options))
    with tifffile.TiffFile(BytesIO(data)) as file:
        offsets, counts = (file.pages[0].tags[number] for number in (324, 325))
    for tag in (offsets, counts):
        size = {3: 2, 4: 4}[int(tag.dtype)]
        for number in (3, 4, 15):
            data[tag.valueoffset + number * size : tag.valueoffset + (number + 1) * size] = bytes(size)
    for number in (3, 4, 15):
        row, column = divmod(number, 4)
        pixels[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = nodata or 0
    assert np.array_equal(decode(bytes(data), "x").pixels[..., 0], pixels)


# ------------------------------------------------------------------------------------------------------ float maps


@pytest.mark.parametrize("channels", [1, 3])
def test_float_maps_keep_any_value(channels: int, tmp_path: Any) -> None:
    import cv2

    pixels = DRAW.normal(0, 100, (30, 20, channels)).astype(np.float32)
    data = encode(pixels, ".pfm")
    assert np.array_equal(decode(data, "x").pixels, pixels)
    (tmp_path / "x.pfm").write_bytes(data)
    other = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED).reshape(30, 20, channels)
    assert np.array_equal(other[..., ::-1], pixels)
    assert probe(tmp_path / "x.pfm").float
    image = decode(encode(COLOUR, ".pfm"), "x")
    assert np.array_equal(np.rint(image.pixels * 255), COLOUR)


@pytest.mark.parametrize(
    ("array", "options", "words"),
    [
        (DEEP[..., 0].astype(np.uint64), {}, "unsigned samples of 64 bits"),
        (DEEP[..., 0].astype(np.complex64), {}, "complex or unknown samples of 64 bits"),
        (
            DEEP[..., 0],
            {"photometric": "palette", "colormap": np.zeros((3, 65536), np.uint16)},
            r"unsigned samples of 16 bits \(a palette",
        ),
    ],
)
def test_samples_that_are_not_read_are_named(array: Array, options: Any, words: str) -> None:
    with pytest.raises(UnsupportedError, match=f"x: TIFF of {words}"):
        decode(tiff(array, **options), "x")
