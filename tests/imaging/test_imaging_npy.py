"""Arrays in files (.npy): against numpy's own writer, and headers that lie."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from translate.errors import DataError
from translate.imaging.guard.reader import GuardedReader
from translate.imaging.io import Image, Limits, decode, encode, probe, read, write

Array = np.ndarray[Any, Any]


def saved(array: Any, **options: Any) -> bytes:
    out = BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def samples(shape: tuple[int, ...], dtype: Any) -> Array:
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 1000, shape).astype(dtype)
    return rng.integers(0, int(np.iinfo(dtype).max) + 1, shape, dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32])
@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 1), (7, 9, 2), (7, 9, 3), (7, 9, 4), (7, 9, 6)])
def test_arrays_come_back(dtype: Any, shape: tuple[int, ...], tmp_path: Path) -> None:
    array, path = samples(shape, dtype), tmp_path / "x.npy"
    np.save(path, array)
    image, header = read(path), probe(path)
    assert np.array_equal(image.pixels.reshape(shape), array) and image.pixels.dtype == dtype and image.alpha is None
    assert (header.height, header.width, header.channels) == image.pixels.shape and header.dtype == str(array.dtype)
    assert image.mode == header.mode == {1: "grey", 3: "rgb"}.get(image.pixels.shape[2], "bands")
    image.pixels[0, 0, 0] = 0  # the caller's own
    write(path, Image(array.reshape(7, 9, -1), mode="bands"))
    assert np.array_equal(np.load(path).reshape(shape), array) and np.load(path).dtype == dtype
    with GuardedReader() as reader:
        assert np.array_equal(reader.read(path).pixels.reshape(shape), array) and reader.probe(path) == probe(path)
        assert not reader._idle


@pytest.mark.parametrize("dtype", [">u2", ">f4", "<f8", "f2", "i1", ">i2", "<i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_other_samples_and_orders(dtype: str, order: Any) -> None:
    array = np.array(np.arange(2 * 3 * 5).reshape(2, 3, 5) - (0 if "u" in dtype else 9), dtype, order=order)
    image = decode(saved(array), "x")
    assert np.array_equal(image.pixels, array) and image.pixels.dtype.isnative
    assert image.pixels.dtype == (np.uint16 if "u" in dtype else np.float32)


def test_alpha_becomes_the_last_band() -> None:
    image = Image(samples((4, 4, 3), np.uint8), samples((4, 4), np.uint8))
    assert np.array_equal(decode(encode(image, ".npy"), "x").pixels, image.array)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[{}]], object), "NPY of object; images are"),
        (np.zeros((2, 2), np.int64), "NPY of int64"),
        (np.zeros((2, 2), np.complex64), "NPY of complex64"),
        (np.zeros((2, 2), [("a", "u1")]), "NPY of "),
        (np.array([["a"]]), "NPY of <U1"),
        (np.zeros(9, np.uint8), r"shape \(9,\); an image is H x W"),
        (np.zeros((2, 2, 2, 2), np.uint8), r"shape \(2, 2, 2, 2\)"),
        (np.zeros((2, 0), np.uint8), r"shape \(2, 0\)"),
        (np.full((2, 2), np.nan, np.float32), "4 of 4 samples are NaN"),
        (np.zeros((2, 2, 5000), np.uint8), "5,000 bands, more than the limit of 4,096"),
    ],
)
def test_other_arrays_are_refused(array: Any, words: str) -> None:
    with pytest.raises(DataError, match=f"^x: .*{words}"):
        decode(saved(array, allow_pickle=True), "x")


def header(text: str, version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (saved(np.zeros((9, 9), np.uint8))[:-1], "truncated NPY: 208 bytes where its header asks for 209"),
        (saved(np.zeros((9, 9), np.uint8)) + b"x", "damaged NPY: 210 bytes"),
        (saved(np.zeros((9, 9), np.uint8))[:50], "damaged or truncated NPY"),
        (b"\x93NUMPY", "damaged or truncated NPY"),
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': (1<<40, 1<<40)}\n"), "damaged or truncated NPY"),
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999, 9999999999)}\n"), "asks for 99999"),
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 5)}\n"), "NPY"),
        (header("__import__('os').abort()\n"), "damaged or truncated NPY"),
        (header("(" * 9000 + "\n"), "damaged or truncated NPY"),
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1)}" + " " * 20000), "damaged or truncated NPY"),
        (header("{}", b"\x03\x00"), "version 3.0"),
    ],
)
def test_headers_that_lie(data: bytes, words: str) -> None:
    with pytest.raises(DataError, match=f"^x: .*{words.replace('99999', '')}"):
        decode(data, "x")


def test_limits_come_before_the_content(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((100, 100, 6), np.float64))
    for attempt in (probe, read):
        with pytest.raises(DataError, match=r"100 x 100 pixels of 6 channels and 32 bits are 240,000 bytes"):
            attempt(path, limits=Limits(decoded=239_999))
        with pytest.raises(DataError, match=r"480,128 bytes, more than the limit"):
            attempt(path, limits=Limits(bytes=480_000))
