"""JPEG 2000 (ISO 15444): codestreams and JP2 files; also of high throughput (HTJ2K, ISO 15444-15).

A codestream begins with the markers SOC (FF 4F) and SIZ (FF 51): length, capabilities, width, height and offsets of
the image, of its tiles, and then for each component its bits and its sampling.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
# Enumerated colour spaces (I.5.3.3).
_RGB, _GREY = 16, 17


@dataclass(frozen=True)
class Palette:
    """The colours of indices, entries x channels, of so many bits."""

    entries: Array
    bits: int

    def colours(self, indices: Array) -> Array:
        """H x W x 1 indices to H x W x channels. An index behind the last entry is that of the last (I.5.3.4)."""
        colours: Array = self.entries[np.minimum(indices[..., 0], len(self.entries) - 1)]
        return colours


def palette_of(boxed: Mapping[bytes, bytes], name: str) -> Palette:
    """Reads the boxes `pclr` and `cmap` (annex I.5.3): entries (2 bytes), columns (1), a byte for the bits of each
    column, the entries; and for each channel its component (2 bytes), whether it goes through the palette (1), its
    column (1). Errors: DataError."""
    stored, channels = boxed[b"pclr"], boxed.get(b"cmap", b"")
    count, columns = struct.unpack(">HB", stored[:3])
    depths = {*stored[3 : 3 + columns]}
    colours = int.from_bytes(boxed.get(b"colr", b"")[3:7], "big") if boxed.get(b"colr", b"")[:1] == b"\1" else _RGB
    order = [column for component, mapped, column in struct.iter_unpack(">HBB", channels) if not component and mapped]
    usual = len(depths) == 1 and max(depths) < 16 and 4 * len(order) == len(channels) and colours in (_RGB, _GREY)
    if not usual or len(order) > 4:
        raise UnsupportedError(f"{name}: JPEG 2000 with a palette of other than 1 to 4 unsigned channels is not read")
    bits = 1 + max(depths)
    body = stored[3 + columns :]
    entries = np.frombuffer(body, ">u2" if bits > 8 else np.uint8)
    if not order or max(order) >= columns or not count or entries.size != count * columns:
        raise DamagedError(f"{name}: damaged JPEG 2000: its palette contradicts itself")
    own = np.ascontiguousarray(entries.reshape(count, columns)[:, order], np.uint16 if bits > 8 else np.uint8)
    return Palette(own, bits)


@dataclass(frozen=True)
class J2kInfo:
    """The size of an image, the bits of each component (negative: signed), and whether all have the full size; with a
    `palette` the bits are those of its columns."""

    width: int
    height: int
    depths: tuple[int, ...]
    full: bool
    palette: Palette | None = None


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
            return self._with_palette(info, kinds, size, name, limits)
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

    def _with_palette(self, info: J2kInfo, kinds: dict[bytes, bytes], size: int, name: str, limits: Limits) -> Opened:
        """Opens a file whose only component are indices."""
        palette = palette_of(kinds, name)
        if len(info.depths) != 1 or not 0 < info.depths[0] <= 16:
            raise UnsupportedError(f"{name}: JPEG 2000 of several components with a palette is not read; convert it")
        count, mode = palette.entries.shape[1], "grey" if palette.entries.shape[1] <= 2 else "rgb"
        channels = 1 if count <= 2 else 3
        bits = 8 if palette.bits <= 8 else 16
        header = Header(self.name, info.width, info.height, channels, bits, count in (2, 4), mode)
        limits.check(header, size, name)
        return Opened(self, header, (replace(info, depths=(palette.bits,) * count, palette=palette), kinds))

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
        # OpenJPEG would apply the profile to a file, and not to its codestream.
        if kinds.get(b"colr", b"")[:1] == b"\2" or info.palette:
            data = box_in(BytesIO(data), len(data), b"jp2c", longest=len(data))
        array = imagecodecs.jpeg2k_decode(data, numthreads=1)
        array = array[..., None] if array.ndim == 2 else array
        channels = opened.header.channels
        array = info.palette.colours(array) if info.palette else array
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
