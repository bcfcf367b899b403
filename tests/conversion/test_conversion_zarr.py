"""Folders of Zarr and OME-Zarr: one image each, whose pages are its planes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

import translate
from translate.console import PlainConsole
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.errors import DamagedError, DataError, UnsupportedError
from translate.imaging import decode, guarded
from translate.imaging.image import Limits

Array = np.ndarray[Any, Any]
DRAW = np.random.default_rng(0)
COLOUR = DRAW.integers(0, 256, (40, 52, 3), dtype=np.uint8)


def ome(path: Path, array: Array, axes: str, version: int, **more: Any) -> None:
    """An OME image of two scales."""
    group = zarr.open_group(path, mode="w", zarr_format=version)
    for number, level in enumerate((array, array[..., ::2, ::2])):
        chunks = (1,) * (array.ndim - 2) + (16, 16)
        stored = group.create_array(f"s{number}", shape=level.shape, dtype=level.dtype, chunks=chunks)
        stored[:] = level
    listed: list[Any] = [{"name": axis} for axis in axes]
    scales = [{"axes": listed, "datasets": [{"path": "s0"}, {"path": "s1"}]}]
    attributes = {"multiscales": scales, **more}
    group.attrs.update(attributes if version == 2 else {"ome": attributes})


def plain(path: Path, array: Array, version: int = 3, **options: Any) -> None:
    stored = zarr.create_array(path, shape=array.shape, dtype=array.dtype, zarr_format=version, **options)
    stored[:] = array


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_channels_are_bands_of_the_largest_scale(version: int, dtype: Any, tmp_path: Path) -> None:
    array = DRAW.normal(100, 30, (5, 40, 52)).astype(dtype)
    ome(tmp_path / "a.zarr", array, "cyx", version)
    image = guarded.read(tmp_path / "a.zarr")
    assert image.mode == "bands" and np.array_equal(image.pixels, array.transpose(1, 2, 0).astype(image.pixels.dtype))
    header = guarded.probe(tmp_path / "a.zarr")
    assert (header.height, header.width, header.channels, header.dtype) == (40, 52, 5, image.pixels.dtype.name)


@pytest.mark.parametrize("axes", ["yxc", "xyc", "cxy"])
def test_axes_come_in_any_order(axes: str, tmp_path: Path) -> None:
    array = COLOUR.transpose(["yxc".index(axis) for axis in axes])
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("0", shape=array.shape, dtype=array.dtype)[:] = array
    channels = [{"color": colour} for colour in ("FF0000", "00FF00", "0000FF")]
    scales = [{"axes": [{"name": axis} for axis in axes], "datasets": [{"path": "0"}]}]
    group.attrs["ome"] = {"multiscales": scales, "omero": {"channels": channels}}
    image = decode.read(tmp_path / "a.zarr")
    assert image.mode == "rgb" and np.array_equal(image.pixels, COLOUR)


@pytest.mark.parametrize("options", [{}, {"chunks": (20, 20, 3)}, {"chunks": (10, 10, 3), "shards": (20, 20, 3)}])
def test_an_array_is_read_as_npy_is(options: Any, tmp_path: Path) -> None:
    plain(tmp_path / "a.zarr", COLOUR, **options)
    assert np.array_equal(guarded.read(tmp_path / "a.zarr").pixels, COLOUR)


def test_planes_are_pages(make: Any, tmp_path: Path) -> None:
    stack = DRAW.integers(0, 65536, (2, 3, 1, 40, 52)).astype(np.uint16)
    ome(tmp_path / "in/a.zarr", stack, "tzcyx", 2)
    with pytest.raises(DataError, match=r"a\.zarr: 6 frames or pages in one file; `--pages all` converts each"):
        guarded.read(tmp_path / "in/a.zarr")
    assert [page.shape for page in translate.pages(tmp_path / "in/a.zarr")] == [(40, 52, 1)] * 6
    console = PlainConsole(io.StringIO(), io.StringIO())
    summary = convert(tmp_path / "in", tmp_path / "out", make(), ConvertOptions(pages="all"), console=console)
    assert (summary.done, summary.failed) == (1, 0)
    pages = tifffile.imread(tmp_path / "out/a.tif", key=slice(None))
    assert np.array_equal(pages.reshape(6, 40, 52, -1)[..., 0], stack.reshape(6, 40, 52))


def test_it_is_one_input_among_others(make: Any, tmp_path: Path) -> None:
    plain(tmp_path / "in/sub/a.zarr", COLOUR)
    tifffile.imwrite(tmp_path / "in/b.tif", COLOUR)
    console = PlainConsole(io.StringIO(), io.StringIO())
    for output, source in (("whole", "in"), ("alone", "in/sub/a.zarr")):
        summary = convert(tmp_path / source, tmp_path / output, make(), console=console)
        assert summary.failed == 0
    assert np.array_equal(tifffile.imread(tmp_path / "whole/sub/a.tif"), COLOUR)
    assert np.array_equal(tifffile.imread(tmp_path / "alone/a.tif"), COLOUR)
    convert(tmp_path / "in/sub/a.zarr", tmp_path / "x.png", make(), console=console)
    assert np.array_equal(guarded.read(tmp_path / "x.png").pixels, COLOUR)
    assert np.array_equal(make()(tmp_path / "in/sub/a.zarr"), COLOUR)


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = zarr.open_group(tmp_path / "many.zarr", mode="w")
    for name in "ab":
        group.create_array(name, shape=(8, 8), dtype="uint8")
    with pytest.raises(UnsupportedError, match=r"many\.zarr: a Zarr group of several images \(a, b\)"):
        guarded.read(tmp_path / "many.zarr")
    assert guarded.read(tmp_path / "many.zarr/a").pixels.shape == (8, 8, 1)

    plain(tmp_path / "long.zarr", COLOUR.astype(np.uint64))
    with pytest.raises(UnsupportedError, match="Zarr of uint64 is not read"):
        guarded.read(tmp_path / "long.zarr")

    plain(tmp_path / "code.zarr", COLOUR, version=2)
    facts = json.loads((tmp_path / "code.zarr/.zarray").read_text())
    for named in ({"filters": [{"id": "pickle", "protocol": 5}]}, {"compressor": {"id": "pickle", "protocol": 5}}):
        (tmp_path / "code.zarr/.zarray").write_text(json.dumps(facts | named))
        with pytest.raises(DataError, match="pickle"):
            guarded.read(tmp_path / "code.zarr")

    plain(tmp_path / "bad.zarr", COLOUR)
    chunk = next(path for path in (tmp_path / "bad.zarr").rglob("*") if path.is_file() and path.name != "zarr.json")
    chunk.write_bytes(chunk.read_bytes()[:-30])
    with pytest.raises(DamagedError, match=r"bad\.zarr: damaged"):
        guarded.read(tmp_path / "bad.zarr")

    zarr.create_array(tmp_path / "bomb.zarr", shape=(1 << 14, 1 << 13), dtype="float32")
    with pytest.raises(DataError, match="decompression bomb"):
        guarded.read(tmp_path / "bomb.zarr")
    zarr.create_array(tmp_path / "huge.zarr", shape=(1 << 20, 1 << 20), dtype="uint8")
    with pytest.raises(DataError, match="more than the limit"):
        guarded.probe(tmp_path / "huge.zarr", limits=Limits(pixels=1 << 26))

    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(UnsupportedError, match=r"need the package zarr: pip install 'translate-i2i\[zarr\]'"):
        decode.read(tmp_path / "bad.zarr")
