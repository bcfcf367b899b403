"""The built-in formats, in one table, and the format of a file from its first bytes.

Decoders are lenient: Pillow accepts a PNG whose data end early, and libjpeg fills what it lacks with grey. No check can
find a bit that flipped inside the compressed data of a JPEG, or in the pixels of a BMP.
"""

from __future__ import annotations

from translate.errors import DataError
from translate.imaging.formats.bmp import Bmp
from translate.imaging.formats.codec import Codec
from translate.imaging.formats.gif import Gif
from translate.imaging.formats.jpeg import Jpeg
from translate.imaging.formats.npy import Npy
from translate.imaging.formats.png import Png
from translate.imaging.formats.tiff.tiff import Tiff
from translate.imaging.formats.webp import WebP

CODECS: tuple[Codec, ...] = (Png(), Jpeg(), WebP(), Tiff(), Bmp(), Npy(), Gif())
"""All built-in formats."""

READABLE = tuple(suffix for codec in CODECS for suffix in codec.suffixes)
"""Suffixes of files that are taken for images when a folder is walked, in lower case."""

SUFFIXES = tuple(suffix for codec in CODECS if codec.keeps for suffix in codec.suffixes)
"""Suffixes that can be written, in lower case."""

EXACT_SUFFIXES = tuple(suffix for codec in CODECS if codec.keeps and codec.keeps.bands for suffix in codec.suffixes)
"""Suffixes of formats that hold any number of bands, and samples of 32 bits."""

# Files that often lie among images under an image's name.
_FOREIGN = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the image: run `git lfs pull`"),
    (b"<", "is a text (a web page, an SVG?), not an image: was the download refused?"),
    (b"%PDF", "is a PDF, not an image"),
    (b"v/1\x01", "OpenEXR is not read; convert it to a float32 TIFF"),
    (b"#?RADIANCE", "Radiance HDR is not read; convert it to a float32 TIFF"),
    (b"#?RGBE", "Radiance HDR is not read; convert it to a float32 TIFF"),
    (b"\x00\x00\x00\x00\x00\x00\x00\x00", "holds only zero bytes where its header should be: copy it again"),
)


def codec_of(head: bytes, name: str) -> Codec:
    """Reads the format from the first 24 bytes, whatever the suffix says. Errors: DataError."""
    if codec := _recognised(head):
        return codec
    if not head:
        raise DataError(f"{name}: the file is empty")
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            raise DataError(f"{name}: {what}")
    # ISO base media (ISO 14496-12): bytes 0 to 4 are the length of the first box.
    if head[4:8] == b"ftyp":
        raise DataError(f"{name}: HEIC and AVIF are not read; convert it to PNG or JPEG")
    raise DataError(f"{name}: not an image of a known format (PNG, JPEG, WebP, TIFF, BMP, GIF, NPY)")


def is_built_in(head: bytes) -> bool:
    """Whether the first 24 bytes are those of a format that is read here."""
    return _recognised(head) is not None


def codec_for(suffix: str) -> Codec | None:
    """The format that is written for a suffix, in lower case."""
    return next((codec for codec in CODECS if suffix in codec.suffixes and codec.keeps), None)


def _recognised(head: bytes) -> Codec | None:
    return next((codec for codec in CODECS if codec.recognises(head)), None)
