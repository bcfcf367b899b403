"""TIFF of any number of channels and sample types, against tifffile's writer, Pillow, and directories built by hand."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from translate.errors import DataError
from translate.imaging.appearance.nodata import filled, holds_none
from translate.imaging.formats.tiff.directory import read_directory
from translate.imaging.io import Bands, Image, Limits, decode, encode, probe, read, read_samples, write
from translate.imaging.pixels import to16

Array = np.ndarray[Any, Any]

KINDS = {"uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32, "float32": np.float32}
COMPRESSIONS = (None, "zlib", "lzw", "packbits")


def samples(channels: int, dtype: Any = np.uint16, height: int = 37, width: int = 41) -> Array:
    rng = np.random.default_rng(channels)
    if np.dtype(dtype).kind == "f":
        return rng.random((height, width, channels), np.float32)
    return rng.integers(0, int(np.iinfo(dtype).max) + 1, (height, width, channels), dtype)


def tiff(array: Array, **options: Any) -> bytes:
    out = BytesIO()
    tifffile.imwrite(out, array, metadata=None, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("alpha", [False, True])
def test_bands_of_all_types_come_back(kind: str, channels: int, alpha: bool, tmp_path: Path) -> None:
    array, path = samples(channels + alpha, KINDS[kind]), tmp_path / "x.tif"
    image = Image(array[..., :channels], array[..., channels] if alpha else None, mode="bands")
    write(path, image)
    decoded, header = decode(path.read_bytes(), "x"), probe(path)
    assert np.array_equal(decoded.pixels, image.pixels) and decoded.pixels.dtype == KINDS[kind]
    assert (decoded.alpha is not None) == alpha == header.alpha
    assert decoded.alpha is None or np.array_equal(decoded.alpha, array[..., channels])
    assert (header.channels, header.bits) == (channels, 8 * array.itemsize) == (decoded.pixels.shape[2], decoded.bits)
    assert decoded.mode == header.mode == ("grey" if channels == 1 else "bands")
    independent = tifffile.imread(path)
    assert np.array_equal(independent.reshape(array.shape), array)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("big", [False, True], ids=["II", "MM"])
def test_what_other_writers_store(compression: Any, planar: Any, tile: Any, kind: str, big: bool) -> None:
    for channels in (2, 3, 5):
        array = samples(channels, KINDS[kind])
        stored = np.moveaxis(array, 2, 0) if planar == "separate" else array
        predictor = compression in ("zlib", "lzw") and channels == 3
        options: dict[str, Any] = {"tile": tile} if tile else {"rowsperstrip": 7}
        data = tiff(
            stored,
            compression=compression,
            planarconfig=planar,
            predictor=predictor,
            photometric="minisblack",
            byteorder=">" if big else "<",
            **options,
        )
        decoded = decode(data, "x")
        assert np.array_equal(decoded.pixels, array) and decoded.alpha is None and decoded.mode == "bands"
        for size in (len(data) // 3, len(data) - 1):
            if compression == "packbits" or size != len(data) - 1:
                with pytest.raises(DataError, match=r"^x: "):
                    decode(data[:size], "x")


def test_big_tiff() -> None:
    array = samples(5)
    assert np.array_equal(
        decode(tiff(array, bigtiff=True, photometric="minisblack", planarconfig="contig"), "x").pixels, array
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_extra_samples_say_what_is_alpha(dtype: Any) -> None:
    array = samples(5, dtype)
    last = decode(tiff(array, photometric="rgb", extrasamples=["unspecified", "unassalpha"]), "x")
    assert last.mode == "bands" and last.alpha is not None
    assert np.array_equal(last.pixels, array[..., :4]) and np.array_equal(last.alpha, array[..., 4])
    middle = decode(tiff(array, photometric="rgb", extrasamples=["unassalpha", "unspecified"]), "x")
    assert middle.mode == "bands" and middle.alpha is None and np.array_equal(middle.pixels, array)
    unknown = decode(tiff(array[..., :4], photometric="rgb", extrasamples=["unspecified"]), "x")
    assert unknown.alpha is None and np.array_equal(unknown.pixels, array[..., :4])
    rgba = decode(tiff(array[..., :4], photometric="rgb", extrasamples=["unassalpha"]), "x")
    assert rgba.mode == "rgb" and np.array_equal(rgba.array, array[..., :4])


def test_a_fourth_sample_without_a_tag_is_alpha() -> None:
    array = samples(4, np.uint8)
    decoded = decode(without_tag(tiff(array, photometric="rgb", extrasamples=["unassalpha"]), 338), "x")
    with Pillow.open(BytesIO(without_tag(tiff(array, photometric="rgb", extrasamples=["unassalpha"]), 338))) as other:
        assert np.array_equal(decoded.array, np.asarray(other)) and other.mode == "RGBA"


def without_tag(data: bytes, tag: int) -> bytes:
    """The number of a tag of a little-endian TIFF replaced by one that means nothing."""
    at = struct.unpack("<I", data[4:8])[0]
    for n in range(struct.unpack("<H", data[at : at + 2])[0]):
        entry = at + 2 + 12 * n
        if struct.unpack("<H", data[entry : entry + 2])[0] == tag:
            return data[:entry] + struct.pack("<H", 65000) + data[entry + 2 :]
    raise AssertionError(f"no tag {tag}")


@pytest.mark.parametrize("kind", KINDS)
def test_associated_alpha_is_divided_out(kind: str) -> None:
    plain, dtype = samples(4, KINDS[kind]), KINDS[kind]
    white = 1.0 if kind == "float32" else float(np.iinfo(dtype).max)
    plain[0, 0, 3] = 0
    alpha = plain[..., 3:].astype(np.float64)
    times = plain[..., :3] * alpha / white
    stored = np.concatenate([times if kind == "float32" else np.rint(times), alpha], axis=2).astype(dtype)
    decoded = decode(tiff(stored, photometric="rgb", extrasamples=["assocalpha"]), "x")
    assert decoded.alpha is not None and np.array_equal(decoded.alpha, plain[..., 3])
    error = np.abs(decoded.pixels.astype(np.float64) - plain[..., :3]) * alpha / white  # half a step, divided by alpha
    assert (error <= (1e-6 if kind == "float32" else 1.0)).all()
    assert decoded.pixels[0, 0].tolist() == [0, 0, 0]


def test_white_may_be_zero() -> None:
    for dtype in (np.uint8, np.uint16, np.uint32):
        array = samples(1, dtype)
        inverted = int(np.iinfo(dtype).max) - array
        assert np.array_equal(decode(tiff(array[..., 0], photometric="miniswhite"), "x").pixels, inverted)


@pytest.mark.parametrize("values", [[0.0, 1.5], [-0.25, 0.5], [-3.4e38, 3.4e38], [1e-45, -0.0]])
def test_floats_of_any_range_come_back(values: list[float], tmp_path: Path) -> None:
    array, path = np.array([values], np.float32), tmp_path / "x.tif"
    assert np.array_equal(decode(tiff(array, photometric="minisblack"), "x").pixels[..., 0], array)
    write(path, array)
    assert decode(path.read_bytes(), "x").pixels.tobytes() == array.tobytes() and probe(path).dtype == "float32"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(bad: float) -> None:
    array = np.array([[0.5, bad, bad]], np.float32)
    with pytest.raises(DataError, match=r"^x: 2 of 3 samples are NaN, infinite or too large for float32: fill them in"):
        decode(tiff(array, photometric="minisblack"), "x")


def test_nan_that_the_file_declares_to_be_no_data_stays() -> None:
    nodata = [(42113, "s", 0, "nan", True)]
    array = np.array([[[0.5, 0.25, 1.0], [np.nan] * 3]], np.float32)
    image = decode(tiff(array, photometric="rgb", extratags=nodata), "x")
    assert np.array_equal(image.pixels, array, equal_nan=True)
    for wrong, reason in (([0.5, np.nan, 1.0], "beside data in other bands"), ([np.inf] * 3, "NaN, infinite")):
        with pytest.raises(DataError, match=reason):
            decode(tiff(np.array([[wrong, [np.nan] * 3]], np.float32), photometric="rgb", extratags=nodata), "x")


def test_floats_with_alpha_or_inverted_have_a_white() -> None:
    for options in ({"photometric": "miniswhite"}, {"photometric": "minisblack", "extrasamples": ["unassalpha"]}):
        array = np.array([[[0.0, 1.0], [1.5, 1.0]]], np.float32)
        stored = array if "extrasamples" in options else array[..., 0]
        with pytest.raises(
            DataError, match=r"x: float samples from 0 to 1.5, with alpha or with 0 for white; .*\[0, 1\]"
        ):
            decode(tiff(stored, planarconfig="contig" if "extrasamples" in options else None, **options), "x")


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.float16])
def test_narrow_samples_become_floats_exactly(dtype: Any) -> None:
    limits: Any = np.finfo(dtype) if np.dtype(dtype).kind == "f" else np.iinfo(dtype)
    array = np.array([[limits.min, -1, 0], [1, 3, limits.max]], dtype)
    image = decode(tiff(array, photometric="minisblack"), "x")
    assert image.pixels.dtype == np.float32 and np.array_equal(image.pixels[..., 0], array.astype(np.float64))


def test_wide_samples_become_floats_where_nothing_is_lost() -> None:
    double = np.random.default_rng(0).normal(0, 1e5, (5, 7))
    rounded = decode(tiff(double, photometric="minisblack"), "x").pixels[..., 0]
    assert np.array_equal(rounded, double.astype(np.float32))
    with pytest.raises(DataError, match=r"x: 1 of 35 samples are NaN, infinite or too large for float32"):
        decode(tiff(np.where(double == double[0, 0], 1e39, double), photometric="minisblack"), "x")
    whole = np.array([[-(1 << 24), 0, 1 << 24]], np.int32)
    assert decode(tiff(whole, photometric="minisblack"), "x").pixels[..., 0].tolist() == whole.tolist()
    with pytest.raises(DataError, match=r"x: int32 samples from -16,777,216 to 16,777,217; beyond 16,777,216"):
        decode(tiff(whole + np.array([[0, 0, 1]], np.int32), photometric="minisblack"), "x")


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.complex64])
def test_other_sample_types_are_refused_by_name(dtype: Any) -> None:
    with pytest.raises(DataError, match=r"x: TIFF of .* samples of \d+ bits .* is not read; convert it"):
        decode(tiff(np.zeros((4, 4), dtype), photometric="minisblack"), "x")


def test_a_compression_that_is_not_read_is_named() -> None:
    data = tiff(samples(5), compression="zstd", photometric="minisblack", planarconfig="contig")
    entry = struct.pack("<HHIH", 259, 3, 1, 50000)  # the tag, its type, one value
    assert data.count(entry) == 1
    with pytest.raises(DataError, match=r"x: TIFF of unsigned samples of 16 bits .*compression 50999\) is not read"):
        decode(data.replace(entry, struct.pack("<HHIH", 259, 3, 1, 50999)), "x")


@pytest.mark.parametrize(("dtype", "value"), [(np.float32, -9999), (np.int16, -32768), (np.float32, -3.4028235e38)])
def test_pixels_that_are_declared_to_be_no_data(dtype: Any, value: float, tmp_path: Path) -> None:
    array = np.array([[1, 2], [3, value]], dtype)
    tag = (42113, "s", 0, f"{value!r}", True)
    (tmp_path / "a.tif").write_bytes(tiff(array, photometric="minisblack", extratags=[tag]))
    image = read(tmp_path / "a.tif")
    assert np.array_equal(holds_none(image), [[False, False], [False, True]])
    assert filled(image).pixels[1, 1, 0] in (2, 3)
    with pytest.raises(DataError, match=r"a.tif: 1 of 4 pixels hold no data \(GDAL_NODATA\).*fill them in"):
        read_samples(tmp_path / "a.tif")
    two = np.array([[[1, 2]], [[3, value]]], dtype)
    with pytest.raises(DataError, match=r"x: 1 of 4 samples are -.*, which the tag GDAL_NODATA says .* beside"):
        decode(tiff(two, photometric="minisblack", planarconfig="contig", extratags=[tag]), "x")
    whole = np.array([[1, 2], [3, 4]], dtype)
    assert np.array_equal(decode(tiff(whole, photometric="minisblack", extratags=[tag]), "x").pixels[..., 0], whole)


def test_integers_that_are_declared_to_be_no_data_are_pixels() -> None:
    tag = (42113, "s", 0, "0", True)
    array = samples(5)
    array[0] = 0
    data = tiff(array, photometric="minisblack", planarconfig="contig", extratags=[tag])
    assert np.array_equal(decode(data, "x").pixels, array)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("count", [6, 4096])
def test_the_fastest_level_stores_samples_as_they_are(kind: str, count: int) -> None:
    array = samples(count, KINDS[kind], 3, 5)
    data = encode(array, ".tif", compression=1)
    assert np.array_equal(decode(data, "x").pixels, array) and array.tobytes() in data


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("count", [6, 4096])
def test_many_bands(kind: str, count: int) -> None:
    array = samples(count, KINDS[kind], 3, 5)
    assert np.array_equal(decode(encode(array, ".tif"), "x").pixels, array)


def test_geotiffs_keep_their_pixels() -> None:
    array = samples(6, np.float32) * 4000 - 200
    geo = [(33550, "d", 3, (10.0, 10.0, 0.0), True), (33922, "d", 6, (0.0, 0.0, 0.0, 4e5, 6e6, 0.0), True)]
    geo += [(34735, "H", 4, (1, 1, 0, 0), True), (42112, "s", 0, "<GDALMetadata/>", True)]
    data = tiff(array, photometric="minisblack", planarconfig="contig", tile=(16, 16), bigtiff=True, predictor=True,
                compression="zlib", extratags=geo)  # fmt: skip
    image = decode(data, "x")
    assert np.array_equal(image.pixels, array) and image.alpha is None and image.mode == "bands"


def test_other_formats_get_fewer_bits() -> None:
    deep = samples(3, np.uint32)
    pixels = decode(encode(deep, ".png"), "x").pixels
    assert np.array_equal(pixels, np.rint(deep / 65537.0).astype(np.uint16)) and np.array_equal(pixels, to16(deep))
    real = samples(4, np.float32)
    pixels = decode(encode(real, ".png"), "x").array
    assert np.array_equal(pixels, np.rint(real.astype(np.float64) * 65535).astype(np.uint16))
    assert np.abs(decode(encode(deep, ".bmp"), "x").pixels - deep / 4294967295 * 255).max() <= 0.51
    with pytest.raises(DataError, match=r"x: 5 bands cannot be written as \.png; use \.tif"):
        encode(samples(5), ".png", name="x")


def test_datasets_tell_bands_from_alpha(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    for kind in (np.uint8, np.uint16, np.float32):
        for channels in (2, 4, 6):
            write(path, Image(samples(channels, kind), mode="bands"))
            array = read_samples(path)
            assert isinstance(array, Bands) and isinstance(array[:, 3:], Bands) and array.dtype == kind
            assert np.array_equal(array, samples(channels, kind))
    write(path, samples(4))
    assert np.array_equal(read_samples(path), samples(4)) and not isinstance(read_samples(path), Bands)
    write(path, Image(samples(5), np.zeros((37, 41), np.uint16), mode="bands"))
    assert np.array_equal(read_samples(path), np.full((37, 41, 5), 65535))


def test_datasets_hold_32_bits_as_floats_where_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    write(path, np.array([[0, 1 << 24]], np.uint32))
    assert read_samples(path).dtype == np.float32 and read_samples(path).ravel().tolist() == [0, 1 << 24]
    write(path, np.array([[0, 1 << 30]], np.uint32))
    with pytest.raises(DataError, match=r"x.tif: uint32 samples from 0 to 1,073,741,824; beyond 16,777,216"):
        read_samples(path)


def directory(entries: list[tuple[int, int, int, int]], following: int = 0, tail: bytes = b"") -> bytes:
    """A little-endian TIFF of (tag, type, count, value) entries; the directory stands at byte 8."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + struct.pack("<I", following) + tail


