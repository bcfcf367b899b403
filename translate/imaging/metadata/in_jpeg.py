"""Metadata in the segments of JPEG: JFIF, EXIF, XMP, a comment."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from translate.imaging.metadata.metadata import Metadata, exif_with_resolution, resolution_of, upright_exif
from translate.imaging.metadata.tiff_tags import read_tags

EXIF, XMP, JFIF = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"JFIF\0"
"""The first bytes of the content of segments APP1, APP1 and APP0."""
APP0, APP1, APP13, COMMENT, SCAN = 0xE0, 0xE1, 0xED, 0xFE, 0xDA
PHOTOSHOP, RESOURCE, IPTC = b"Photoshop 3.0\0", b"8BIM", 0x0404
"""The first bytes of Photoshop's segments (APP13) and of each resource in them, and the number of the one of IPTC."""
WORD = "Comment"
"""The keyword of the comment among texts."""
_LONGEST = 65533
_PER_INCH = {1: 1.0, 2: 2.54}


def read_jpeg(data: bytes) -> Metadata:
    """The metadata of a JPEG file."""
    resolution, exif, xmp = None, b"", b""
    texts: list[tuple[str, str]] = []
    resources = b""
    for marker, content in _segments(data):
        if marker == APP0 and content.startswith(JFIF) and len(content) >= 12:
            unit, across, down = struct.unpack(">B2H", content[7:12])
            if unit in _PER_INCH and across and down:
                resolution = across * _PER_INCH[unit], down * _PER_INCH[unit]
        elif marker == APP1 and content.startswith(EXIF) and not exif:
            exif = content[len(EXIF) :]
        elif marker == APP1 and content.startswith(XMP) and not xmp:
            xmp = content[len(XMP) :]
        elif marker == APP13 and content.startswith(PHOTOSHOP):
            resources += content[len(PHOTOSHOP) :]
        elif marker == COMMENT:
            texts.append((WORD, content.decode("utf-8", "replace")))
    resolution = resolution or resolution_of(read_tags(exif))
    return Metadata(resolution, upright_exif(exif), xmp, tuple(texts), iptc=_iptc(resources))


def write_jpeg(data: bytes, metadata: Metadata) -> bytes:
    """A JPEG file that Pillow wrote, which has a JFIF segment first, with metadata."""
    at = 2
    if data[2:4] == b"\xff\xe0":
        at = 4 + int.from_bytes(data[4:6], "big")
    head = data[2:at]
    if metadata.resolution is not None:
        across, down = (min(max(round(value), 1), 65535) for value in metadata.resolution)
        head = _segment(APP0, JFIF + struct.pack(">2BB2H2B", 1, 1, 1, across, down, 0, 0))
    # JFIF has whole numbers alone.
    whole = metadata.resolution is None or all(value.is_integer() for value in metadata.resolution)
    exif = metadata.exif if whole and not metadata.exif else exif_with_resolution(metadata)
    segments = [(APP1, EXIF + exif)] if exif else []
    segments += [(APP1, XMP + metadata.xmp)] if metadata.xmp else []
    if metadata.iptc:
        record = metadata.iptc + bytes(len(metadata.iptc) % 2)
        resource = RESOURCE + struct.pack(">HHI", IPTC, 0, len(metadata.iptc)) + record
        segments.append((APP13, PHOTOSHOP + resource))
    segments += [(COMMENT, text.encode()) for word, text in metadata.texts if word == WORD]
    body = b"".join(_segment(marker, content) for marker, content in segments if len(content) <= _LONGEST)
    return data[:2] + head + body + data[at:]


def _iptc(resources: bytes) -> bytes:
    """The record of IPTC among resources: each has a number, a name of even length, the length of its content."""
    at = 0
    while resources[at : at + 4] == RESOURCE and at + 12 <= len(resources):
        number = int.from_bytes(resources[at + 4 : at + 6], "big")
        start = at + 6 + (resources[at + 6] + 2) // 2 * 2
        length = int.from_bytes(resources[start : start + 4], "big")
        if number == IPTC:
            return resources[start + 4 : start + 4 + length]
        at = start + 4 + length + length % 2
    return b""


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of the segments before the first scan."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker == SCAN:
            return
        length = max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content
