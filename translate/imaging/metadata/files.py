"""Metadata of files of each format: read beside the pixels, and put into the bytes of an output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from translate.imaging.colour.dynamic_range import NAMES, note_on
from translate.imaging.colour.spaces import profile_of
from translate.imaging.image import Image
from translate.imaging.metadata.in_bmp import read_bmp, write_bmp
from translate.imaging.metadata.in_boxes import read_avif, read_heic, read_jxl, write_jxl
from translate.imaging.metadata.in_jp2 import read_jp2, write_jp2
from translate.imaging.metadata.in_jpeg import read_jpeg, write_jpeg
from translate.imaging.metadata.in_png import read_png, write_png
from translate.imaging.metadata.in_tiff import orientation_of, read_tiff, write_tiff
from translate.imaging.metadata.in_webp import read_webp, write_webp
from translate.imaging.metadata.metadata import NOTHING, Metadata, is_adobe_rgb, upright_xmp, without_geo

READERS: Mapping[str, Callable[[bytes], Metadata]] = MappingProxyType(
    {
        "png": read_png,
        "jpeg": read_jpeg,
        "webp": read_webp,
        "avif": read_avif,
        "heic": read_heic,
        "jpegxl": read_jxl,
        "jpeg2000": read_jp2,
        "bmp": read_bmp,
    }
)
WRITERS: Mapping[str, Callable[[bytes, Metadata], bytes]] = MappingProxyType(
    {
        "png": write_png,
        "jpeg": write_jpeg,
        "webp": write_webp,
        "tiff": write_tiff,
        "jpegxl": write_jxl,
        "jpeg2000": write_jp2,
        "bmp": write_bmp,
    }
)
"""By the name of the format; AVIF has its metadata from its encoder."""


def described(image: Image, kind: str, data: bytes, orientation: int, page: int = 0) -> Image:
    """A decoded image with the metadata of its file (TIFF: of its page), of which none decides whether there is an
    image: what is damaged is left out."""
    try:
        if kind == "tiff":
            metadata, orientation = read_tiff(data, page), orientation_of(data, page)
        else:
            metadata = READERS[kind](data) if kind in READERS else NOTHING
        metadata.of_output(2, (1, 1), True)  # what cannot be carried over to an output is none, either
        metadata = _of_upright(metadata, orientation)
    except Exception:  # metadata are anything that a writer, or a fuzzer, likes
        return image
    white, pixels = metadata.white, image.pixels
    # A white that samples go beyond is none, and 8 bits, bands and palettes have no other than their own.
    if white is not None and (image.bits == 8 or image.mode == "bands" or float(pixels.max()) > white[1]):
        white = None
    if metadata.profile is None and image.icc is None and image.pixels.shape[2] == 3 and is_adobe_rgb(metadata.exif):
        metadata = replace(metadata, profile=profile_of("adobe-rgb"))
    metadata = replace(metadata, white=white)
    code = dict(metadata.chunks).get("cICP", b"")
    if len(code) == 4 and code[1] in NAMES:
        image = replace(image, notes=(*image.notes, note_on(code[1])))
    return replace(image, metadata=metadata or None, ranges=image.ranges if white is None else (white,))


def with_metadata(data: bytes, kind: str, metadata: Metadata | None) -> bytes:
    """The bytes of a file with metadata, as far as its format holds them; without any where they are too odd."""
    if not metadata or kind not in WRITERS:
        return data
    try:
        return WRITERS[kind](data, metadata)
    except Exception:  # a resolution of infinity, a text that no encoding has: the pixels are whole all the same
        return data


def profile_to_embed(image: Image, kind: str) -> bytes | None:
    """The ICC profile that a file of a format needs, beside its chunks of colours (PNG) and its EXIF."""
    if image.icc or not image.metadata:
        return image.icc
    stated = kind == "png" if image.metadata.chunks else kind in ("jpeg", "tiff")
    return None if stated else image.metadata.profile


def _of_upright(metadata: Metadata, orientation: int) -> Metadata:
    """The metadata of an image that was turned upright; places on the ground are those of stored pixels."""
    if orientation in (0, 1):
        return metadata
    if metadata.resolution and orientation in (5, 6, 7, 8):
        metadata = replace(metadata, resolution=metadata.resolution[::-1])
    return without_geo(replace(metadata, xmp=upright_xmp(metadata.xmp)))
