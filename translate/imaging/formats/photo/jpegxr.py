"""JPEG XR (ISO 29199): 8 and 16 bits and floats. It is read and not written.

A file is laid out like a TIFF: `II`, BC, a version, the offset of a directory, whose tags BC80 and BC81 are the width
and the height, and BC01 a number of 16 bytes that names the kind of pixels.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

import imagecodecs
import numpy as np

from translate.errors import DamagedError, UnsupportedError
from translate.imaging.formats.codec import Codec, Opened, turned
from translate.imaging.formats.samples import as_samples
from translate.imaging.image import Header, Image, Limits

_KIND, _WIDTH, _HEIGHT = 0xBC01, 0xBC80, 0xBC81
# Where the coded picture is, and how many bytes it has.
_OFFSET, _COUNT = 0xBCC0, 0xBCC1
# The last byte of the number of a kind: (colour channels, alpha, bits, floats).
_PIXELS = {
    0x08: (1, False, 8, False), 0x0B: (1, False, 16, False), 0x11: (1, False, 32, True), 0x3E: (1, False, 32, True),
    0x0C: (3, False, 8, False), 0x0D: (3, False, 8, False), 0x0F: (3, True, 8, False), 0x15: (3, False, 16, False),
    0x16: (3, True, 16, False), 0x19: (3, True, 32, True), 0x1B: (3, False, 32, True), 0x3B: (3, False, 32, True),
    0x3A: (3, True, 32, True), 0x0E: (3, False, 8, False),
    0xE9: (3, True, 8, False),
}  # fmt: skip


class JpegXr(Codec):
    """JPEG XR: 8 and 16 bits and floats, alpha."""

    name, suffixes, signatures = "jpegxr", (".jxr", ".wdp", ".hdp"), (b"II\xbc\x01", b"II\xbc\x00")

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        tags = _tags(stream, name)
        width, height = (int.from_bytes(tags.get(tag, b""), "little") for tag in (_WIDTH, _HEIGHT))
        start, length = (int.from_bytes(tags.get(tag, b""), "little") for tag in (_OFFSET, _COUNT))
        if not start or not length or start + length > size:
            raise DamagedError(f"{name}: truncated JPEG XR: its picture reaches beyond the file")
        kind = tags.get(_KIND, b"")
        if len(kind) != 16 or kind[15] not in _PIXELS:
            raise UnsupportedError(f"{name}: JPEG XR with pixels of another kind than grey, RGB and RGBA is not read")
        channels, alpha, bits, floats = _PIXELS[kind[15]]
        header = Header(self.name, width, height, channels, bits, alpha, "grey" if channels == 1 else "rgb", floats)
        limits.check(header, size, name)
        return Opened(self, header)

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        header = opened.header
        array = as_samples(np.asarray(imagecodecs.jpegxr_decode(data)), name)
        array = array[..., None] if array.ndim == 2 else array
        if array.shape[2] < header.channels + header.alpha or array.dtype != np.dtype(header.dtype):
            raise DamagedError(f"{name}: damaged JPEG XR: its header and its picture differ")
        alpha = array[..., header.channels] if header.alpha else None
        return turned(opened, array[..., : header.channels], alpha, None, name)


def _tags(stream: BinaryIO, name: str) -> dict[int, bytes]:
    """The values of the first directory."""
    stream.seek(4)
    stream.seek(int.from_bytes(stream.read(4), "little"))
    count = int.from_bytes(stream.read(2), "little")
    body = stream.read(12 * min(count, 4096))
    if not count or len(body) < 12 * count:
        raise DamagedError(f"{name}: truncated or damaged JPEG XR: its directory is not whole")
    tags = {}
    for at in range(0, len(body), 12):
        tag, kind, number = struct.unpack("<HHI", body[at : at + 8])
        value, length = body[at + 8 : at + 12], {3: 2, 4: 4}.get(kind, 1) * number
        if length > 4:
            stream.seek(int.from_bytes(value, "little"))
            value = stream.read(min(length, 64))
        tags[tag] = value[:length]
    return tags
