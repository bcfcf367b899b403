"""The structure of WebP (RFC 9649), GIF (89a) and BMP, read from the bytes before any decoder sees them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import SEEK_CUR
from typing import BinaryIO

from translate.errors import DataError
from translate.imaging.image import FRAMES

_CHUNKS = 10_000
# A transparent canvas may be this many times as large as the first picture on it.
_CANVAS = 16


@dataclass(frozen=True)
class Still:
    """The canvas of a WebP or GIF file and how many frames are on it (not counted beyond `FRAMES`)."""

    width: int
    height: int
    frames: int


def webp_info(stream: BinaryIO, name: str) -> Still:
    """Checks that every chunk lies inside the announced length, and that a still picture is as large as its canvas.

    Errors: DataError.
    """
    size = _size(stream)
    announced = int.from_bytes(stream.read(12)[4:8], "little") + 8  # RIFF counts from byte 8 on
    if size < announced:
        raise DataError(f"{name}: truncated WebP: {size} of {announced} bytes")
    at, frames = 12, 0
    canvas: tuple[int, int] | None = None
    picture: tuple[int, int] | None = None
    chunks = 0
    while at + 8 <= announced and frames <= FRAMES:
        chunks += 1
        if chunks > _CHUNKS:
            raise DataError(f"{name}: WebP of more than {_CHUNKS:,} chunks: made to keep a decoder busy")
        stream.seek(at)
        kind, length = struct.unpack("<4sI", stream.read(8))
        if at + 8 + length > announced:
            raise DataError(f"{name}: damaged WebP: chunk {kind.decode('latin-1')!r} is longer than the file")
        head = stream.read(min(length, 10))
        # VP8X: 4 bytes of flags, then width - 1 and height - 1 of the canvas, 3 bytes each (RFC 9649, 2.7.1).
        if len(head) == 10 and kind == b"VP8X" and canvas is None:
            canvas = 1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")
        if kind in (b"VP8 ", b"VP8L"):
            if picture is not None:
                raise DataError(f"{name}: damaged WebP: it holds two pictures")
            picture = _webp_picture(kind, head, name)
        frames += kind == b"ANMF"
        at += 8 + length + length % 2  # chunks begin at even bytes
    if frames:
        return Still(*(canvas or (1, 1)), frames)
    if picture is None:
        raise DataError(f"{name}: damaged WebP: it holds no image data")
    if canvas not in (None, picture):
        raise DataError(f"{name}: damaged WebP: a picture of {picture} on a canvas of {canvas}")
    return Still(*picture, 1)


def _webp_picture(kind: bytes, head: bytes, name: str) -> tuple[int, int]:
    """(width, height) from the first 10 bytes of a bit stream (RFC 6386, 9.1; RFC 9649, 3.4)."""
    if kind == b"VP8 " and len(head) == 10 and head[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", head[6:10])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and len(head) >= 5 and head[0] == 0x2F:
        packed = int.from_bytes(head[1:5], "little")
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    raise DataError(f"{name}: damaged WebP: the header of its picture is broken")


def gif_info(stream: BinaryIO, name: str) -> Still:
    """Checks that every block is whole, up to the trailer, and that the first picture fills its canvas, or a fair part
    of it where the rest is transparent: else nothing says what the rest shows. Errors: DataError."""
    stream.seek(6)  # behind the signature: width, height, flags, background, aspect; then the global colour table
    width, height, flags = struct.unpack("<HHB", _exactly(stream, 7, name)[:5])
    _exactly(stream, _colours(flags), name)
    frames, clear = 0, False
    while (kind := _exactly(stream, 1, name)) != b";":
        if kind == b"!":  # an extension, whose label follows
            if _exactly(stream, 1, name) == b"\xf9":  # its block: length, flags, delay, transparent colour, end
                clear = bool(_exactly(stream, 2, name)[1] & 1)
                stream.seek(-2, SEEK_CUR)
        elif kind == b",":  # a picture: left, top, width, height, flags; a local colour table, the size of its codes
            left, top, wide, high, flags = struct.unpack("<HHHHB", _exactly(stream, 9, name))
            _exactly(stream, _colours(flags) + 1, name)
            if not frames and (left + wide > width or top + high > height or not wide * high):
                raise DataError(f"{name}: damaged GIF: its picture reaches beyond its canvas")
            if not frames and width * height > wide * high * (_CANVAS if clear else 1):
                raise DataError(f"{name}: GIF of {wide} x {high} pixels on a canvas of {width} x {height}: crop it")
            frames += 1
            if frames > FRAMES:
                break
        else:
            raise DataError(f"{name}: damaged GIF: a block of unknown kind {kind[0]}")
        # The content of both comes in blocks of up to 255 bytes; an empty one ends it.
        while (length := _exactly(stream, 1, name)[0]) > 0:
            _exactly(stream, length, name)
    if not frames:
        raise DataError(f"{name}: damaged GIF: it holds no picture")
    return Still(width, height, frames)


def _colours(flags: int) -> int:
    """Bytes of the colour table that follows: 3 for each of 2 ** (n + 1) colours, n in the lowest three bits."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _exactly(stream: BinaryIO, count: int, name: str) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise DataError(f"{name}: truncated GIF: the file ends before its trailer")
    return data


def check_bmp(data: bytes, name: str) -> None:
    """Checks that there are as many bytes of pixels as the header asks for. Run-length codes have an end mark instead.

    Errors: DataError.
    """
    if len(data) < 34:
        raise DataError(f"{name}: truncated BMP: the header is not whole")
    start, header = struct.unpack("<II", data[10:18])  # where the pixels begin; the length of the second header
    if header == 12:  # OS/2's, with sizes of 16 bits and no compression
        width, height, planes, depth = struct.unpack("<HHHH", data[18:26])
        packing = 0
    else:
        width, height, planes, depth, packing = struct.unpack("<iiHHI", data[18:34])
    if width < 1 or height == 0 or planes != 1 or start < 14 + header:
        raise DataError(f"{name}: damaged BMP: its header contradicts itself")
    # A negative height means that the first row is the upper one. Each row fills whole words of 32 bits.
    rows = abs(height) * ((width * depth + 31) // 32 * 4)
    if packing in (0, 3, 6) and len(data) < start + rows:
        raise DataError(f"{name}: truncated BMP: {len(data):,} of {start + rows:,} bytes")


def _size(stream: BinaryIO) -> int:
    size = stream.seek(0, 2)
    stream.seek(0)
    return size