def plain(width: int = 4, height: int = 4, more: tuple[tuple[int, int, int, int], ...] = ()) -> bytes:
    """Uncompressed 16-bit grey in one strip behind the directory."""
    count = 2 * width * height
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, count)]
    replaced = {tag for tag, *_ in more}
    entries = sorted([e for e in entries if e[0] not in replaced] + list(more))
    offset = 8 + 2 + 12 * (len(entries) + (273 not in replaced)) + 4
    entries = sorted(entries if 273 in replaced else [*entries, (273, 4, 1, offset)])
    return directory(entries, tail=bytes(count))


def test_the_hand_written_file_is_read() -> None:
    assert decode(plain(), "x").pixels.shape == (4, 4, 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (directory([(256, 4, 1, 4)], following=8), "lead back to each other"),
        (directory([(256, 4, 1, 4)], following=1 << 20), "reaches beyond the file"),
        (b"II*\0" + struct.pack("<IH", 8, 65535), "65,535 entries"),
        (directory([(273, 4, 1 << 30, 8)]), "reaches beyond the file"),
        (directory([(258, 3, 1, 16)]), "gives no size"),
        (plain(more=((279, 4, 1, 1 << 30),)), "overlap"),
        (plain(more=((273, 4, 1, 1 << 20),)), "is not in the file"),
        (plain(more=((273, 4, 1, 0),)), "is not in the file"),
        (plain(more=((279, 4, 1, 8),)), "8 of 32 bytes"),
        (plain(more=((278, 4, 1, 1),)), "4 are needed"),
        (plain(more=((262, 3, 1, 2),)), "RGB of 1 channels"),
        (plain(more=((256, 4, 1, 1 << 20), (257, 4, 1, 1 << 20))), "more than the limit"),
        (
            plain(more=((277, 3, 1, 60000), (256, 4, 1, 9999), (257, 4, 1, 9999))),
            "60,000 bands, more than the limit of 4,096",
        ),
        (plain(more=((277, 3, 1, 4000), (256, 4, 1, 9999), (257, 4, 1, 9999))), "4000 channels and 16 bits are"),
        (plain(more=((32997, 4, 1, 9),)), "volume of 9 layers"),
    ],
)
def test_directories_that_lie(data: bytes, words: str) -> None:
    with pytest.raises(DataError, match=f"^x: .*{words}"):
        decode(data, "x")


