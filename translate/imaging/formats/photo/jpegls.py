"""JPEG-LS (ISO 14495): 2 to 16 bits, lossless or nearly so.

It has the markers of JPEG; the frame header is SOF55 (FF F7): length, bits, height, width, components.
"""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

import imagecodecs
import numpy as np

from translate.errors import DamagedError, UnsupportedError
from translate.imaging.formats.codec import Codec, Keeps, Opened, Settings, turned
from translate.imaging.image import Header, Image, Limits
from translate.imaging.pixels import filled

_HEAD = 1 << 16
_FRAME = b"\xff\xf7"


# Behind FF image data go on with a bit of 0 (14495-1, A.1): FF and a byte from 80 on is a marker.
_MARKER = re.compile(rb"\xff[\x80-\xfe]")
_END, _SCAN = 0xD9, 0xDA


class JpegLs(Codec):
    """JPEG-LS: 8 and 16 bits; lossless."""

    name, suffixes = "jpegls", (".jls",)
    keeps = Keeps(bits=16, side=65535)

    def recognises(self, head: bytes) -> bool:
        # Other files begin with the frame header behind applications' data, which JPEGs have as well.
        return head.startswith(b"\xff\xd8" + _FRAME) or (head.startswith(b"\xff\xd8\xff\xe8") and b"SPIFF" in head)

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        stream.seek(0)
        head = stream.read(_HEAD)
        at = head.find(_FRAME)
        if at < 0 or len(head) < at + 10:
            raise DamagedError(f"{name}: truncated or damaged JPEG-LS: it has no frame header")
        bits, height, width, components = struct.unpack(">BHHB", head[at + 4 : at + 10])
        if components not in (1, 3, 4) or not 2 <= bits <= 16:
            raise UnsupportedError(f"{name}: JPEG-LS of {components} components and {bits} bits is not read")
        mode = "grey" if components == 1 else "rgb"
        depth = 8 if bits <= 8 else 16
        header = Header(self.name, width, height, min(3, components), depth, components == 4, mode)
        limits.check(header, size, name)
        return Opened(self, header, bits)

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        _check_end(data, name)
        array = filled(np.asarray(imagecodecs.jpegls_decode(data)), opened.source)
        array = array[..., None] if array.ndim == 2 else array
        return turned(opened, array[..., :3], array[..., 3] if opened.header.alpha else None, None, name)

    def encode(self, image: Image, name: str, settings: Settings) -> bytes:
        array = image.array[..., 0] if image.array.shape[2] == 1 else image.array
        return bytes(imagecodecs.jpegls_encode(np.ascontiguousarray(array), level=0))


def _check_end(data: bytes, name: str) -> None:
    """Follows the markers to the end marker, without which the decoder takes seconds to give up. Errors: DataError."""
    at, scans = 2, 0
    while match := _MARKER.search(data, at):
        marker, at = data[match.start() + 1], match.end()
        if marker == _END and scans:
            return
        scans += marker == _SCAN
        at += max(2, int.from_bytes(data[at : at + 2], "big"))
    raise DamagedError(f"{name}: truncated JPEG-LS: the file ends before its end marker")
