"""The format of a file, from its first bytes, and the check that each format has to pass before it is decoded.

Decoders are lenient: Pillow accepts a PNG whose data end early, and libjpeg fills what it lacks with grey. No check can
find a bit that flipped inside the compressed data of a JPEG, or in the pixels of a BMP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from translate.errors import DataError
from translate.imaging.formats.jpeg import check_jpeg
from translate.imaging.formats.png import check_png
from translate.imaging.formats.tiff_directory import check_tiff
from translate.imaging.formats.webp_gif_bmp import check_bmp

# The bytes that open a file of each format; of the four of TIFF the last two are BigTIFF.
_FORMATS = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"BM", "bmp"),
    (b"GIF8", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"\x93NUMPY", "npy"),
)
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


def kind_of(head: bytes, name: str) -> str:
    """Reads the format from the first 16 bytes, whatever the suffix says. Errors: DataError."""
    for magic, kind in _FORMATS:
        if head.startswith(magic):
            return kind
    # WebP is one of many RIFF forms: bytes 4 to 8 hold the length, the form's name follows.
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
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
    """Whether the first 16 bytes are those of a format that is read here."""
    return head.startswith(tuple(magic for magic, _ in _FORMATS)) or (head[:4], head[8:12]) == (b"RIFF", b"WEBP")


def signatures_of(kind: str) -> tuple[bytes, ...]:
    """The bytes that open files of a format. Those of WebP stand apart: `RIFF`, a length, and the name of the form."""
    return tuple(magic for magic, of in _FORMATS if of == kind)


CHECKS: Mapping[str, Callable[[bytes, str], None]] = MappingProxyType(
    {"png": check_png, "jpeg": check_jpeg, "bmp": check_bmp, "tiff": check_tiff}
)
"""By format; WebP and GIF are checked as soon as they are opened. Errors of all: DataError, with the name given."""
