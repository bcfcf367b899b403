"""my-plugin: the pictures of Netpbm, grey (PGM) and RGB (PPM), in their binary form with 8 or 16 bits.

The format is described at https://netpbm.sourceforge.net/doc/ppm.html.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from translate import DataError, DecodedImage, ImageFormat, hookimpl

translate_contract = ">=2,<3"

Array = np.ndarray[Any, Any]

CHANNELS = {b"P5": 1, b"P6": 3}
"""Channels by the first two bytes of a file."""

_SPACE = rb"(?:\s|#[^\n]*\n)+"
_HEADER = re.compile(rb"(P[56])" + _SPACE + rb"(\d+)" + _SPACE + rb"(\d+)" + _SPACE + rb"(\d+)\s")
"""Kind, width, height, and the value of white; comments may stand between them."""


class MyPlugin(ImageFormat):
    """Netpbm's `.pgm`, `.ppm` and `.pnm`. Whether a file is grey or RGB is said by its bytes, not by its suffix."""

    name = "my-plugin"
    suffixes = (".pgm", ".ppm", ".pnm")
    signatures = tuple(CHANNELS)

    def read(self, data: bytes) -> Array:
        """The picture in the bytes of a file: H x W x C, uint8 or uint16. Errors: DataError for damaged bytes."""
        header = _HEADER.match(data)
        if header is None:
            raise DataError("its header is none of Netpbm's")
        width, height, white = (int(number) for number in header.groups()[1:])
        if not 0 < white < 1 << 16:
            raise DataError(f"white is {white}, and it is between 1 and 65535")
        stored = np.dtype(np.uint8 if white < 256 else ">u2")
        shape = (height, width, CHANNELS[header[1]])
        body = data[header.end() :]
        if len(body) < np.prod(shape, dtype=float) * stored.itemsize:
            raise DataError(f"{len(body):,} bytes are too few for {width} x {height} pixels")
        values: Array = np.frombuffer(body, stored, shape[0] * shape[1] * shape[2]).reshape(shape)
        own, full = (np.uint8, 255) if white < 256 else (np.uint16, 65535)
        return values.astype(own) if white == full else np.rint(values * (full / white)).astype(own)

    def write(self, image: DecodedImage) -> bytes:
        """The bytes of a file. Errors: DataError for an image that Netpbm cannot hold."""
        array = image.array
        height, width, channels = array.shape
        if channels not in CHANNELS.values() or array.dtype not in (np.uint8, np.uint16):
            raise DataError(f"Netpbm holds grey and RGB of 8 or 16 bits, not {channels} channels of {array.dtype}")
        kind = "P5" if channels == 1 else "P6"
        header = f"{kind}\n{width} {height}\n{np.iinfo(array.dtype).max}\n".encode()
        return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@hookimpl
def translate_formats() -> list[type[ImageFormat]]:
    return [MyPlugin]
