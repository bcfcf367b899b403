"""Encodes an image to the bytes of a file; the table in `translate.imaging.io` says what each format keeps."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from imagecodecs import png_encode
from PIL import Image as Pillow

from translate.errors import ConfigError, DataError
from translate.imaging.decode import matching
from translate.imaging.formats.npy import encode_npy
from translate.imaging.formats.tiff import encode_tiff
from translate.imaging.image import EXACT_SUFFIXES, Image
from translate.imaging.image_format import as_image, encode_by, writable, writer_of
from translate.imaging.pixels import to8, to16, within_unit
from translate.storage.atomic import write_bytes

Array = np.ndarray[Any, Any]


def write(path: Path, image: Image | Array, *, quality: int = 95, compression: int = 6) -> None:
    """Writes an image in the format of the suffix: a temporary file beside it, synced, then renamed.

    An array is H x W, or H x W x C with C = 1 (grey), 2 (grey, alpha), 3 (RGB), 4 (RGB, alpha), or more (bands); uint8,
    uint16, uint32, or float32 (outside [0, 1] for TIFF and NPY alone). `quality` 1 to 100 is for JPEG and WebP (100:
    lossless WebP), `compression` 0 to 9 for PNG; 0 and 1 also store deep TIFF and bands as they are. Errors: DataError,
    ConfigError for an unknown suffix.
    """
    data = encode(image, path.suffix, name=str(path), quality=quality, compression=compression)
    try:
        write_bytes(path, data)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from None


def encode(image: Image | Array, suffix: str, *, name: str = "image", quality: int = 95, compression: int = 6) -> bytes:
    """The bytes of an image file; see `write` and the table in `translate.imaging.io`."""
    suffix = suffix.lower()
    if suffix not in writable():
        raise ConfigError(f"{name}: no image format is written for {suffix!r}; use one of {' '.join(writable())}")
    image = as_image(image)
    if image.palette and suffix != ".png":
        raise ConfigError(f"{name}: label maps are written as PNG alone, not as {suffix}")
    if other := writer_of(suffix):
        return encode_by(other, image, name)
    if suffix not in EXACT_SUFFIXES:
        _check_picture(image, suffix, name)
    if suffix == ".npy":
        return encode_npy(image.array)
    tiff, channels = suffix in (".tif", ".tiff"), image.pixels.shape[2]
    image = replace(image, icc=matching(image.icc, channels, image.mode))
    if not tiff and image.bits > 8:
        less = to16 if suffix == ".png" else to8
        image = replace(image, pixels=less(image.pixels), alpha=None if image.alpha is None else less(image.alpha))
    if suffix in (".jpg", ".jpeg", ".bmp"):
        image = replace(image, pixels=image.over_white(), alpha=None)
    try:
        if tiff and (image.bits > 8 or image.mode == "bands"):
            return encode_tiff(image, packed=compression > 1)
        if image.bits == 16 and image.array.shape[2] > 1:
            return _encode_wide(image, compression)
        return _encode_pillow(image, suffix, quality, compression)
    except (OSError, ValueError, SystemError) as error:
        height, width = image.pixels.shape[:2]
        raise DataError(f"{name}: {width} x {height} pixels cannot be written as {suffix}: {error}") from None


def _check_picture(image: Image, suffix: str, name: str) -> None:
    """Errors: DataError for what a format of pictures cannot hold: bands, and floats whose white nobody knows."""
    channels = image.pixels.shape[2]
    if channels not in (1, 3):
        raise DataError(f"{name}: {channels} bands cannot be written as {suffix}; use .tif or .npy")
    if not within_unit(image.pixels):
        values = f"floats from {image.pixels.min():g} to {image.pixels.max():g}"
        raise DataError(f"{name}: {values} cannot be written as {suffix}, whose white is 1; use .tif or .npy")


def _encode_pillow(image: Image, suffix: str, quality: int, compression: int) -> bytes:
    array = image.array[..., 0] if image.array.shape[2] == 1 else image.array
    tiff: dict[str, Any] = {"format": "TIFF", "compression": "tiff_lzw"}
    jpeg: dict[str, Any] = {"format": "JPEG", "quality": quality, "subsampling": 0 if quality >= 90 else 2}
    formats: dict[str, dict[str, Any]] = {
        ".png": {"format": "PNG", "compress_level": compression},
        ".webp": {"format": "WEBP", "quality": quality, "lossless": quality >= 100, "exact": True},
        ".bmp": {"format": "BMP"},
        **dict.fromkeys((".jpg", ".jpeg"), jpeg),
        **dict.fromkeys((".tif", ".tiff"), tiff),
    }
    options = formats[suffix]
    if image.icc and suffix != ".bmp":
        options["icc_profile"] = image.icc
    out = BytesIO()
    picture = Pillow.fromarray(array)
    if image.palette:
        picture.putpalette([*chain.from_iterable(image.palette)])
    picture.save(out, **options)
    return out.getvalue()


def _encode_wide(image: Image, compression: int) -> bytes:
    """A PNG of 16-bit colour or alpha, which Pillow cannot write."""
    data: bytes = bytes(png_encode(np.ascontiguousarray(image.array), level=compression))
    if image.icc is None:
        return data
    chunk = b"iCCP" + b"icc\x00\x00" + zlib.compress(image.icc)
    # A chunk: its length without the kind, the kind and the content, the CRC-32 of both.
    packed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return data[:33] + packed + data[33:]  # right behind the header chunk
