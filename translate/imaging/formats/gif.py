"""GIF (89a); its structure is read from the bytes before any decoder sees them."""

from __future__ import annotations

import struct
from dataclasses import replace
from io import SEEK_CUR, BytesIO
from typing import BinaryIO

import imagecodecs
import numpy as np
from PIL.GifImagePlugin import GifImageFile

from translate.errors import DamagedError, DataError
from translate.imaging.formats.animation import animated, frames_of
from translate.imaging.formats.codec import Opened, Pages, Settings, Still, check_still
from translate.imaging.formats.pillow_file import PillowCodec
from translate.imaging.image import FRAMES, Image, Limits

# A transparent canvas may be this many times as large as the first picture on it.
_CANVAS = 16


class Gif(PillowCodec):
    """GIF: 256 colours. It is written for animations alone."""

    gives_way = False
    name, suffixes, signatures = "gif", (".gif",), (b"GIF8",)
    plugin = GifImageFile

    paged = True

    def read_pages(self, stream: BinaryIO, data: bytes, name: str, limits: Limits) -> Pages:
        gif_info(stream, name)
        return frames_of(GifImageFile(BytesIO(data)), self.name, len(data), name, limits)

    def write_pages(self, pages: Pages, name: str, settings: Settings) -> bytes:
        return animated(pages, "GIF", optimize=False, disposal=2)

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        info = gif_info(BytesIO(data), name)
        odd = info.odd
        # Pillow looks for the trailer.
        image = super().decode(opened, data, name)
        if info.frames == 1:
            _agreed(data, name)
        return replace(image, notes=(*image.notes, odd)) if odd else image

    def check_header(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> None:
        stream.seek(0)
        check_still(self.name, gif_info(stream, name), size, name, limits)


def _agreed(data: bytes, name: str) -> None:
    """Looks whether giflib sees what Pillow does in an opaque picture. GIF has no checksums, and both go on, each in
    its own way, where codes of the pixels name what was not there yet. Errors: DamagedError where they differ."""
    with GifImageFile(BytesIO(data)) as file:
        if "transparency" in file.info:
            return
        pixels = np.asarray(file.convert("RGB"))
    try:
        others = imagecodecs.gif_decode(data)
    except Exception:  # it knows fewer files; what it refuses is no reason
        return
    others = others[0] if others.ndim == 4 else others
    if others.shape == pixels.shape and not np.array_equal(others, pixels):
        raise DamagedError(f"{name}: damaged GIF: two decoders see two pictures; save it anew from its source")


def gif_info(stream: BinaryIO, name: str) -> Still:
    """Checks that every block is whole, up to the trailer, and that the first picture fills its canvas, or a fair part
    of it where the rest is transparent: else nothing says what the rest shows. Errors: DataError."""
    stream.seek(6)  # behind the signature: width, height, flags, background, aspect; then the global colour table
    width, height, flags = struct.unpack("<HHB", _exactly(stream, 7, name)[:5])
    _exactly(stream, _colours(flags), name)
    frames, clear, animated_too, odd = 0, False, False, ""
    while (kind := stream.read(1)) != b";":
        if not kind and frames == 1 and not animated_too:  # the picture is whole, and only the trailer is missing
            odd = "its end is missing"
            break
        kind = kind or _exactly(stream, 1, name)
        if kind == b"!":  # an extension, whose label follows
            label = _exactly(stream, 1, name)
            animated_too = animated_too or label == b"\xff"  # of an application: how often frames are repeated
            if label == b"\xf9":  # its block: length, flags, delay, transparent colour, end
                clear = bool(_exactly(stream, 2, name)[1] & 1)
                stream.seek(-2, SEEK_CUR)
        elif kind == b",":  # a picture: left, top, width, height, flags; a local colour table, the size of its codes
            left, top, wide, high, flags = struct.unpack("<HHHHB", _exactly(stream, 9, name))
            _exactly(stream, _colours(flags) + 1, name)
            if not frames and (left + wide > width or top + high > height or not wide * high):
                raise DamagedError(f"{name}: damaged GIF: its picture reaches beyond its canvas")
            if not frames and width * height > wide * high * (_CANVAS if clear else 1):
                raise DataError(f"{name}: GIF of {wide} x {high} pixels on a canvas of {width} x {height}: crop it")
            frames += 1
            if frames > FRAMES:
                break
        else:
            raise DamagedError(f"{name}: damaged GIF: a block of unknown kind {kind[0]}")
        # The content of both comes in blocks of up to 255 bytes; an empty one ends it.
        while (length := _exactly(stream, 1, name)[0]) > 0:
            _exactly(stream, length, name)
    if not frames:
        raise DamagedError(f"{name}: damaged GIF: it holds no picture")
    return Still(width, height, frames, odd)


def _colours(flags: int) -> int:
    """Bytes of the colour table that follows: 3 for each of 2 ** (n + 1) colours, n in the lowest three bits."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _exactly(stream: BinaryIO, count: int, name: str) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise DamagedError(f"{name}: truncated GIF: the file ends before its trailer")
    return data
