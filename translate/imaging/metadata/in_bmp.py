"""The resolution in the header of a BMP, in pixels per metre."""

from __future__ import annotations

import struct

from translate.imaging.metadata.metadata import Metadata

INCH = 0.0254
"""Metres."""
_PLACE = 38
# The length of the header that has a resolution, at least; OS/2's has 12.
_HEADER = 40


def read_bmp(data: bytes) -> Metadata:
    """The metadata of a BMP file."""
    across, down = struct.unpack_from("<2i", data, _PLACE)
    stated = struct.unpack_from("<I", data, 14)[0] >= _HEADER and across > 0 and down > 0
    return Metadata(resolution=(across * INCH, down * INCH) if stated else None)


def write_bmp(data: bytes, metadata: Metadata) -> bytes:
    """A BMP file with its resolution."""
    if metadata.resolution is None:
        return data
    across, down = (min(max(round(value / INCH), 0), (1 << 31) - 1) for value in metadata.resolution)
    return data[:_PLACE] + struct.pack("<2i", across, down) + data[_PLACE + 8 :]
