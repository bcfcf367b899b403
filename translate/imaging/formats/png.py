"""The structure and checksums of PNG (RFC 2083), read from the bytes before any decoder sees them.

A file begins with 8 bytes of signature. Chunks follow: 4 bytes of length, 4 of kind, the content, 4 of CRC-32. The
first chunk is IHDR, whose content stands at bytes 16 to 28: width, height, bits, colour type, compression, filter,
interlace.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from translate.errors import DataError

_CHUNKS = 1000
# Samples of one pixel by colour type: grey, RGB, palette index, grey with alpha, RGBA.
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# x, y of the first pixel of each pass of an interlaced image, and the steps to the next (RFC 2083, 2.6).
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@dataclass(frozen=True)
class PngInfo:
    """The facts in a PNG's first chunks: bits per sample, colour type, and the raw `tRNS` chunk, which holds a colour
    key or the alpha of a palette."""

    bits: int
    colour: int
    transparency: bytes | None


def png_header(data: bytes, name: str) -> PngInfo:
    """The PNG's header as far as `data` reaches; it may be the beginning of the file only."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise DataError(f"{name}: truncated PNG: the header is not whole")
    bits, colour = data[24], data[25]
    if colour not in _SAMPLES or bits not in (1, 2, 4, 8, 16):
        raise DataError(f"{name}: damaged PNG: colour type {colour} with {bits} bits does not exist")
    at, transparency = 33, None  # 8 of signature, 12 + 13 of IHDR
    while at + 8 <= len(data) and data[at + 4 : at + 8] not in (b"IDAT", b"IEND"):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"tRNS":
            transparency = data[at + 8 : at + 8 + length]
        at += length + 12
    return PngInfo(bits, colour, transparency)


def png_chunk(stream: BinaryIO, kind: bytes) -> bytes:
    """The content of the first chunk of a kind, wherever it stands, reading no other; empty where there is none."""
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        length = int.from_bytes(head[:4], "big")
        if head[4:] == kind:
            return stream.read(length)
        stream.seek(length + 4, 1)
    return b""


def png_prelude(stream: BinaryIO, name: str) -> None:
    """Checks that there are no more chunks before the image data than any writer makes. Errors: DataError."""
    stream.seek(8)
    count = 0
    while len(head := stream.read(8)) == 8 and head[4:] not in (b"IDAT", b"IEND"):
        stream.seek(int.from_bytes(head[:4], "big") + 4, 1)
        count += 1
        if count > _CHUNKS:
            raise DataError(f"{name}: PNG of more than {_CHUNKS:,} chunks before its image data")


def check_png(data: bytes, name: str) -> None:
    """Checks that every chunk is whole, every CRC right, IEND there, and that there is as much image data as the header
    asks for. Errors: DataError."""
    info = png_header(data, name)
    packed = _image_data(data, name)
    width, height = struct.unpack(">II", data[16:24])
    expected = _png_bytes(width, height, info.bits * _SAMPLES[info.colour], interlaced=data[28] == 1)
    stream = zlib.decompressobj()
    try:
        # No more than the expected bytes are unpacked, whatever the stream holds: it may be a bomb.
        length = len(stream.decompress(packed, expected))
        # One byte more shows a surplus. Where there is none, zlib reads on to the checksum and compares it.
        surplus = stream.decompress(stream.unconsumed_tail, 1)
    except zlib.error as error:
        raise DataError(f"{name}: damaged PNG: {error}") from None
    if length < expected or not (surplus or stream.eof):
        raise DataError(f"{name}: truncated PNG: {length} of {expected} bytes of image data")
    if surplus:
        raise DataError(f"{name}: damaged PNG: its image data unpack to more than {expected} bytes")


def _image_data(data: bytes, name: str) -> bytes:
    """The content of all IDAT chunks, joined, which is one zlib stream. Errors: DataError for a damaged chunk."""
    at, parts, others = 8, [], 0
    while True:
        if at + 12 > len(data):
            raise DataError(f"{name}: truncated PNG: the file ends before its end chunk")
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 12 + length
        kind = data[at + 4 : at + 8]
        if end > len(data):
            raise DataError(f"{name}: truncated PNG: the file ends inside a chunk")
        # The CRC covers kind and content, not the length.
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise DataError(f"{name}: damaged PNG: chunk {kind.decode('latin-1')!r} fails its checksum")
        if kind == b"IDAT":
            parts.append(data[at + 8 : end - 4])
        else:
            others += 1
        if kind == b"IEND":
            return b"".join(parts)
        # A writer's image data come in few chunks of many bytes: one for each 64 bytes of the file is beyond any.
        if others > _CHUNKS or len(parts) > _CHUNKS + len(data) // 64:
            raise DataError(f"{name}: PNG of {len(parts) + others:,} tiny chunks: made to keep a decoder busy")
        at = end


def _png_bytes(width: int, height: int, bits: int, *, interlaced: bool) -> int:
    """Bytes of the unpacked image data, for `bits` per pixel."""
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    total = 0
    for x, y, dx, dy in passes:
        columns, rows = -(-(width - x) // dx), -(-(height - y) // dy)
        if columns > 0 and rows > 0:
            # Each row opens with a byte that names its filter, and ends on a whole byte.
            total += rows * (1 + (columns * bits + 7) // 8)
    return total
