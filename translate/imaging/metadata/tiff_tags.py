"""Directories of tags, as TIFF and EXIF have them: read from bytes, and written as a file of tags alone.

`imaging.formats` has the structure of the files. Values are kept as bytes in little-endian order, so that a tag of any
kind travels as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# Bytes of a value by its type, and of the parts whose order of bytes counts: a rational is two integers.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_PARTS = {5: 4, 10: 4}
_NUMBERS = {1: "<u1", 3: "<u2", 4: "<u4", 6: "<i1", 8: "<i2", 9: "<i4", 11: "<f4", 12: "<f8", 13: "<u4", 16: "<u8"}

ASCII, SHORT, LONG, RATIONAL, DOUBLE = 2, 3, 4, 5, 12
EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD = 34665, 34853, 40965
SUBDIRECTORIES = (EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD)
"""Tags whose value is the offset of a directory."""
MOST = 1 << 24
"""Bytes of the values of a directory, at most."""


@dataclass(frozen=True)
class Tag:
    """A value: its type (TIFF 6.0, section 2) and its bytes, little-endian."""

    type: int
    data: bytes

    @property
    def count(self) -> int:
        """The number of values."""
        return len(self.data) // _SIZES[self.type]

    @property
    def text(self) -> str:
        """A text, up to its end."""
        return self.data.split(b"\0")[0].decode("utf-8", "replace")

    @property
    def numbers(self) -> tuple[float, ...]:
        """The values as numbers; none of what is no number, and of fractions by zero."""
        if self.type in (5, 10):
            parts = np.frombuffer(self.data, "<u4" if self.type == 5 else "<i4").reshape(-1, 2)
            return tuple(float(above) / float(below) for above, below in parts if below)
        if self.type not in _NUMBERS:
            return ()
        return tuple(float(value) for value in np.frombuffer(self.data, _NUMBERS[self.type]))


Tags = Mapping[int, "Tag | Tags"]
"""A directory: values by the number of their tag, and directories below it."""


def ascii_tag(text: str) -> Tag:
    """A text."""
    return Tag(ASCII, text.encode() + b"\0")


def short_tag(*values: int) -> Tag:
    """Integers of 16 bits."""
    return Tag(SHORT, struct.pack(f"<{len(values)}H", *values))


def double_tag(*values: float) -> Tag:
    """Floating-point numbers."""
    return Tag(DOUBLE, struct.pack(f"<{len(values)}d", *values))


def rational_tag(*values: float) -> Tag:
    """Numbers from 0 on, to four digits behind the point where they are large, and more where they are small."""
    below = 10_000
    return Tag(RATIONAL, b"".join(struct.pack("<2I", round(value * below), below) for value in values))


def read_tags(data: bytes, page: int = 0) -> dict[int, Any]:
    """A directory in the bytes of a TIFF, BigTIFF or EXIF block, the first one for page 0. What is damaged is left out;
    see `Tags`."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        return {}
    big = struct.unpack(f"{order}H", data[2:4])[0] == 43
    at = struct.unpack(f"{order}Q", data[8:16])[0] if big else struct.unpack(f"{order}I", data[4:8])[0]
    for _ in range(page):
        at = _following(data, at, order, big)
    return _directory(data, at, order, big, deep=0)


def _following(data: bytes, at: int, order: str, big: bool) -> int:
    """Where the directory behind the one at byte `at` begins; 0 where there is none."""
    head, each, offset = ("Q", 20, "Q") if big else ("H", 12, "I")
    start = at + struct.calcsize(f"{order}{head}")
    if at < 8 or start > len(data):
        return 0
    place = start + each * int(struct.unpack(f"{order}{head}", data[at:start])[0])
    entry = data[place : place + struct.calcsize(f"{order}{offset}")]
    return int(struct.unpack(f"{order}{offset}", entry)[0]) if len(entry) == struct.calcsize(f"{order}{offset}") else 0


