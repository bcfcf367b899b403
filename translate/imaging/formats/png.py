"""Is a file whole? What format it is, and the structure and checksums of PNG, before any decoder sees it.

Decoders are lenient: Pillow accepts a PNG whose data ends early, and libjpeg fills what it lacks with grey. What no
format can tell is a bit that flipped inside the compressed data of a JPEG, or in the pixels of a BMP.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import BinaryIO

from translate.errors import DataError
from translate.imaging.formats.tiff_directory import check_tiff
from translate.imaging.formats.webp_gif_bmp import check_bmp, check_jpeg

_CHUNKS = 1000
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_FORMATS = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"BM", "bmp"),
    (b"GIF8", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
)
_FOREIGN = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the image: run `git lfs pull`"),
    (b"<", "is a text (a web page, an SVG?), not an image: was the download refused?"),
    (b"%PDF", "is a PDF, not an image"),
    (b"\x00\x00\x00\x00\x00\x00\x00\x00", "holds only zero bytes where its header should be: copy it again"),
)


def kind_of(head: bytes, name: str) -> str:
    """The format that the first 16 bytes announce, whatever the suffix says. Errors: DataError."""
    for magic, kind in _FORMATS:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if not head:
        raise DataError(f"{name}: the file is empty")
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            raise DataError(f"{name}: {what}")
    if head[4:8] == b"ftyp":
        raise DataError(f"{name}: HEIC and AVIF are not read; convert it to PNG or JPEG")
    raise DataError(f"{name}: not an image of a known format (PNG, JPEG, WebP, TIFF, BMP, GIF)")


@dataclass(frozen=True)
class PngInfo:
    """What a PNG's chunks say: bits per sample, colour type, and the raw `tRNS` chunk (colour key or palette alpha)."""

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
    at, transparency = 33, None
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
    """There are no more chunks before the image data than any writer makes. Errors: DataError."""
    stream.seek(8)
    count = 0
    while len(head := stream.read(8)) == 8 and head[4:] not in (b"IDAT", b"IEND"):
        stream.seek(int.from_bytes(head[:4], "big") + 4, 1)
        count += 1
        if count > _CHUNKS:
            raise DataError(f"{name}: PNG of more than {_CHUNKS:,} chunks before its image data")


def check_png(data: bytes, name: str) -> None:
    """Every chunk whole, every CRC right, IEND there, and as much image data as the header asks for."""
    info = png_header(data, name)
    at, parts, others = 8, [], 0
    while True:
        if at + 12 > len(data):
            raise DataError(f"{name}: truncated PNG: the file ends before its end chunk")
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 12 + length
        kind = data[at + 4 : at + 8]
        if end > len(data):
            raise DataError(f"{name}: truncated PNG: the file ends inside a chunk")
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise DataError(f"{name}: damaged PNG: chunk {kind.decode('latin-1')!r} fails its checksum")
        if kind == b"IDAT":
            parts.append(data[at + 8 : end - 4])
        else:
            others += 1
        if kind == b"IEND":
            break
        if others > _CHUNKS or len(parts) > _CHUNKS + len(data) // 64:
            raise DataError(f"{name}: PNG of {len(parts) + others:,} tiny chunks: made to keep a decoder busy")
        at = end
    width, height = struct.unpack(">II", data[16:24])
    expected = _png_bytes(width, height, info.bits * _SAMPLES[info.colour], interlaced=data[28] == 1)
    stream = zlib.decompressobj()
    try:
        got = len(stream.decompress(b"".join(parts), expected))
        more = stream.decompress(stream.unconsumed_tail, 1)  # reads the checksum, too
    except zlib.error as error:
        raise DataError(f"{name}: damaged PNG: {error}") from None
    if got < expected or not (more or stream.eof):
        raise DataError(f"{name}: truncated PNG: {got} of {expected} bytes of image data")
    if more:
        raise DataError(f"{name}: damaged PNG: its image data unpack to more than {expected} bytes")


def _png_bytes(width: int, height: int, bits: int, *, interlaced: bool) -> int:
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    total = 0
    for x, y, dx, dy in passes:
        columns, rows = -(-(width - x) // dx), -(-(height - y) // dy)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total


CHECKS: Mapping[str, Callable[[bytes, str], None]] = MappingProxyType(
    {"png": check_png, "jpeg": check_jpeg, "bmp": check_bmp, "tiff": check_tiff}
)
"""By format; WebP and GIF are checked as soon as they are opened. Errors of all: DataError, with the name given."""
