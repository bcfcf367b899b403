"""Forms that few writers make: OpenEXR of several parts, JPEG 2000 and PNG with what their standards allow."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import OpenEXR
import pytest
from PIL import Image as Pillow

from translate.errors import DataError
from translate.imaging.colour.spaces import cicp_profile, profile_of
from translate.imaging.encode import encode
from translate.imaging.guarded import decode, probe, read, read_pages
from translate.imaging.pages import encode_pages, pages_in

Array = np.ndarray[Any, Any]


def some(*shape: int, dtype: Any = np.uint8, seed: int = 0) -> Array:
    """Random samples over the whole range of a type, [0, 1] for floats."""
    values = np.random.default_rng(seed).random(shape)
    return (values * np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else values).astype(dtype)


def exr(path: Path, *parts: tuple[str, dict[str, Array]], kind: Any = OpenEXR.scanlineimage) -> Path:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": kind}
    if kind == OpenEXR.tiledimage:
        header["tiles"] = OpenEXR.TileDescription()
    OpenEXR.File([OpenEXR.Part({**header, "name": name}, channels) for name, channels in parts]).write(str(path))
    return path


@pytest.mark.parametrize("kind", [OpenEXR.scanlineimage, OpenEXR.tiledimage])
def test_the_first_part_with_colours_is_read(tmp_path: Path, kind: Any) -> None:
    depth, colours, other = some(16, 20, dtype=np.float32), some(16, 20, 3, dtype=np.float32), some(16, 20, 3)
    parts = (("depth", {"Z": depth}), ("beauty", {"RGB": colours}), ("glow", {"RGB": other.astype(np.float32)}))
    path = exr(tmp_path / "a.exr", *parts, kind=kind)
    image, header = read(path), probe(path)
    assert np.array_equal(image.pixels, colours)
    assert (header.width, header.height, header.mode) == (20, 16, "rgb")
    assert image.notes == ("of its 3 parts 'beauty' is read, and not 'depth', 'glow'",)


def test_of_parts_without_colours_the_first_is_read(tmp_path: Path) -> None:
    one, two = some(16, 20, dtype=np.float32), some(16, 20, dtype=np.float32, seed=1)
    image = read(exr(tmp_path / "a.exr", ("left", {"Z": one}), ("right", {"Z": two})))
    assert np.array_equal(image.pixels[..., 0], one)
    assert image.notes == ("of its 2 parts 'left' is read, and not 'right'",)


def test_parts_that_are_cut_off_are_damaged(tmp_path: Path) -> None:
    colours = some(16, 20, 3, dtype=np.float32)
    path = exr(tmp_path / "a.exr", ("a", {"RGB": colours}), ("b", {"RGB": colours}))
    data = path.read_bytes()
    for end in (60, 400, len(data) - 500):
        with pytest.raises(DataError, match=r"damaged|truncated"):
            decode(data[:end], "a.exr")


def test_deep_frames_of_avif_lose_bits_aloud() -> None:
    frames = some(3, 32, 40, 3, dtype=np.uint16) >> 6
    data = bytes(imagecodecs.avif_encode(frames, level=90, bitspersample=10))
    pages = pages_in(data, "a.avif")
    assert len(pages.images) == 3
    assert pages.images[0].notes == ("its frames have 10 bits, of which 8 are read",)
    assert np.abs(pages.images[0].pixels - (frames[0] / 1023 * 255)).mean() < 8


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def jp2(indices: Array, palette: Array, columns: tuple[int, ...] = (0, 1, 2)) -> bytes:
    """A JPEG 2000 file (ISO 15444-1, annex I) with a palette: `pclr` its entries, `cmap` which column is which
    channel."""
    stream = bytes(imagecodecs.jpeg2k_encode(indices, codecformat="j2k", reversible=True, level=0))
    bits = 8 * palette.itemsize - 1
    head = box(b"ihdr", struct.pack(">IIHBBBB", *indices.shape, 1, 7, 7, 0, 0))
    head += box(b"colr", b"\1\0\0" + struct.pack(">I", 16 if len(columns) >= 3 else 17))
    entries = palette.astype(palette.dtype.newbyteorder(">")).tobytes()
    head += box(b"pclr", struct.pack(">HB", *palette.shape) + bytes([bits] * palette.shape[1]) + entries)
    head += box(b"cmap", b"".join(struct.pack(">HBB", 0, 1, column) for column in columns))
    if len(columns) == 4:
        head += box(b"cdef", struct.pack(">H12H", 4, 0, 0, 1, 1, 0, 2, 2, 0, 3, 3, 1, 0))
    kind = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return kind + box(b"jp2h", head) + box(b"jp2c", stream)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_palette_of_jpeg_2000_is_applied(dtype: Any, channels: int) -> None:
    indices, palette = some(32, 40) % 16, some(16, channels, dtype=dtype)
    image = decode(jp2(indices, palette, tuple(range(channels))), "a.jp2")
    wanted = palette[indices]
    assert np.array_equal(image.array, wanted) and image.pixels.dtype == dtype
    assert (image.alpha is not None) == (channels == 4)


def test_columns_of_a_palette_are_in_the_order_of_the_channels() -> None:
    indices, palette = some(32, 40) % 16, some(16, 3)
    image = decode(jp2(indices, palette, (2, 0, 1)), "a.jp2")
    assert np.array_equal(image.pixels, palette[indices][..., [2, 0, 1]])


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(array: Array, *chunks: bytes) -> bytes:
    data = bytes(imagecodecs.png_encode(array))
    return data[:33] + b"".join(chunks) + data[33:]


ADOBE = chunk(b"iCCP", b"icc\0\0" + zlib.compress(profile_of("adobe-rgb")))


def test_code_points_go_before_a_profile() -> None:
    """PNG, third edition, 11.3.2.6: cICP, where it is understood, goes before iCCP."""
    image = decode(png(some(8, 8, 3), ADOBE, chunk(b"cICP", bytes([12, 13, 0, 1]))), "a.png")
    assert image.profile == cicp_profile(12, 13)
    assert decode(png(some(8, 8, 3), chunk(b"cICP", bytes([1, 13, 0, 1])), ADOBE), "a.png").profile is None


@pytest.mark.parametrize("content", [bytes([12, 13, 0]), bytes([2, 2, 0, 1]), bytes([12, 13, 1, 1])])
def test_code_points_that_are_not_understood_leave_the_profile(content: bytes) -> None:
    assert decode(png(some(8, 8, 3), ADOBE, chunk(b"cICP", content)), "a.png").profile == profile_of("adobe-rgb")


def test_chunks_that_fail_their_checksum_say_nothing() -> None:
    spoilt = bytearray(chunk(b"cICP", bytes([12, 13, 0, 1])))
    spoilt[-1] ^= 1
    assert decode(png(some(8, 8, 3), ADOBE, bytes(spoilt)), "a.png").profile == profile_of("adobe-rgb")


def test_code_points_and_profile_both_come_back() -> None:
    code = chunk(b"cICP", bytes([12, 13, 0, 1]))
    image = decode(png(some(8, 8, 3), ADOBE, code), "a.png")
    data = encode(image, ".png")
    assert code in data
    assert np.array_equal(decode(data, "b.png").pixels, image.pixels)
    assert decode(data, "b.png").profile == cicp_profile(12, 13)


def apng(frames: list[Array], durations: list[int], hidden: Array | None = None) -> bytes:
    """An animated PNG whose frames replace each other; `hidden` is for viewers that know no animation."""

    def content(array: Array) -> bytes:
        data = bytes(imagecodecs.png_encode(array))
        parts, at = b"", 8
        while at < len(data):
            length = int.from_bytes(data[at : at + 4], "big")
            parts += data[at + 8 : at + 8 + length] if data[at + 4 : at + 8] == b"IDAT" else b""
            at += 12 + length
        return parts

    first = frames[0] if hidden is None else hidden
    height, width = first.shape[:2]
    body = chunk(b"acTL", struct.pack(">II", len(frames), 3))
    number = 0
    if hidden is not None:
        body += chunk(b"IDAT", content(hidden))
    for frame, duration in zip(frames, durations, strict=True):
        place = struct.pack(">IIIIIHHBB", number, width, height, 0, 0, duration, 1000, 0, 0)
        body, number = body + chunk(b"fcTL", place), number + 1
        if frame is first:
            body += chunk(b"IDAT", content(frame))
        else:
            body, number = body + chunk(b"fdAT", struct.pack(">I", number) + content(frame)), number + 1
    return bytes(imagecodecs.png_encode(first))[:33] + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_frames_of_16_bits_stay(channels: int, tmp_path: Path) -> None:
    frames = [some(20, 24, channels, dtype=np.uint16, seed=seed) for seed in range(3)]
    path = tmp_path / "a.png"
    path.write_bytes(apng([frame[..., 0] if channels == 1 else frame for frame in frames], [100, 250, 40]))
    whole = read_pages(path)
    path.write_bytes(encode_pages(whole, ".png"))
    for pages in (whole, read_pages(path)):
        assert (pages.durations, pages.loop) == ((100, 250, 40), 3)
        for frame, image in zip(frames, pages.images, strict=True):
            assert np.array_equal(image.array, np.repeat(frame, 3, axis=2) if channels == 1 else frame)
    with Pillow.open(path) as opened:
        assert opened.n_frames == 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_picture_for_viewers_without_animation_is_no_frame(dtype: Any, tmp_path: Path) -> None:
    frames, path = [some(20, 24, 3, dtype=dtype, seed=seed) for seed in range(2)], tmp_path / "a.png"
    path.write_bytes(apng(frames, [100, 250], some(20, 24, 3, dtype=dtype, seed=9)))
    pages = read_pages(path)
    assert pages.durations == (100, 250)
    for frame, image in zip(frames, pages.images, strict=True):
        assert np.array_equal(image.array, frame)


def test_frames_of_16_bits_over_one_another_are_composed() -> None:
    """Half a frame (blend over, partial) looks as Pillow composes it, to the step of 8 bits."""
    below = some(20, 24, 4, dtype=np.uint16)
    below[..., 3] = 65535
    above = some(20, 24, 4, dtype=np.uint16, seed=1)
    data = apng([below, above], [100, 100])
    at = data.index(b"fcTL", data.index(b"fcTL") + 4) + 4
    place = bytearray(data[at : at + 26])
    place[25] = 1  # blend: over
    data = data[: at - 8] + chunk(b"fcTL", bytes(place)) + data[at + 30 :]
    with Pillow.open(BytesIO(data)) as opened:
        opened.seek(1)
        shown = np.asarray(opened.convert("RGBA")).astype(int)
    image = pages_in(data, "a.png").images[1]
    assert image.bits == 16
    assert np.abs(image.pixels / 257 - shown[..., :3]).max() < 2.5


@pytest.mark.parametrize("alpha", [False, True])
def test_colours_are_read_beside_other_channels(tmp_path: Path, alpha: bool) -> None:
    """A rendered picture has depth and normals beside its colours."""
    colours, depth = some(16, 20, 3, dtype=np.float32), some(16, 20, dtype=np.float32, seed=1)
    channels: dict[str, Array] = {"RGB": colours, "Z": depth * 99, "normal.X": depth, "albedo.R": depth}
    if alpha:
        channels = {**channels, "A": np.ones((16, 20), np.float32)}
    image = read(exr(tmp_path / "a.exr", ("", channels)))
    assert np.array_equal(image.pixels, colours) and (image.alpha is not None) == alpha
    names = "R+G+B+A" if alpha else "R+G+B"
    assert image.notes == (f"{names} are read, and not its other channels 'Z', 'albedo.R', 'normal.X'",)


def test_an_array_of_booleans_is_black_and_white(tmp_path: Path) -> None:
    array, path = some(8, 9) > 127, tmp_path / "a.npy"
    np.save(path, array)
    assert np.array_equal(read(path).pixels[..., 0], np.where(array, 255, 0)) and probe(path).dtype == "uint8"


def jpeg(*segments: bytes, array: Array | None = None, **options: Any) -> bytes:
    out = BytesIO()
    Pillow.fromarray(some(16, 24, 3) if array is None else array).save(out, "JPEG", quality=95, **options)
    data = out.getvalue()
    return data[:20] + b"".join(segments) + data[20:]


def part(number: int, count: int, content: bytes) -> bytes:
    body = b"ICC_PROFILE\0" + bytes([number, count]) + content
    return b"\xff\xe2" + struct.pack(">H", 2 + len(body)) + body


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_profile_that_lacks_a_part_decides_about_no_pixel(grey: bool, progressive: bool) -> None:
    array, icc = some(16, 24) if grey else some(16, 24, 3), profile_of("adobe-rgb")
    whole = decode(jpeg(array=array, progressive=progressive), "a.jpg")
    spoilt = ((part(1, 2, icc[:200]),), (part(2, 2, icc),), (part(1, 3, icc[:100]), part(3, 3, icc[100:])))
    for segments in (*spoilt, (part(0, 0, icc),)):
        image = decode(jpeg(*segments, array=array, progressive=progressive), "a.jpg")
        assert np.array_equal(image.pixels, whole.pixels)
        assert image.icc is None and len(image.notes) == 1 and "profile" in image.notes[0]


def test_parts_of_a_profile_may_come_in_any_order() -> None:
    icc = profile_of("adobe-rgb")
    assert decode(jpeg(part(2, 2, icc[200:]), part(1, 2, icc[:200])), "a.jpg").icc == icc
    deep = bytes(imagecodecs.jpeg8_encode(some(16, 24, 3, dtype=np.uint16) >> 4, bitspersample=12, level=95))
    assert decode(deep[:2] + part(2, 2, icc[200:]) + part(1, 2, icc[:200]) + deep[2:], "a.jpg").icc == icc


def test_a_damaged_jpeg_with_a_profile_is_damaged() -> None:
    data = jpeg(part(1, 2, b"x" * 50), array=some(200, 300, 3))
    with pytest.raises(DataError, match=r"damaged|truncated"):
        decode(data[: len(data) // 2] + b"\xff\xd9", "a.jpg")


def test_a_gif_that_says_nothing_of_repetitions_says_nothing_afterwards(tmp_path: Path) -> None:
    frames = [Pillow.fromarray(some(16, 20, 3, seed=seed)).quantize(8) for seed in range(3)]
    for options in ({}, {"loop": 0}, {"loop": 1}, {"loop": 4}):
        frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=50, **options)
        whole = read_pages(tmp_path / "a.gif")
        with Pillow.open(BytesIO(encode_pages(whole, ".gif"))) as opened:
            assert opened.info.get("loop") == options.get("loop")
        with Pillow.open(BytesIO(encode_pages(whole, ".webp"))) as opened:
            assert opened.info.get("loop") == options.get("loop", 1)


def test_of_several_heic_pictures_the_primary_is_read_aloud() -> None:
    heif = pytest.importorskip("pillow_heif")
    pictures = [Pillow.fromarray(np.full((64, 64, 3), value, np.uint8)) for value in (30, 90, 150)]
    file, out = heif.from_pillow(pictures[0]), BytesIO()
    for picture in pictures[1:]:
        file.add_from_pillow(picture)
    file.save(out, quality=95, primary_index=1)
    image = decode(out.getvalue(), "a.heic")
    assert abs(int(image.pixels.mean()) - 90) < 3
    assert image.notes == ("it holds 3 pictures, of which the one that it calls the primary is read",)


@pytest.mark.parametrize(
    ("head", "words"),
    [(b"\x1f\x8b\x08", "gzip"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07", "RAR"), (b"\x01\xda\x01", "SGI")],
)
def test_archives_are_called_by_their_names(head: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        decode(head + bytes(200), "a.png")