def _directory(data: bytes, at: int, order: str, big: bool, deep: int) -> dict[int, Any]:
    head, each, inline, offset = ("Q", 20, 8, "Q") if big else ("H", 12, 4, "I")
    start = at + struct.calcsize(f"{order}{head}")
    if at < 8 or start > len(data):
        return {}
    count = struct.unpack(f"{order}{head}", data[at:start])[0]
    tags: dict[int, Any] = {}
    room = MOST
    for place in range(start, min(start + count * each, len(data) - each + 1), each):
        tag, kind, values = struct.unpack(f"{order}HH{offset}", data[place : place + 4 + inline])
        length = _SIZES.get(kind, 0) * values
        where = place + 4 + inline
        if length > inline:
            where = struct.unpack(f"{order}{offset}", data[where : where + inline])[0]
        room -= length
        if not length or where + length > len(data) or room < 0:
            continue
        value = data[where : where + length]
        if tag in SUBDIRECTORIES:
            below = struct.unpack(f"{order}I", value[:4])[0] if kind in (4, 13) and deep < 3 else 0
            if inner := _directory(data, below, order, big, deep + 1):
                tags[tag] = inner
            continue
        tags[tag] = Tag(kind, _swapped(value, kind) if order == ">" else value)
    return tags


def _swapped(value: bytes, kind: int) -> bytes:
    width = _PARTS.get(kind, _SIZES[kind])
    return value if width == 1 else np.frombuffer(value, f">u{width}").astype(f"<u{width}").tobytes()


def write_tags(tags: Tags) -> bytes:
    """A little-endian TIFF of tags alone, as an EXIF block is one; empty without tags."""
    return b"II*\0" + struct.pack("<I", 8) + directory_bytes(tags, 8) if tags else b""


def directory_bytes(tags: Tags, at: int, following: int = 0) -> bytes:
    """A directory that stands at byte `at` of a little-endian file, with its values and the directories below it."""
    entries = b""
    content, behind = b"", at + 2 + 12 * len(tags) + 4
    for number, tag in sorted(tags.items()):
        kind, value = (LONG, b"") if isinstance(tag, Mapping) else (tag.type, tag.data)
        place = behind + len(content)
        if isinstance(tag, Mapping):
            value = struct.pack("<I", place)
            content += directory_bytes(tag, place)
            entries += struct.pack("<HHI", number, kind, 1) + value
        elif len(value) <= 4:
            entries += struct.pack("<HHI", number, kind, tag.count) + value.ljust(4, b"\0")
        else:
            entries += struct.pack("<HHII", number, kind, tag.count, place)
            content += value
        content += bytes(len(content) % 2)  # values begin at even bytes
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", following) + content


def add_tags(data: bytearray, tags: Tags, page: int = 0) -> None:
    """Adds tags to one directory of a little-endian TIFF, which is written anew behind it."""
    pointer = 4
    for _ in range(page):
        (at,) = struct.unpack_from("<I", data, pointer)
        pointer = at + 2 + 12 * struct.unpack_from("<H", data, at)[0]
    (at,) = struct.unpack_from("<I", data, pointer)
    (count,) = struct.unpack_from("<H", data, at)
    (following,) = struct.unpack_from("<I", data, at + 2 + 12 * count)
    # Values stay where they are: an entry is copied with its offset.
    own: dict[int, bytes] = {}
    for place in range(at + 2, at + 2 + 12 * count, 12):
        own[struct.unpack_from("<H", data, place)[0]] = bytes(data[place : place + 12])
    data.extend(bytes(len(data) % 2))
    more = {number: tag for number, tag in tags.items() if number not in own or number in REPLACED}
    place = len(data)
    total = len(own.keys() | more.keys())
    block = directory_bytes(more, place + 12 * (total - len(more)))
    entries = {struct.unpack("<H", block[n : n + 2])[0]: block[n : n + 12] for n in range(2, 2 + 12 * len(more), 12)}
    table = b"".join(entry for _, entry in sorted((own | entries).items()))
    values = block[2 + 12 * len(more) + 4 :]
    struct.pack_into("<I", data, pointer, place)
    data.extend(struct.pack("<H", total) + table + struct.pack("<I", following) + values)


REPLACED = (270, 282, 283, 296, 305)
"""Tags that writers fill in by themselves, and whose values from the input count instead: the description, resolution
and its unit, software."""
