"""The read and the write path, against Pillow, closed forms and files built by hand."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_images import picture, saved, smooth
from hypothesis import given, settings, strategies as st
from PIL import Image as Pillow, ImageCms, ImageOps

from translate.errors import ConfigError, DataError
from translate.imaging.io import READABLE, SUFFIXES, Image, Limits, decode, encode, probe, read, write

FORMATS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "TIFF": "tif", "BMP": "bmp"}


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, bits: int, colour: int, rows: list[bytes], *extra: bytes, interlace: int = 0) -> bytes:
    """A PNG written by hand: filter 0 on every row."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_lossless_formats_return_what_was_written(channels: int, dtype: Any, suffix: str, tmp_path: Path) -> None:
    array, path = picture(7, 9, channels, dtype), tmp_path / f"ä ö{suffix}"
    write(path, array)
    image, header = read(path), probe(path)
    assert np.array_equal(image.array, array)
    assert image.array.dtype == dtype and header.bits == image.bits == 8 * array.itemsize
    assert (header.width, header.height, header.alpha) == (9, 7, channels in (2, 4))
    assert header.channels == image.pixels.shape[2]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".bmp"])
def test_what_a_format_cannot_hold_has_one_answer(suffix: str) -> None:
    flat = np.zeros((16, 16, 4), np.uint16)
    flat[..., 0], flat[..., 3] = 65535, 32768  # half transparent red
    image = decode(encode(flat, suffix, quality=100), "x")
    assert image.bits == 8
    if suffix == ".webp":
        assert np.abs(image.array[0, 0].astype(int) - [255, 0, 0, 128]).max() <= 3
    else:
        assert image.alpha is None and np.abs(image.pixels[0, 0].astype(int) - [255, 127, 127]).max() <= 3


def test_grey_is_kept_where_the_format_has_grey() -> None:
    for suffix in (".jpg", ".png", ".tif", ".bmp"):
        assert decode(encode(picture(channels=1), suffix), "x").pixels.shape == (24, 32, 1)


