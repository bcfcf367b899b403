"""QOI, the Quite OK Image format: 8-bit RGB with or without alpha, lossless."""

from __future__ import annotations

import struct
from typing import BinaryIO

import imagecodecs
import numpy as np

from translate.errors import DamagedError
from translate.imaging.formats.codec import Codec, Keeps, Opened, Settings, turned
from translate.imaging.image import Header, Image, Limits

_END = b"\0\0\0\0\0\0\0\1"


class Qoi(Codec):
    """QOI: 8 bits, alpha; lossless."""

    name, suffixes, signatures = "qoi", (".qoi",), (b"qoif",)
    keeps = Keeps(alpha=True)

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        stream.seek(0)
        head = stream.read(14)
        if len(head) < 14:
            raise DamagedError(f"{name}: truncated QOI: the header is not whole")
        width, height, channels = struct.unpack(">IIB", head[4:13])
        if channels not in (3, 4):
            raise DamagedError(f"{name}: damaged QOI: it has {channels} channels")
        header = Header(self.name, width, height, 3, 8, channels == 4, "rgb")
        limits.check(header, size, name)
        return Opened(self, header)

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        if _pixels(data, name) != opened.header.width * opened.header.height:
            raise DamagedError(f"{name}: truncated or damaged QOI: its codes give another number of pixels")
        array = imagecodecs.qoi_decode(data)
        return turned(opened, array[..., :3], array[..., 3] if opened.header.alpha else None, None, name)

    def encode(self, image: Image, name: str, settings: Settings) -> bytes:
        array = image.array
        if array.shape[2] <= 2:  # the format has no grey
            array = np.dstack([array[..., :1]] * 3 + [array[..., 1:]])
        return bytes(imagecodecs.qoi_encode(np.ascontiguousarray(array)))


def _pixels(data: bytes, name: str) -> int:
    """Counts the pixels that the codes give, up to the end mark, which must be the end of the file: decoders repeat the
    last colour where codes are missing. Errors: DataError."""
    at, end, count = 14, len(data) - len(_END), 0
    if not data.endswith(_END):
        raise DamagedError(f"{name}: truncated QOI: the file ends before its end mark")
    while at < end:
        code = data[at]
        if code >= 0xFE:  # a whole colour: 3 bytes, or 4 with alpha
            at += 4 if code == 0xFE else 5
        elif code >> 6 == 2:  # a difference of luma, in 2 bytes
            at += 2
        else:
            count += code & 0x3F if code >> 6 == 3 else 0  # a run counts one pixel more than it says
            at += 1
        count += 1
    return count if at == end else -1
