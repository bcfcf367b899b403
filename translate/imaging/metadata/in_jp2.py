"""Metadata in the boxes of JP2 (ISO 15444-1, annex I): the resolution, and EXIF and XMP in boxes `uuid`."""

from __future__ import annotations

import math
import struct

from translate.imaging.formats.photo.boxes import box, boxes
from translate.imaging.metadata.metadata import Metadata, resolution_of, upright_exif
from translate.imaging.metadata.tiff_tags import read_tags

XMP = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
EXIF = b"JpgTiffExif->JP2"
"""The numbers in the boxes `uuid`."""
INCH = 0.0254
"""Metres."""
_FILE = b"\x00\x00\x00\x0cjP  "


def read_jp2(data: bytes) -> Metadata:
    """The metadata of a JP2 file; a bare codestream has none."""
    if not data.startswith(_FILE):
        return Metadata()
    exif, xmp, resolution = b"", b"", None
    for kind, content in boxes(data):
        if kind == b"uuid" and content.startswith(EXIF):
            exif = content[16:]
        elif kind == b"uuid" and content.startswith(XMP):
            xmp = content[16:]
        elif kind == b"jp2h":
            resolution = _resolution(dict(boxes(content)).get(b"res ", b""))
    return Metadata(resolution or resolution_of(read_tags(exif)), upright_exif(exif), xmp)


def write_jp2(data: bytes, metadata: Metadata) -> bytes:
    """A JP2 file with metadata."""
    changed = b""
    for kind, content in boxes(data):
        inner = content
        if kind == b"jp2h" and metadata.resolution is not None:
            inner += box(b"res ", box(b"resc", _fractions(metadata.resolution)))
        if kind == b"jp2c":  # before the pixels
            changed += box(b"uuid", EXIF + metadata.exif) if metadata.exif else b""
            changed += box(b"uuid", XMP + metadata.xmp) if metadata.xmp else b""
        changed += box(kind, inner)
    return changed


def _resolution(content: bytes) -> tuple[float, float] | None:
    """Pixels per inch of a box `res `: numerator and denominator down, then across, and their powers of ten."""
    for kind, numbers in boxes(content):
        if kind in (b"resc", b"resd") and len(numbers) >= 10:
            above, below, above2, below2, power, power2 = struct.unpack(">4H2b", numbers[:10])
            if above and below and above2 and below2:
                return above2 / below2 * 10.0**power2 * INCH, above / below * 10.0**power * INCH
    return None


def _fractions(resolution: tuple[float, float]) -> bytes:
    """A resolution in pixels per metre; the numerators have five digits, as many as fit."""
    parts, powers = [], []
    for per_metre in (resolution[1] / INCH, resolution[0] / INCH):
        power = max(0, math.ceil(math.log10(per_metre / 65535)))
        number = per_metre / 10**power
        below = max(1, int(65535 // max(number, 1)))
        parts += [max(1, round(number * below)), below]
        powers.append(power)
    return struct.pack(">4H2b", *parts, *powers)