def test_webp_of_quality_100_is_lossless() -> None:
    assert np.array_equal(decode(encode(picture(), ".webp", quality=100), "x").pixels, picture())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied_once(orientation: int, fmt: str, tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "x.png"
    path.write_bytes(saved(smooth(40, 64), fmt, exif=exif))
    with Pillow.open(path) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    image = read(path)
    assert np.array_equal(image.pixels, expected)
    assert (probe(path).height, probe(path).width) == expected.shape[:2]
    again = decode(encode(image, ".png"), "again")
    assert np.array_equal(again.pixels, expected)


@pytest.mark.parametrize("at", [33, -12], ids=["before the data", "behind it"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_exif_orientation_of_16_bit_files(orientation: int, at: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    plain = encode(picture(5, 8, 3, np.uint16), ".png")
    turned = decode(plain[:at] + chunk(b"eXIf", exif.tobytes()[6:]) + plain[at:], "x")
    turns = {3: 2, 6: -1, 8: 1}[orientation]
    assert np.array_equal(turned.pixels, np.rot90(picture(5, 8, 3, np.uint16), turns))


@pytest.mark.parametrize(("bits", "values"), [(1, [0, 255]), (2, [0, 85, 170, 255]), (4, list(range(0, 256, 17)))])
def test_few_bits_of_grey_spread_over_eight(bits: int, values: list[int]) -> None:
    packed = sum(v << (bits * (len(values) - 1 - v)) for v in range(len(values))).to_bytes(
        -(-len(values) * bits // 8), "big"
    )
    if bits == 1:
        packed = bytes([packed[0] << 6])
    image = decode(png(len(values), 1, bits, 0, [packed]), "x")
    assert image.pixels[0, :, 0].tolist() == values
    assert image.mode == ("bilevel" if bits == 1 else "grey")


def test_colour_keys_become_alpha() -> None:
    grey = decode(png(4, 1, 2, 0, [bytes([0b00011011])], chunk(b"tRNS", struct.pack(">H", 2))), "x")
    assert grey.alpha is not None and grey.alpha.tolist() == [[255, 255, 0, 255]]
    wide = struct.pack(">6H", 1, 2, 3, 1, 2, 4)
    rgb = decode(png(2, 1, 16, 2, [wide], chunk(b"tRNS", struct.pack(">3H", 1, 2, 3))), "x")
    assert rgb.alpha is not None and rgb.alpha.tolist() == [[0, 65535]] and rgb.pixels[0, 1].tolist() == [1, 2, 4]
    wide_grey = decode(png(2, 1, 16, 0, [struct.pack(">2H", 7, 8)], chunk(b"tRNS", struct.pack(">H", 7))), "x")
    assert wide_grey.alpha is not None and wide_grey.alpha.tolist() == [[0, 65535]]


def test_palettes_become_rgb_and_alpha() -> None:
    plte, trns = chunk(b"PLTE", bytes([9, 8, 7, 6, 5, 4])), chunk(b"tRNS", bytes([255, 100]))
    image = decode(png(2, 1, 8, 3, [bytes([0, 1])], plte, trns), "x")
    assert image.pixels.tolist() == [[[9, 8, 7], [6, 5, 4]]] and image.mode == "palette"
    assert image.alpha is not None and image.alpha.tolist() == [[255, 100]]
    opaque = decode(png(2, 1, 8, 3, [bytes([0, 1])], plte), "x")
    assert opaque.alpha is None and opaque.pixels.shape == (1, 2, 3)


def test_cmyk_becomes_rgb_without_its_profile() -> None:
    cmyk = Pillow.fromarray(np.tile(np.array([[[0, 255, 255, 0]]], np.uint8), (16, 16, 1)), "CMYK")
    from io import BytesIO

    out = BytesIO()
    cmyk.save(out, "JPEG", quality=100, icc_profile=b"\0" * 16 + b"CMYK" + b"\0" * 108)
    image = decode(out.getvalue(), "x")
    assert image.mode == "cmyk" and image.icc is None
    assert np.abs(image.pixels[8, 8].astype(int) - [255, 0, 0]).max() <= 3


def test_interlaced_png() -> None:
    pillow = saved(picture(11, 13), "PNG")
    rows: list[bytes] = []
    array = picture(11, 13)
    for x, y, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        rows += [row.tobytes() for row in array[y::dy, x::dx]]
    whole = png(13, 11, 8, 2, rows, interlace=1)
    assert np.array_equal(decode(whole, "x").pixels, decode(pillow, "x").pixels)
    with pytest.raises(DataError, match="x: truncated PNG"):
        decode(png(13, 11, 8, 2, rows[:-1], interlace=1), "x")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_colour_profile_travels(suffix: str, dtype: Any) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = decode(encode(Image(picture(dtype=dtype), icc=profile), suffix), "x")
    assert image.icc == profile
    grey = decode(encode(Image(picture(channels=1, dtype=dtype), icc=profile), suffix), "x")
    assert grey.icc is None  # a profile of RGB does not describe grey


@settings(max_examples=60, deadline=None)
@given(fmt=st.sampled_from([*FORMATS, "GIF"]), share=st.floats(0, 0.999), options=st.booleans())
def test_a_truncated_file_is_never_half_an_image(fmt: str, share: float, options: bool) -> None:
    progressive = {"progressive": True} if fmt == "JPEG" and options else {}
    data = saved(smooth(), fmt, **progressive)
    with pytest.raises(DataError, match=r"^name of it: "):
        decode(data[: int(share * len(data))], "name of it")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_truncated_16_bit_file_is_refused(suffix: str) -> None:
    data = encode(picture(40, 40, 3, np.uint16), suffix)
    for size in range(30, len(data) - 1, len(data) // 40):
        with pytest.raises(DataError):
            decode(data[:size], "x")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_flipped_byte_in_a_png_is_noticed(data: Any) -> None:
    whole = saved(picture(), "PNG")
    at = data.draw(st.integers(8, len(whole) - 1))
    with pytest.raises(DataError):
        decode(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :], "x")


@pytest.mark.parametrize("fmt", ["PNG", "JPEG"])
def test_a_tail_of_zeros_is_noticed(fmt: str) -> None:
    data = saved(smooth(), fmt)
    with pytest.raises(DataError):
        decode(data[: len(data) // 2] + bytes(len(data) - len(data) // 2), "x")


def test_image_data_that_ends_early_is_noticed() -> None:
    with pytest.raises(DataError, match="x: truncated PNG: 26 of 52 bytes of image data"):
        decode(png(4, 4, 8, 2, [bytes(12)] * 2), "x")


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM", b"GIF89a", b"II*\x00", b""]),
)
def test_garbage_is_a_data_error(tail: bytes, head: bytes) -> None:
    with pytest.raises(DataError, match=r"^garbage: "):
        decode(head + tail, "garbage")


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["JPEG", "TIFF", "WEBP", "GIF", "BMP"]), st.integers(0, 400), st.integers(1, 255))
def test_damage_is_an_image_or_a_data_error_and_never_a_warning(fmt: str, at: int, flip: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    whole = saved(smooth(32, 32), fmt, **({"exif": exif} if fmt in ("JPEG", "TIFF", "WEBP") else {}))
    damaged = bytearray(whole)
    damaged[at % len(whole)] ^= flip
    try:
        assert decode(bytes(damaged), "x", limits=Limits(pixels=1 << 20)).pixels.ndim == 3
    except DataError as error:
        assert str(error).startswith("x: ")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<html>404</html>", "web page"),
        (b"\0" * 64, "zero bytes"),
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"hello there", "not an image"),
    ],
)
def test_other_files_are_called_by_their_name(data: bytes, words: str) -> None:
    with pytest.raises(DataError, match=f"cat.jpg: .*{words}"):
        decode(data, "cat.jpg")


def test_suffixes_may_lie(tmp_path: Path) -> None:
    path = tmp_path / "really_a_jpeg.png"
    path.write_bytes(saved(smooth(), "JPEG"))
    assert probe(path).format == "jpeg" and read(path).pixels.shape == (96, 128, 3)


def test_limits_come_before_decoding(tmp_path: Path) -> None:
    bomb = png(60000, 60000, 8, 2, [b""])
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb)
    for attempt in (read, probe):
        with pytest.raises(DataError, match=r"bomb.png: 60000 x 60000 pixels, more than the limit"):
            attempt(path)
        with pytest.raises(DataError, match="bytes, more than the limit of 10"):
            attempt(path, limits=Limits(bytes=10))


@pytest.mark.parametrize(("fmt", "suffix"), [("GIF", "gif"), ("WEBP", "webp"), ("TIFF", "tif"), ("PNG", "png")])
def test_animations_are_refused(fmt: str, suffix: str) -> None:
    from io import BytesIO

    out, frames = BytesIO(), [Pillow.fromarray(picture(seed=n)) for n in range(3)]
    frames[0].save(out, fmt, save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="3 frames or pages"):
        decode(out.getvalue(), f"x.{suffix}")


def gif(canvas: tuple[int, int], at: tuple[int, int], transparent: bool) -> bytes:
    """Two by two pixels of the second colour (codes: clear, 1, 1, 1, 1, end) somewhere on a canvas."""
    control = b"!\xf9\4\1\0\0\0\0" if transparent else b""
    picture = b"," + struct.pack("<HHHHB", *at, 2, 2, 0) + b"\2\3\x4c\x12\x05\0"
    return b"GIF89a" + struct.pack("<HHBBB", *canvas, 0x80, 0, 0) + bytes([9, 9, 9, 1, 2, 3]) + control + picture + b";"


def test_a_gif_says_what_is_beside_its_picture() -> None:
    assert decode(gif((2, 2), (0, 0), False), "x").pixels.tolist() == [[[1, 2, 3]] * 2] * 2
    with pytest.raises(DataError, match="x: GIF of 2 x 2 pixels on a canvas of 4 x 3: crop it"):
        decode(gif((4, 3), (1, 1), False), "x")
    image = decode(gif((4, 3), (1, 1), True), "x")
    assert image.alpha is not None and image.alpha.tolist() == [[0] * 4, [0, 255, 255, 0], [0, 255, 255, 0]]
    with pytest.raises(DataError, match="canvas of 40 x 30: crop it"):
        decode(gif((40, 30), (1, 1), True), "x")
    with pytest.raises(DataError, match="beyond its canvas"):
        decode(gif((4, 3), (3, 1), True), "x")


def test_missing_files_folders_and_suffixes(tmp_path: Path) -> None:
    for attempt in (read, probe):
        with pytest.raises(DataError, match=r"absent.png: No such file"):
            attempt(tmp_path / "absent.png")
        with pytest.raises(DataError, match="Is a directory"):
            attempt(tmp_path)
    with pytest.raises(DataError, match="cannot be written: No such file"):
        write(tmp_path / "no" / "x.png", picture())
    with pytest.raises(ConfigError, match=r"no image format is written for '.xyz'; use one of .png"):
        write(tmp_path / "x.xyz", picture())
    with pytest.raises(DataError, match=r"x.webp: 20000 x 2 pixels cannot be written as .webp"):
        write(tmp_path / "x.webp", picture(2, 20000))
    assert list(tmp_path.iterdir()) == []


def test_over_white_is_the_blend_in_exact_arithmetic() -> None:
    array = picture(16, 16, 4)
    mixed = Image(array[..., :3], array[..., 3]).over_white().astype(float)
    alpha = array[..., 3:] / 255
    assert np.abs(mixed - (array[..., :3] * alpha + 255 * (1 - alpha))).max() <= 0.5 + 1e-9


def test_every_suffix_is_written_and_read() -> None:
    for suffix in SUFFIXES:
        assert decode(encode(picture(), suffix.upper()), "x").pixels.shape == picture().shape
    assert set(SUFFIXES) < set(READABLE)
