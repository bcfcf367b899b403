"""JPEG 2000 (ISO 15444): codestreams and JP2 files; also of high throughput (HTJ2K, ISO 15444-15).

A codestream begins with the markers SOC (FF 4F) and SIZ (FF 51): length, capabilities, width, height and offsets of
the image, of its tiles, and then for each component its bits and its sampling.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

import imagecodecs
import numpy as np

from translate.errors import DamagedError, UnsupportedError
from translate.imaging.formats.codec import Codec, Keeps, Opened, Settings, turned
from translate.imaging.formats.photo.boxes import box, box_in, boxes
from translate.imaging.image import Header, Image, Limits
from translate.imaging.pixels import filled

Array = np.ndarray[Any, Any]

_CODESTREAM = b"\xff\x4f\xff\x51"
_FILE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_HEAD = 1 << 16
_END = b"\xff\xd9"


@dataclass(frozen=True)
class J2kInfo:
    """The size of an image, the bits of each component (negative: signed), and whether all have the full size."""

    width: int
    height: int
    depths: tuple[int, ...]
    full: bool


def j2k_info(codestream: bytes, name: str) -> J2kInfo:
    """Reads the marker SIZ. Errors: DataError."""
    if len(codestream) < 42 or not codestream.startswith(_CODESTREAM):
        raise DamagedError(f"{name}: truncated JPEG 2000: the header is not whole")
    length, _, right, lower, left, upper = struct.unpack(">HHIIII", codestream[4:24])
    count = struct.unpack(">H", codestream[40:42])[0]
    components = codestream[42 : 42 + 3 * count]
    if len(components) < 3 * count or length != 38 + 3 * count or not count or right <= left or lower <= upper:
        raise DamagedError(f"{name}: damaged JPEG 2000: its header contradicts itself")
    depths = []
    for stored in components[::3]:
        bits = 1 + (stored & 0x7F)
        depths.append(-bits if stored & 0x80 else bits)
    full = all(step == 1 for step in components[1::3]) and all(step == 1 for step in components[2::3])
    return J2kInfo(right - left, lower - upper, tuple(depths), full)


class Jpeg2000(Codec):
    """JPEG 2000: 8 and 16 bits, alpha, lossy or (at quality 100) lossless."""

    name, suffixes = "jpeg2000", (".jp2", ".j2k", ".j2c", ".jpx", ".jpf", ".jph", ".jhc")
    only_read = (".j2k", ".j2c", ".jpx", ".jpf", ".jph", ".jhc")
    instead = ".jp2"
    signatures = (_CODESTREAM, _FILE)
    keeps = Keeps(bits=16, alpha=True, icc=True)

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        stream.seek(0)
        head, boxed = stream.read(_HEAD), b""
        if head.startswith(_FILE):
            boxed = box_in(stream, size, b"jp2h")
            head = box_in(stream, size, b"jp2c", longest=_HEAD)
        info = j2k_info(head, name)
        kinds = dict(boxes(boxed))
        if b"pclr" in kinds:
            raise UnsupportedError(f"{name}: JPEG 2000 with a palette is not read; convert it to RGB")
        depth = info.depths[0]
        if {*info.depths} != {depth} or not info.full or depth < 0 or depth > 16:
            raise UnsupportedError(
                f"{name}: JPEG 2000 whose components have several sizes or depths, are signed or of more than 16 bits "
                "is not read; convert it to TIFF"
            )
        count = len(info.depths)
        if count > 4:
            raise UnsupportedError(f"{name}: JPEG 2000 of {count} components is not read; convert it to TIFF")
        channels = 1 if count <= 2 else 3
        bits = 8 if depth <= 8 else 16
        mode = "grey" if channels == 1 else "rgb"
        header = Header(self.name, info.width, info.height, channels, bits, count in (2, 4), mode)
        limits.check(header, size, name)
        return Opened(self, header, (info, kinds))

    def is_lossless(self, head: bytes) -> bool:
        # The marker COD: its length, a style, 4 bytes of order and layers, 4 of levels and blocks, then the wavelet, of
        # which number 1 can be undone exactly.
        at = head.find(b"\xff\x52\x00\x0c")
        return at >= 0 and head[at + 13 : at + 14] == b"\1"

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        info, kinds = opened.source
        # A decoder fills with grey what it lacks, so that the end marker has to be there.
        if not data.rstrip(b"\0").endswith(_END) and _END not in data[-64:]:
            raise DamagedError(f"{name}: truncated JPEG 2000: the file ends before its end marker")
        if (
            kinds.get(b"colr", b"")[:1] == b"\2"
        ):  # OpenJPEG would apply the profile to a file, and not to its codestream
            data = box_in(BytesIO(data), len(data), b"jp2c", longest=len(data))
        array = imagecodecs.jpeg2k_decode(data, numthreads=1)
        array = array[..., None] if array.ndim == 2 else array
        channels = opened.header.channels
        array = filled(array, info.depths[0])
        alpha = array[..., channels] if opened.header.alpha else None
        return turned(opened, array[..., :channels], alpha, _profile(kinds.get(b"colr", b"")), name)

    def encode(self, image: Image, name: str, settings: Settings) -> bytes:
        array = image.array[..., 0] if image.array.shape[2] == 1 else image.array
        # The level is a signal-to-noise ratio in decibels: 0 means lossless.
        options: dict[str, Any] = {"reversible": True, "level": 0}
        if settings.quality < 100:
            options = {"reversible": False, "level": 20 + settings.quality * 0.3}
        data = bytes(imagecodecs.jpeg2k_encode(np.ascontiguousarray(array), codecformat="jp2", numthreads=1, **options))
        return _with_profile(data, image.icc) if image.icc else data


def _with_profile(data: bytes, icc: bytes) -> bytes:
    """A file whose box colr holds a profile."""
    changed = b""
    for kind, content in boxes(data):
        inner = content
        if kind == b"jp2h":
            inner = b""
            for below, value in boxes(content):
                inner += box(below, b"\2\0\0" + icc if below == b"colr" else value)
        changed += box(kind, inner)
    return changed


def _profile(colr: bytes) -> bytes | None:
    """A box colr: method (2: a profile follows), precedence, approximation."""
    return colr[3:] if colr[:1] == b"\2" else None
