"""Encodes an image to the bytes of a file; the table in `translate.imaging.io` says what each format keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from translate.errors import ConfigError, DataError, UnwritableError
from translate.imaging.appearance.handling import DEFAULT
from translate.imaging.appearance.look import as_training_image
from translate.imaging.formats.codec import Codec, Keeps, Settings, matching
from translate.imaging.formats.of_plugins import as_image, encode_by, writable, writer_of
from translate.imaging.formats.table import codec_for
from translate.imaging.image import Header, Image
from translate.imaging.metadata.files import profile_to_embed, with_metadata
from translate.imaging.metadata.metadata import exif_of_srgb
from translate.imaging.pixels import to8, to16, within_unit
from translate.storage.atomic import write_bytes

if TYPE_CHECKING:
    from translate.contracts import Route

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
        raise UnwritableError(f"{path}: cannot be written: {error.strerror or error}") from None


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
    codec = codec_for(suffix)
    assert codec
    if reason := too_large(image.pixels.shape[1], image.pixels.shape[0], suffix):
        raise DataError(f"{name}: {reason}")
    try:
        image = held(image, codec, suffix, name)
        data = codec.encode(image, name, Settings(quality, compression))
        return with_metadata(data, codec.name, image.metadata)
    except (OSError, ValueError, SystemError) as error:
        height, width = image.pixels.shape[:2]
        raise DataError(f"{name}: {width} x {height} pixels cannot be written as {suffix}: {error}") from None


def too_large(width: int, height: int, suffix: str) -> str:
    """Why an image of this size cannot be written in the format of a suffix, and the way out; empty where it can."""
    codec = codec_for(suffix.lower())
    side = codec.keeps.side if codec and codec.keeps else 0
    if not side or max(width, height) <= side:
        return ""
    return (
        f"{width} x {height} pixels cannot be written as {suffix}, which holds {side:,} a side at most: choose another "
        "format, such as png (`--format png`, or OUTPUT.png) or tif"
    )


def output_too_large(header: Header, route: Route, target: str) -> str:
    """Why the output of an image of this header has no place in the format of its target; empty where it has."""
    rows, columns = route.tiles
    width, height = header.width * route.scale * columns, header.height * route.scale * rows
    return too_large(width, height, PurePath(target).suffix)


def held(image: Image, codec: Codec, suffix: str, name: str) -> Image:
    """The image as far as a format can hold it: of fewer bits, over white, without its profile. Errors: DataError."""
    keeps = codec.keeps or Keeps(alpha=True)  # animations alone are written as GIF
    _check_picture(image, keeps, suffix, name)
    icc = matching(profile_to_embed(image, codec.name), image.pixels.shape[2], image.mode) if keeps.icc else None
    if not keeps.icc:  # nothing in the file says what space colours are in: they become sRGB
        image = _in_srgb(image)
    image = replace(image, icc=icc)
    if image.bits > keeps.bits:
        less = to16 if keeps.bits == 16 else to8
        image = replace(image, pixels=less(image.pixels), alpha=None if image.alpha is None else less(image.alpha))
    return image if keeps.alpha else replace(image, pixels=image.over_white(), alpha=None)


def _in_srgb(image: Image) -> Image:
    """The image in sRGB, with what its metadata say besides colours and white."""
    changed, metadata = as_training_image(image, DEFAULT), image.metadata
    if changed is image or metadata is None:
        return changed
    exif = exif_of_srgb(metadata.exif)
    return replace(changed, metadata=replace(metadata, exif=exif, profile=None, chunks=(), white=None))


def _check_picture(image: Image, keeps: Keeps, suffix: str, name: str) -> None:
    """Errors: DataError for what a format of pictures cannot hold: bands, and floats whose white nobody knows."""
    channels = image.pixels.shape[2]
    if channels not in (1, 3) and not keeps.bands:
        raise DataError(f"{name}: {channels} bands cannot be written as {suffix}; use .tif or .npy")
    if not keeps.floats and not within_unit(image.pixels):
        values = f"floats from {image.pixels.min():g} to {image.pixels.max():g}"
        raise DataError(f"{name}: {values} cannot be written as {suffix}, whose white is 1; use .tif or .npy")
