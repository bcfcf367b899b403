"""The built-in formats, in one table, and the format of a file from its first bytes.

Decoders are lenient: Pillow accepts a PNG whose data end early, and libjpeg fills what it lacks with grey. No check can
find a bit that flipped inside the compressed data of a JPEG, or in the pixels of a BMP.
"""

from __future__ import annotations

from translate.errors import DamagedError, UnsupportedError
from translate.imaging.formats.bmp import Bmp
from translate.imaging.formats.codec import Codec
from translate.imaging.formats.gif import Gif
from translate.imaging.formats.jpeg import Jpeg
from translate.imaging.formats.npy import Npy
from translate.imaging.formats.photo.heif import Avif, Heic
from translate.imaging.formats.photo.jpeg2000 import Jpeg2000
from translate.imaging.formats.photo.jpegls import JpegLs
from translate.imaging.formats.photo.jpegxl import JpegXl
from translate.imaging.formats.photo.jpegxr import JpegXr
from translate.imaging.formats.photo.raw import Raw
from translate.imaging.formats.png import Png
from translate.imaging.formats.raster.dicom import Dicom
from translate.imaging.formats.raster.openexr import OpenExr
from translate.imaging.formats.raster.pnm import Pfm, Pnm
from translate.imaging.formats.raster.qoi import Qoi
from translate.imaging.formats.raster.radiance import Radiance
from translate.imaging.formats.raster.zarr_store import SUFFIX as ZARR
from translate.imaging.formats.tiff.tiff import Tiff
from translate.imaging.formats.webp import WebP

CODECS: tuple[Codec, ...] = (
    Png(),
    JpegLs(),
    Jpeg(),
    WebP(),
    Raw(),
    Tiff(),
    Bmp(),
    Npy(),
    Gif(),
    Avif(),
    Heic(),
    JpegXl(),
    Jpeg2000(),
    JpegXr(),
    OpenExr(),
    Radiance(),
    Qoi(),
    Pnm(),
    Pfm(),
    Dicom(),
)
"""All built-in formats. The first one that recognises a file reads it: JPEG-LS before JPEG, raw photos before TIFF."""

RESERVED = tuple(suffix for codec in CODECS if not codec.gives_way for suffix in codec.suffixes)
"""Suffixes that no plugin's format may have."""

READABLE = tuple(suffix for codec in CODECS for suffix in codec.suffixes)
"""Suffixes of files that are taken for images when a folder is walked, in lower case."""

SUFFIXES = tuple(suffix for codec in CODECS for suffix in codec.written)
"""Suffixes that can be written, in lower case."""

EXACT_SUFFIXES = tuple(suffix for codec in CODECS if codec.keeps and codec.keeps.bands for suffix in codec.written)
"""Suffixes of formats that hold any number of bands, and samples of 32 bits."""

# Files that often lie among images under an image's name.
_FOREIGN = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the image: run `git lfs pull`"),
    (b"<", "is a text (a web page, an SVG?), not an image: was the download refused?"),
    (b"%PDF", "is a PDF, not an image"),
    (b"8BPS", "is a Photoshop document, which is not read; export it as TIFF or PNG"),
    (b"gimp xcf", "is a GIMP document, which is not read; export it as TIFF or PNG"),
    (b"DDS ", "is a DirectDraw surface, which is not read; convert it to PNG"),
    (b"\x00\x00\x01\x00", "is a Windows icon, which is not read; convert it to PNG"),
    (b"\x0a\x05\x01", "is a PCX file, which is not read; convert it to PNG"),
    (b"SIMPLE  =", "is a FITS file, which is not read; convert it to a float32 TIFF or to .npy"),
    (b"\x89HDF", "is an HDF5 file, which is not read; save its arrays as .npy or TIFF"),
    (b"CDF", "is a NetCDF file, which is not read; save its arrays as .npy or TIFF"),
    (b"PK\x03\x04", "is a zip archive, not an image; unpack it, or give the archive as the source of data"),
    (b"\x1f\x8b", "is packed by gzip, and not an image; unpack it (gunzip)"),
    (b"7z\xbc\xaf", "is a 7z archive, not an image; unpack it"),
    (b"Rar!", "is a RAR archive, not an image; unpack it"),
    (b"\x01\xda", "is an SGI image, which is not read; convert it to PNG"),
    (b"icns", "is an icon of macOS, which is not read; convert it to PNG"),
    (b"#define ", "is an X bitmap or a text, which is not read; convert it to PNG"),
    (b"%!PS", "is PostScript, not an image; render it to PNG"),
    (b"\x1aE\xdf\xa3", "is a film (Matroska, WebM), not an image; extract its frames"),
    (b"\x00\x00\x00\x00\x00\x00\x00\x00", "holds only zero bytes where its header should be: copy it again"),
)


def codec_of(head: bytes, name: str) -> Codec:
    """Reads the format from the first `HEAD` bytes, whatever the suffix says. Errors: DataError."""
    if codec := _recognised(head):
        return codec
    if not head:
        raise DamagedError(f"{name}: the file is empty")
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            raise (DamagedError if magic == bytes(8) else UnsupportedError)(f"{name}: {what}")
    # ISO base media (ISO 14496-12): bytes 0 to 4 are the length of the first box, 8 to 12 its brand.
    if head[4:8] == b"ftyp":
        brand = head[8:12].decode("latin-1").strip()
        raise UnsupportedError(f"{name}: is a film (brand {brand!r}), not an image; extract its frames")
    names = ", ".join(codec.name.upper() for codec in CODECS)
    raise UnsupportedError(f"{name}: not an image of a known format ({names})")


def is_built_in(head: bytes) -> bool:
    """Whether the first `HEAD` bytes are those of a format that is read here, before any of a plugin."""
    codec = _recognised(head)
    return codec is not None and not codec.gives_way


def is_certain(head: bytes) -> bool:
    """Whether the first `HEAD` bytes are those of an image beyond doubt: two or three letters are none."""
    codec = _recognised(head)
    return codec is not None and not codec.begins_like_text


def codec_for(suffix: str) -> Codec | None:
    """The format that is written for a suffix, in lower case."""
    return next((codec for codec in CODECS if suffix in codec.written), None)


def written_instead(suffix: str) -> str:
    """The suffix of outputs for inputs of a suffix, in lower case, which no output has."""
    if suffix == ZARR:
        return ".tif"
    return next((codec.instead for codec in CODECS if suffix in codec.suffixes), ".png")


def _recognised(head: bytes) -> Codec | None:
    return next((codec for codec in CODECS if codec.recognises(head)), None)