def test_a_tag_of_the_wrong_type_is_not_read_in_two_ways() -> None:
    data = bytearray(tiff(samples(3), photometric="rgb", compression="lzw"))
    at = struct.unpack("<I", data[4:8])[0]
    entries = range(at + 2, at + 2 + 12 * struct.unpack("<H", data[at : at + 2])[0], 12)
    planar = next(n for n in entries if struct.unpack("<H", data[n : n + 2])[0] == 284)
    data[planar + 2] = 11
    with pytest.raises(DataError, match=r"x: .*tag 284 is no number"):
        decode(bytes(data), "x")


def test_a_thousand_pages_are_counted_and_no_more() -> None:
    pages = b"".join(
        struct.pack("<HHHII", 1, 256, 4, 1, 4) + struct.pack("<I", 8 + 18 * (n + 1)) for n in range(100_000)
    )
    with pytest.raises(DataError, match=r"x: more than 1,000 frames or pages"):
        decode(b"II*\0" + struct.pack("<I", 8) + pages, "x")


def test_a_deflated_strip_has_a_checksum() -> None:
    array = samples(1, np.uint8)
    data = bytearray(tiff(array[..., 0], compression="zlib", photometric="minisblack"))
    packed = zlib.compress(array.tobytes())
    tags = read_directory(BytesIO(bytes(data)), "x").tags
    assert len(packed) and len(tags["counts"]) == 1
    data[tags["offsets"][0] + tags["counts"][0] - 1] ^= 1
    with pytest.raises(DataError, match="incorrect data check"):
        decode(bytes(data), "x")


