"""Decodes the bytes of a file to an image; `translate.imaging.io` says what comes out."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from translate.errors import DataError
from translate.imaging.files import contents, leads_into_archive, open_regular
from translate.imaging.formats.codec import HEAD, Opened, damaged
from translate.imaging.formats.of_plugins import PluginFormat, decode_by, format_of, header_by
from translate.imaging.formats.raster.zarr_store import is_zarr, read_zarr, zarr_header
from translate.imaging.formats.table import codec_for, codec_of, is_certain
from translate.imaging.image import LIMITS, Header, Image, Limits
from translate.imaging.metadata.files import described

Array = np.ndarray[Any, Any]


def probe(path: Path, *, limits: Limits = LIMITS) -> Header:
    """The header of an image file, without decoding it. Errors: DataError."""
    if is_zarr(path):
        return zarr_header(path, limits)
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            limits.check_file(size, str(path))
            if format_of(file.read(HEAD), str(path)) is None:
                file.seek(0)
                return _open(file, size, str(path), limits).header
    except OSError as error:
        if not leads_into_archive(path, error):
            raise DataError(f"{path}: {error.strerror or error}") from None
    return header_in(contents(path, limits), str(path), limits=limits)


def header_in(data: bytes, name: str, *, limits: Limits = LIMITS) -> Header:
    """The header of the image in `data`. Errors: DataError."""
    if other := format_of(data[:HEAD], name):
        return header_by(other, data, name, limits)
    return open_header(data, name, limits).header


def format_at(path: Path) -> PluginFormat | None:
    """The format of a plugin that a file has. Errors: DataError, OSError."""
    with open_regular(path) as file:
        return format_of(file.read(HEAD), str(path))


def is_image(path: Path) -> bool:
    """Whether a file without a known suffix begins as an image does. What cannot be opened does not."""
    try:
        with open_regular(path) as file:
            head = file.read(HEAD)
    except (DataError, OSError):
        return False
    return format_of(head, str(path)) is not None or is_certain(head)


def is_lossless(path: Path, suffix: str) -> bool:
    """Whether a file was packed without loss in the format of a suffix, so that an output in it should be, too."""
    codec = codec_for(suffix.lower())
    try:
        with open_regular(path) as file:
            head = file.read(HEAD)
    except (DataError, OSError):
        return False
    return codec is not None and codec.recognises(head) and codec.is_lossless(head)


def read(path: Path, *, limits: Limits = LIMITS, indices: bool = False) -> Image:
    """The image in a file, or, with `indices`, the values that a palette PNG or an 8-bit grey one stores, H x W x 1.

    Errors: DataError, naming the file.
    """
    if is_zarr(path) and not indices:
        return read_zarr(path, limits)
    return decode(contents(path, limits), str(path), limits=limits, indices=indices)


def decode(data: bytes, name: str, *, limits: Limits = LIMITS, indices: bool = False) -> Image:
    """The image in `data`, as `read` gives it; `name` is what errors call it. Errors: DataError."""
    limits.check_file(len(data), name)
    if other := format_of(data[:HEAD], name):
        return decode_by(other, data, name, limits, indices=indices)
    return decode_opened(_open(BytesIO(data), len(data), name, limits), data, name, indices=indices)


def open_header(data: bytes, name: str, limits: Limits) -> Opened:
    """Reads the header in `data`, for `decode_opened`. Errors: DataError."""
    limits.check_file(len(data), name)
    return _open(BytesIO(data), len(data), name, limits)


def decode_opened(opened: Opened, data: bytes, name: str, *, indices: bool = False) -> Image:
    """Decodes, as `decode` does, a file whose header has been read."""
    codec = opened.codec
    if indices:
        opened = codec.as_indices(opened, data, name)
    try:
        image = codec.decode(opened, data, name)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # decoders raise nearly anything at damaged files
        raise damaged(name, codec.name, error) from None
    return image if indices else described(image, codec.name, data, opened.orientation, opened.page)


def _open(stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
    """Reads the header of a file of a built-in format."""
    codec = codec_of(stream.read(HEAD), name)
    try:
        return codec.open(stream, size, name, limits)
    except (DataError, OSError, MemoryError):
        raise
    except Exception as error:
        raise damaged(name, codec.name, error) from None
