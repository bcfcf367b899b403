"""Animated PNG of 16 bits, which Pillow reads and writes with 8 (PNG specification, third edition, 4.9 and 11.3.6).

Behind the header, acTL says how many frames follow and how often they are shown. Before each frame, fcTL gives its
place and its time; the pixels of the first are the image data of the file (IDAT), those of the others are in fdAT.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np

from translate.errors import DamagedError, DataError
from translate.imaging.formats.animation import DURATION
from translate.imaging.formats.codec import Pages
from translate.imaging.formats.png_chunks import SIGNATURE, chunk
from translate.imaging.image import Image, Limits
from translate.imaging.pixels import to16, top

Array = np.ndarray[Any, Any]


def deepened(pages: Pages, data: bytes, name: str, limits: Limits) -> Pages:
    """The frames of an animation with the 16 bits that its file has; `pages` are those of 8 bits, with their times.

    Errors: DataError.
    """
    height, width = pages.images[0].pixels.shape[:2]
    if 8 * height * width * (len(pages.images) + 1) > limits.decoded:
        raise DataError(f"{name}: {len(pages.images)} frames of 16 bits are more than {limits.decoded:,} bytes")
    # A picture for viewers without animation comes before the frames.
    frames = imagecodecs.apng_decode(data)[-len(pages.images) :]
    if frames.dtype != np.uint16 or len(frames) != len(pages.images) or frames.shape[1:3] != (height, width):
        raise DamagedError(f"{name}: damaged PNG: its frames are not those that it announces")
    frames = frames[..., None] if frames.ndim == 3 else frames
    images = tuple(_deep(image, frame) for image, frame in zip(pages.images, frames, strict=True))
    return replace(pages, images=images)


def _deep(image: Image, frame: Array) -> Image:
    """An image of 8 bits with the colours and the alpha of a frame of 16, H x W x (1 to 4)."""
    colours = frame[..., :3] if frame.shape[2] >= 3 else np.repeat(frame[..., :1], 3, axis=2)
    alpha = None if image.alpha is None else to16(image.alpha)
    if frame.shape[2] in (2, 4):
        alpha = frame[..., -1]
        alpha = None if (alpha == top(alpha.dtype)).all() else np.ascontiguousarray(alpha)
    return replace(image, pixels=np.ascontiguousarray(colours), alpha=alpha)


def encode_apng(pages: Pages, compression: int) -> bytes:
    """The bytes of an animation of 16 bits: RGB, or RGBA where a frame has alpha."""
    frames = [_stored(image, any(each.alpha is not None for each in pages.images)) for image in pages.images]
    height, width = frames[0].shape[:2]
    durations = pages.durations or (DURATION,) * len(frames)
    icc = pages.images[0].icc
    parts = [chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc))] if icc else []
    parts.append(chunk(b"acTL", struct.pack(">II", len(frames), abs(pages.loop))))
    number = 0  # fcTL and fdAT are counted together
    header = b""
    for frame, duration in zip(frames, durations, strict=True):
        header, content = _packed(frame, compression)
        # Size, place, milliseconds; the next frame replaces this one.
        control = struct.pack(">IIIIIHHBB", number, width, height, 0, 0, min(duration, 65535), 1000, 0, 0)
        parts.append(chunk(b"fcTL", control))
        if number == 0:
            parts += [chunk(b"IDAT", content)]
            number += 1
        else:
            parts += [chunk(b"fdAT", struct.pack(">I", number + 1) + content)]
            number += 2
    return b"".join([SIGNATURE, chunk(b"IHDR", header), *parts, chunk(b"IEND", b"")])


def _stored(image: Image, alpha: bool) -> Array:
    colours = to16(image.pixels)
    colours = np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else colours
    if not alpha:
        return np.ascontiguousarray(colours)
    plane = np.full(colours.shape[:2], 65535, np.uint16) if image.alpha is None else to16(image.alpha)
    return np.dstack([colours, plane])


def _packed(frame: Array, compression: int) -> tuple[bytes, bytes]:
    """The header of a PNG with one frame, and its image data."""
    contents: dict[bytes, bytes] = {}
    for kind, content in _chunks(bytes(imagecodecs.png_encode(frame, level=compression))):
        contents[kind] = contents.get(kind, b"") + content
    return contents[b"IHDR"], contents[b"IDAT"]


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length
