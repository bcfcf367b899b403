"""The built-in formats of image files, registered by the hook that plugins implement.

What they read and write is told in `translate.imaging.io`; a file that has the first bytes of one of them is never
taken for a plugin's.
"""

from __future__ import annotations

from typing import Any

from translate.imaging.decode import decode
from translate.imaging.encode import encode
from translate.imaging.formats.codec import Codec
from translate.imaging.formats.table import CODECS
from translate.imaging.image import Image
from translate.imaging.image_format import Array, ImageFormat
from translate.markers import hookimpl


def _as_format(codec: Codec) -> type[ImageFormat]:
    """A codec in the form of a plugin's format: for lists of what is there, and for tests of the contract."""

    def read(self: ImageFormat, data: bytes) -> Image | Array:
        return decode(data, codec.name)

    def write(self: ImageFormat, image: Image) -> bytes:
        return encode(image, codec.written[0])

    members: dict[str, Any] = {
        "__doc__": type(codec).__doc__,
        "__module__": type(codec).__module__,
        "name": codec.name,
        "suffixes": codec.suffixes,
        "signatures": codec.signatures,
        "read": read,
    }
    if codec.keeps:
        members["write"] = write
    return type(type(codec).__name__, (ImageFormat,), members)


_FORMATS = [_as_format(codec) for codec in CODECS]


@hookimpl
def translate_formats() -> list[type[ImageFormat]]:
    """The built-in formats."""
    return [*_FORMATS]
