"""Pages of a TIFF that are the bands of one image, as ImageJ, OME and tifffile write them, and pages that are not."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from translate.errors import DataError
from translate.imaging.guard.reader import GuardedReader
from translate.imaging.io import decode, probe, read

pytestmark = pytest.mark.usefixtures("warm_decoders")
Array = np.ndarray[Any, Any]


def bands(dtype: Any, height: int = 31, width: int = 22, count: int = 6) -> Array:
    rng = np.random.default_rng(0)
    if dtype == np.float32:
        return rng.normal(0, 500, (height, width, count)).astype(np.float32)
    return rng.integers(0, int(np.iinfo(dtype).max) + 1, (height, width, count), dtype)


def tiff(array: Array, **options: Any) -> bytes:
    out = BytesIO()
    tifffile.imwrite(out, array, **options)
    return out.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(
    "options",
    [{}, {"photometric": "minisblack"}, {"imagej": True}, {"ome": True}, {"metadata": {"axes": "CYX"}},
     {"compression": "zlib", "predictor": True}, {"bigtiff": True, "byteorder": ">"}],
    ids=str,
)  # fmt: skip
def test_a_page_a_band(dtype: Any, options: dict[str, Any], tmp_path: Path) -> None:
    array, path = bands(dtype), tmp_path / "x.tif"
    path.write_bytes(tiff(np.moveaxis(array, 2, 0), **options))
    image, header = read(path), probe(path)
    assert np.array_equal(image.pixels, array) and image.pixels.dtype == dtype
    assert image.alpha is None and image.mode == header.mode == "bands"
    assert (header.height, header.width, header.channels, header.dtype) == (31, 22, 6, str(np.dtype(dtype)))
    with GuardedReader() as reader:
        assert np.array_equal(reader.read(path).pixels, array) and reader.probe(path) == header


@pytest.mark.parametrize("options", [{}, {"metadata": {"axes": "YXC"}}, {"compression": "lzw"}], ids=str)
@pytest.mark.parametrize("count", [2, 6])
def test_a_page_a_row(options: dict[str, Any], count: int, tmp_path: Path) -> None:
    """tifffile.imwrite(path, array) of H x W x C."""
    array, path = bands(np.uint16, 1200, 22, count), tmp_path / "x.tif"
    path.write_bytes(tiff(array, **options))
    image, header = read(path), probe(path)
    assert np.array_equal(image.pixels, array) and np.array_equal(tifffile.imread(path), array)
    assert (header.height, header.width, header.channels) == (1200, 22, count)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"metadata": None}, 6),
        ({"metadata": {"axes": "TYX"}}, 6),
        ({"metadata": {"axes": "ZYX"}}, 6),
        ({"imagej": True, "metadata": {"axes": "TYX"}}, 6),
        ({"imagej": True, "metadata": {"axes": "ZYX"}}, 6),
        ({"ome": True, "metadata": {"axes": "TYX"}}, 6),
        ({"description": '{"shape": [5, 31, 22]}', "metadata": None}, 6),
        ({"description": '{"shape": [7, 31, 22]}', "metadata": None}, 6),
        ({"description": '{"shape": [7, 31, 22]', "metadata": None}, 6),
        ({"description": '{"shape": [' + "[" * 100_000, "metadata": None}, 6),
        ({"description": "ImageJ=1\nimages=6\nchannels=3\nslices=2", "metadata": None}, 6),
        ({"description": "ImageJ=1\nimages=9999999999\nchannels=9999999999", "metadata": None}, 6),
    ],
)
def test_other_pages_are_no_bands(options: dict[str, Any], count: int) -> None:
    data = tiff(np.moveaxis(bands(np.uint16), 2, 0), photometric="minisblack", **options)
    with pytest.raises(DataError, match=f"^x: {count} frames or pages in one file; .* store bands of one image in one"):
        decode(data, "x")


def test_pages_that_differ_are_no_bands() -> None:
    out = BytesIO()
    with tifffile.TiffWriter(out) as file:
        for number in range(6):
            page = np.zeros((31, 22 + (number == 4)), np.uint16)
            file.write(page, description='{"shape": [6, 31, 22]}', metadata=None, photometric="minisblack")
    with pytest.raises(DataError, match=r"^x: 6 frames or pages"):
        decode(out.getvalue(), "x")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_band_that_is_cut_off(compression: Any) -> None:
    data = tiff(np.moveaxis(bands(np.uint16), 2, 0), compression=compression)
    for size in range(len(data) // 9, len(data), len(data) // 9):
        with pytest.raises(DataError, match=r"^x: "):
            decode(data[:size], "x")


def test_too_many_bands() -> None:
    data = tiff(np.zeros((5000, 2, 2), np.uint8), metadata={"axes": "CYX"}, photometric="minisblack")
    with pytest.raises(DataError, match=r"^x: 5,000 bands, more than the limit of 4,096"):
        decode(data, "x")
