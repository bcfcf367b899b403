"""Zarr and OME-Zarr (NGFF): folders of chunks, by the package zarr (an extra).

A store is an array, or a group of arrays whose attributes say which of them is the image (`multiscales`: the first
dataset is the one of full size) and what its axes are. Axes other than y, x and channels are pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from translate.errors import DamagedError, DataError, UnsupportedError
from translate.imaging.formats.codec import Pages, check_frames, damaged, decoder
from translate.imaging.formats.samples import as_samples
from translate.imaging.image import DENSE, FRAMES, Header, Image, Limits

Array = np.ndarray[Any, Any]

SUFFIX = ".zarr"
_MARKS = (".zgroup", ".zarray", "zarr.json")
# Codecs that are decoders of numbers: others, such as `pickle`, may run code.
_CODECS = {
    "blosc", "zlib", "gzip", "zstd", "lz4", "bz2", "lzma", "delta", "shuffle", "fixedscaleoffset", "packbits",
    "quantize", "bitround", "astype", "crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3", "bytes",
    "transpose", "sharding_indexed",
}  # fmt: skip
_RGB = ["FF0000", "00FF00", "0000FF"]


@dataclass(frozen=True)
class Store:
    """An opened image: its `array`, of which `axes` names each axis, `y`, `x`, `c` for channels, others for pages; its
    header, and the number of pages."""

    array: Any
    axes: str
    header: Header
    pages: int

    def images(self, name: str) -> Iterator[Image]:
        """The image of each page. Errors: DataError."""
        others = [place for place, axis in enumerate(self.axes) if axis not in "yxc"]
        order = [axis for axis in self.axes if axis in "yxc"]
        for places in product(*(range(self.array.shape[place]) for place in others)):
            index: list[Any] = [slice(None)] * len(self.axes)
            for place, number in zip(others, places, strict=True):
                index[place] = number
            stored = np.asarray(self.array[tuple(index)])
            stored = stored if "c" in order else stored[..., None]
            wanted = [order.index(axis) if axis in order else 2 for axis in "yxc"]
            yield Image(as_samples(stored.transpose(wanted), name), mode=self.header.mode)


def is_zarr(path: Path) -> bool:
    """Whether a path is a folder of Zarr: one that ends with .zarr, or an image inside of it."""
    inside = any(part.lower().endswith(SUFFIX) for part in path.parts)
    return inside and path.is_dir() and any((path / mark).is_file() for mark in _MARKS)


def zarr_header(path: Path, limits: Limits) -> Header:
    """The header of an image of one page. Errors: DataError."""
    store = _opened(path, limits)
    check_frames(store.pages, str(path))
    return store.header


def read_zarr(path: Path, limits: Limits) -> Image:
    """An image of one page. Errors: DataError."""
    store = _opened(path, limits)
    check_frames(store.pages, str(path))
    return _read(store, path)[0]


def zarr_pages(path: Path, limits: Limits) -> Pages:
    """All pages of an image. Errors: DataError."""
    store, name = _opened(path, limits), str(path)
    if store.pages > FRAMES or store.pages * store.header.decoded > limits.decoded:
        raise DataError(f"{name}: {store.pages:,} pages are more than {FRAMES:,}, or than {limits.decoded:,} bytes")
    return Pages(tuple(_read(store, path)))


def _read(store: Store, path: Path) -> list[Image]:
    try:
        return list(store.images(str(path)))
    except (DataError, MemoryError):
        raise
    except Exception as error:
        raise damaged(str(path), "zarr", error) from None


def _opened(path: Path, limits: Limits) -> Store:
    name = str(path)
    zarr = decoder("zarr", name, "folders of Zarr", "zarr", "zarr")
    # Its threads would take more room than a small image has.
    zarr.config.set({"threading.max_workers": 1, "async.concurrency": 1})
    try:
        node = zarr.open(store=name, mode="r")
        array, axes, colours = _image_of(node, name)
        shape, dtype = [int(length) for length in array.shape], np.dtype(array.dtype)
        codecs = {*_codecs(array.metadata.to_dict())}
    except (DataError, MemoryError):
        raise
    except Exception as error:  # it raises nearly anything at damaged folders
        raise DamagedError(f"{name}: damaged Zarr: {type(error).__name__}: {error}") from None
    if dtype.kind not in "uif" or dtype.itemsize > 8 or (dtype.kind in "ui" and dtype.itemsize > 4):
        raise UnsupportedError(f"{name}: Zarr of {dtype} is not read; convert it to uint8, uint16 or float32")
    if unknown := codecs - _CODECS:
        raise UnsupportedError(f"{name}: Zarr whose chunks are packed by {', '.join(sorted(unknown))} is not read")
    if len(axes) != len(shape) or not {"y", "x"} <= {*axes} or len({*axes}) < len(axes):
        raise UnsupportedError(f"{name}: Zarr of the shape {shape} with the axes {axes!r} is not read")
    sizes = dict(zip(axes, shape, strict=True))
    channels = sizes.get("c", 1)
    mode = {1: "grey"}.get(channels, "bands")
    mode = "rgb" if channels == 3 and colours else mode
    floats = dtype.kind in "if"
    bits = 32 if floats else 8 * dtype.itemsize
    header = Header("zarr", sizes["x"], sizes["y"], channels, bits, False, mode, floats)
    size = _bytes_of(path) if header.decoded > DENSE else DENSE
    limits.check(header, size, name)
    return Store(array, axes, header, prod(length for axis, length in sizes.items() if axis not in "yxc"))


def _image_of(node: Any, name: str) -> tuple[Any, str, bool]:
    """The array of full size, its axes, and whether its channels are red, green and blue. Errors: DataError."""
    attributes = {**node.attrs}
    attributes = {**attributes, **attributes.get("ome", {})}
    if hasattr(node, "shape"):
        return node, *_plain_axes(node, attributes)
    if scales := attributes.get("multiscales"):
        (image, *_) = scales
        array = node[image["datasets"][0]["path"]]
        axes = image.get("axes") or list("tczyx")[-len(array.shape) :]
        names = "".join(axis if isinstance(axis, str) else str(axis["name"]) for axis in axes)
        channels = attributes.get("omero", {}).get("channels", [])
        return array, names.lower(), [str(channel.get("color", "")).upper() for channel in channels] == _RGB
    parts = sorted(node.keys())
    if "plate" in attributes or len(parts) != 1:
        listed = ", ".join(parts[:5])
        raise UnsupportedError(f"{name}: a Zarr group of several images ({listed}); give one of them, as {name}/...")
    return _image_of(node[parts[0]], name)


def _plain_axes(array: Any, attributes: dict[str, Any]) -> tuple[str, bool]:
    """The axes of an array that is no part of an OME image: as it names them, else H x W or H x W x C as in .npy."""
    named: Sequence[str] | None = attributes.get("_ARRAY_DIMENSIONS") or getattr(
        array.metadata, "dimension_names", None
    )
    count = len(array.shape)
    axes = "".join(_short(axis) for axis in named) if named and all(named) else {2: "yx", 3: "yxc"}.get(count, "?")
    return axes, count == 3 and not named


def _short(axis: str) -> str:
    known = {"channel": "c", "band": "c", "height": "y", "width": "x", "row": "y", "column": "x", "time": "t"}
    return known.get(axis.lower(), axis.lower()[:1])


def _codecs(metadata: Any) -> Iterator[str]:
    """The names of all codecs in the metadata of an array, also of those inside of shards."""
    if isinstance(metadata, dict):
        for key in ("id", "name"):
            if isinstance(metadata.get(key), str):
                yield metadata[key].removeprefix("numcodecs.")
        for key in ("compressor", "filters", "codecs", "index_codecs", "configuration"):
            yield from _codecs(metadata.get(key))
    elif isinstance(metadata, list | tuple):
        for each in metadata:
            yield from _codecs(each)
    elif hasattr(metadata, "get_config"):
        yield str(metadata.get_config()["id"])
    elif hasattr(metadata, "to_dict"):
        yield from _codecs(metadata.to_dict())


def _bytes_of(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
