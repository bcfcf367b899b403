"""WebP (RFC 9649); its structure is read from the bytes before any decoder sees them."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import BinaryIO

from PIL.WebPImagePlugin import WebPImageFile

from translate.errors import DamagedError, DataError
from translate.imaging.formats.animation import animated, frames_of
from translate.imaging.formats.codec import Keeps, Pages, Settings, Still, check_still
from translate.imaging.formats.pillow_file import PillowCodec, saved
from translate.imaging.image import FRAMES, Image, Limits

_CHUNKS = 10_000


class WebP(PillowCodec):
    """WebP: 8 bits, alpha, lossy or lossless."""

    gives_way = False
    name, suffixes = "webp", (".webp",)
    keeps = Keeps(alpha=True, icc=True, side=16383)
    plugin = WebPImageFile

    def recognises(self, head: bytes) -> bool:
        # WebP is one of many RIFF forms: bytes 4 to 8 hold the length, the form's name follows.
        return head[:4] == b"RIFF" and head[8:12] == b"WEBP"

    paged = True

    def read_pages(self, stream: BinaryIO, data: bytes, name: str, limits: Limits) -> Pages:
        webp_info(stream, name)
        return frames_of(WebPImageFile(BytesIO(data)), self.name, len(data), name, limits)

    def write_pages(self, pages: Pages, name: str, settings: Settings) -> bytes:
        lossless = settings.quality >= 100
        return animated(pages, "WEBP", quality=settings.quality, lossless=lossless, exact=True)

    def is_lossless(self, head: bytes) -> bool:
        lossless, lossy = head.find(b"VP8L"), head.find(b"VP8 ")
        return lossless >= 0 and not 0 <= lossy < lossless

    def check_header(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> None:
        check_still(self.name, webp_info(stream, name), size, name, limits)

    def encode(self, image: Image, name: str, settings: Settings) -> bytes:
        lossless = settings.quality >= 100
        return saved(image, format="WEBP", quality=settings.quality, lossless=lossless, exact=True)


def webp_info(stream: BinaryIO, name: str) -> Still:
    """Checks that every chunk lies inside the announced length, and that a still picture is as large as its canvas.

    Errors: DataError.
    """
    size = _size(stream)
    announced = int.from_bytes(stream.read(12)[4:8], "little") + 8  # RIFF counts from byte 8 on
    if size < announced:
        raise DamagedError(f"{name}: truncated WebP: {size} of {announced} bytes")
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
            raise DamagedError(f"{name}: damaged WebP: chunk {kind.decode('latin-1')!r} is longer than the file")
        head = stream.read(min(length, 10))
        # VP8X: 4 bytes of flags, then width - 1 and height - 1 of the canvas, 3 bytes each (RFC 9649, 2.7.1).
        if len(head) == 10 and kind == b"VP8X" and canvas is None:
            canvas = 1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")
        if kind in (b"VP8 ", b"VP8L"):
            if picture is not None:
                raise DamagedError(f"{name}: damaged WebP: it holds two pictures")
            picture = _webp_picture(kind, head, name)
        frames += kind == b"ANMF"
        at += 8 + length + length % 2  # chunks begin at even bytes
    if frames:
        return Still(*(canvas or (1, 1)), frames)
    if picture is None:
        raise DamagedError(f"{name}: damaged WebP: it holds no image data")
    if canvas not in (None, picture):
        raise DamagedError(f"{name}: damaged WebP: a picture of {picture} on a canvas of {canvas}")
    return Still(*picture, 1)


def _webp_picture(kind: bytes, head: bytes, name: str) -> tuple[int, int]:
    """(width, height) from the first 10 bytes of a bit stream (RFC 6386, 9.1; RFC 9649, 3.4)."""
    if kind == b"VP8 " and len(head) == 10 and head[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", head[6:10])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and len(head) >= 5 and head[0] == 0x2F:
        packed = int.from_bytes(head[1:5], "little")
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    raise DamagedError(f"{name}: damaged WebP: the header of its picture is broken")


def _size(stream: BinaryIO) -> int:
    size = stream.seek(0, 2)
    stream.seek(0)
    return size