def test_the_limit_on_decoded_bytes() -> None:
    data = encode(samples(8, np.float32), ".tif")
    with pytest.raises(DataError, match=r"8 channels and 32 bits are 48,544 bytes, more than the limit of 48,543"):
        decode(data, "x", limits=Limits(decoded=48_543))
    assert decode(data, "x", limits=Limits(decoded=48_544)).pixels.shape == (37, 41, 8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_samples_of_no_stated_meaning_are_grey_or_rgb(channels: int, kind: str, compression: str | None) -> None:
    """As libtiff guesses them; and it is said."""
    array = samples(channels, KINDS[kind])
    data = bytearray(tiff(array if channels > 1 else array[..., 0], compression=compression))
    with tifffile.TiffFile(BytesIO(bytes(data))) as file:
        at = file.pages.first.tags["PhotometricInterpretation"].offset
    data[at : at + 2] = struct.pack("<H", 60000)  # a tag that nobody knows; their order is no matter to readers
    decoded = decode(bytes(data), "x")
    assert np.array_equal(decoded.pixels, array)
    assert (decoded.mode, *decoded.notes) == (
        "grey" if channels == 1 else "rgb",
        "it does not say what its samples mean (PhotometricInterpretation): three are taken for RGB, one for grey",
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [100, 5])
@pytest.mark.parametrize("left_out", [False, True])
def test_strips_of_no_stated_length_are_as_long_as_they_have_to_be(
    channels: int, kind: str, rows: int, left_out: bool
) -> None:
    array = samples(channels, KINDS[kind])
    photometric = "rgb" if channels == 3 else "minisblack"
    data = bytearray(tiff(array if channels > 1 else array[..., 0], rowsperstrip=rows, photometric=photometric))
    with tifffile.TiffFile(BytesIO(bytes(data))) as file:
        tag = file.pages.first.tags["StripByteCounts"]
    size = {3: 2, 4: 4, 16: 8}[int(tag.dtype)] * tag.count
    if left_out:
        data[tag.offset : tag.offset + 2] = struct.pack("<H", 60001)
    else:
        data[tag.valueoffset : tag.valueoffset + size] = bytes(size)
    decoded = decode(bytes(data), "x")
    assert np.array_equal(decoded.pixels, array)
    assert decoded.notes == ("it does not say how long its strips are (StripByteCounts)",)
    with pytest.raises(DataError, match=r"damaged|truncated"):
        decode(bytes(data[:-100]), "x")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_ends_with_its_directory_is_whole(kind: str) -> None:
    array = samples(3, KINDS[kind])[:6, :8]
    pixels = array.tobytes()
    numbers = {256: 8, 257: 6, 259: 1, 262: 2, 273: 8, 277: 3, 278: 6, 279: len(pixels)}
    at = 8 + len(pixels)
    # Three values do not fit into an entry: they stand in front of the directory.
    extra = struct.pack("<3H", *[8 * array.itemsize] * 3) + struct.pack(
        "<3H", *[3 if array.dtype.kind == "f" else 1] * 3
    )
    entries = {tag: struct.pack("<HHII", tag, 4, 1, value) for tag, value in numbers.items()}
    entries[258] = struct.pack("<HHII", 258, 3, 3, at)
    entries[339] = struct.pack("<HHII", 339, 3, 3, at + 6)
    directory = struct.pack("<H", len(entries)) + b"".join(entry for _, entry in sorted(entries.items()))
    data = b"II*\0" + struct.pack("<I", at + len(extra)) + pixels + extra + directory
    assert np.array_equal(decode(data, "x").pixels, array)
    with pytest.raises(DataError, match="beyond the file"):
        decode(data[:-1], "x")
