"""Radiance HDR (RGBE): colours as floats, with one exponent of three channels.

A text header ends with an empty line; the line behind it gives the size and the order of pixels, mostly `-Y height
+X width`: rows from above, columns from the left.
"""

from __future__ import annotations

import re
from typing import BinaryIO

import imagecodecs
import numpy as np

from translate.errors import DamagedError, UnsupportedError
from translate.imaging.formats.codec import Codec, Opened, turned
from translate.imaging.formats.samples import as_samples
from translate.imaging.image import Header, Image, Limits

_HEAD = 1 << 16
_SIZE = re.compile(rb"\n\r?\n([+-])Y +(\d{1,9}) +([+-])X +(\d{1,9})\r?\n")
_FORMAT = re.compile(rb"^FORMAT[ \t]*=[ \t]*(.*?)\s*$", re.MULTILINE)


class Radiance(Codec):
    """Radiance HDR: RGB of floats. It is read and not written."""

    name, suffixes, signatures = "radiance", (".hdr", ".rgbe", ".pic"), (b"#?RADIANCE", b"#?RGBE")
    instead = ".exr"

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        stream.seek(0)
        head = stream.read(_HEAD)
        match = _SIZE.search(head)
        if not match:
            raise UnsupportedError(
                f"{name}: Radiance HDR whose rows are columns, or whose header is damaged, is not read"
            )
        _check_samples(head[: match.start()], name)
        header = Header(self.name, int(match[4]), int(match[2]), 3, 32, False, "rgb", float=True)
        limits.check(header, size, name)
        return Opened(self, header, match)

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        match, header = opened.source, opened.header
        array = np.empty((header.height, header.width, 3), np.float32)
        body = data[match.end() :]
        # A row takes 4 bytes for its start, and 2 for each run of up to 127 equal bytes in each of 4 channels.
        least = header.height * (4 + 8 * (-(-header.width // 127))) if 8 <= header.width < 1 << 15 else header.height
        if len(body) < min(least, 4 * header.width * header.height):
            raise DamagedError(f"{name}: truncated Radiance HDR: {len(body):,} bytes for {header.height:,} rows")
        imagecodecs.rgbe_decode(body, header=False, rle=None, out=array)
        array = as_samples(array, name)
        array = array[::-1] if match[1] == b"+" else array
        array = array[:, ::-1] if match[3] == b"-" else array
        return turned(opened, array, None, None, name)


def _check_samples(text: bytes, name: str) -> None:
    """Errors: DataError where the header says that samples are something else than red, green, blue and an exponent.
    A header without a word about them is one of those."""
    stated = _FORMAT.search(text)
    if stated and stated[1] == b"32-bit_rle_rgbe":
        return
    if stated and stated[1] == b"32-bit_rle_xyze":
        raise UnsupportedError(f"{name}: Radiance HDR of XYZ colours is not read; convert it to RGB")
    if stated or b"32-bit" in text or b"\0" in text:
        raise DamagedError(f"{name}: damaged Radiance HDR: its header names no known form of samples")
