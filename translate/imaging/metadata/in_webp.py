"""Metadata in the chunks of WebP (RFC 9649, 2.7.1): EXIF, which has the resolution, and XMP."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from translate.imaging.metadata.metadata import Metadata, exif_with_resolution, resolution_of, upright_exif
from translate.imaging.metadata.tiff_tags import read_tags

HAS_EXIF, HAS_XMP, HAS_ALPHA = 0x08, 0x04, 0x10
"""Flags in the chunk VP8X."""


def read_webp(data: bytes) -> Metadata:
    """The metadata of a WebP file."""
    chunks = dict(_chunks(data))
    exif = chunks.get(b"EXIF", b"").removeprefix(b"Exif\0\0")
    return Metadata(resolution_of(read_tags(exif)), upright_exif(exif), xmp=chunks.get(b"XMP ", b""))


def write_webp(data: bytes, metadata: Metadata) -> bytes:
    """A WebP file with metadata, in the extended form."""
    exif = exif_with_resolution(metadata)
    if not (exif or metadata.xmp):
        return data
    chunks = list(_chunks(data))
    kind, first = chunks[0]
    if kind == b"VP8X":
        flags, size = first[0], first[4:10]
        chunks = chunks[1:]
    else:
        flags, size = _of_picture(kind, first)
    flags |= HAS_EXIF * bool(exif) | HAS_XMP * bool(metadata.xmp)
    chunks.insert(0, (b"VP8X", bytes([flags, 0, 0, 0]) + size))
    chunks += [(b"EXIF", exif)] if exif else []
    chunks += [(b"XMP ", metadata.xmp)] if metadata.xmp else []
    body = b"WEBP" + b"".join(kind + struct.pack("<I", len(c)) + c + bytes(len(c) % 2) for kind, c in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _of_picture(kind: bytes, head: bytes) -> tuple[int, bytes]:
    """Flags and size (width - 1 and height - 1, 3 bytes each) of a file in the simple form (RFC 6386, 9.1; RFC 9649,
    3.4)."""
    if kind == b"VP8L":
        packed = int.from_bytes(head[1:5], "little")
        width, height, flags = packed & 0x3FFF, packed >> 14 & 0x3FFF, HAS_ALPHA * (packed >> 28 & 1)
    else:
        wide, high = struct.unpack("<HH", head[6:10])
        width, height, flags = (wide & 0x3FFF) - 1, (high & 0x3FFF) - 1, 0
    return flags, width.to_bytes(3, "little") + height.to_bytes(3, "little")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack("<4sI", data[at : at + 8])
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
