"""The built-in formats of image files, registered by the hook that plugins implement.

What they read and write is told in `translate.imaging.io`; a file that has the first bytes of one of them is never
taken for a plugin's.
"""

from __future__ import annotations

from typing import ClassVar

from translate.imaging.decode import decode
from translate.imaging.encode import encode
from translate.imaging.formats.kind import signatures_of
from translate.imaging.image import Image
from translate.imaging.image_format import Array, ImageFormat
from translate.markers import hookimpl


class _BuiltIn(ImageFormat):
    suffixes: ClassVar[tuple[str, ...]]

    def read(self, data: bytes) -> Image | Array:
        return decode(data, self.name)

    def write(self, image: Image) -> bytes:
        return encode(image, self.suffixes[0])


class Png(_BuiltIn):
    """Portable Network Graphics: 8 and 16 bits, alpha, palettes; lossless."""

    name, suffixes, signatures = "png", (".png",), signatures_of("png")


class Jpeg(_BuiltIn):
    """JPEG: 8 bits, lossy."""

    name, suffixes, signatures = "jpeg", (".jpg", ".jpeg"), signatures_of("jpeg")


class WebP(_BuiltIn):
    """WebP: 8 bits, alpha, lossy or lossless."""

    name, suffixes, signatures = "webp", (".webp",), signatures_of("webp")


class Tiff(_BuiltIn):
    """TIFF: any bands of 8, 16 or 32 bits and floats; lossless."""

    name, suffixes, signatures = "tiff", (".tif", ".tiff"), signatures_of("tiff")


class Bmp(_BuiltIn):
    """Windows bitmaps: 8 bits, lossless."""

    name, suffixes, signatures = "bmp", (".bmp",), signatures_of("bmp")


class Npy(_BuiltIn):
    """Arrays of numpy: any bands and any finite floats; lossless."""

    name, suffixes, signatures = "npy", (".npy",), signatures_of("npy")


class Gif(ImageFormat):
    """Still GIF: 256 colours. It is read and not written."""

    name, suffixes, signatures = "gif", (".gif",), signatures_of("gif")

    def read(self, data: bytes) -> Image | Array:
        return decode(data, self.name)


@hookimpl
def translate_formats() -> list[type[ImageFormat]]:
    """The built-in formats."""
    return [Png, Jpeg, WebP, Tiff, Bmp, Npy, Gif]
