"""Parts of a TIFF as files of their own, so that a scene of any size is decoded band by band.

Strips and tiles are packed each by itself. A part has those that hold its rows, byte for byte, below a copy of the
directory: whatever decodes the file decodes a part to the same values.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from translate.errors import DataError
from translate.imaging.formats.codec import Parts
from translate.imaging.formats.tiff.directory import Directory, raw_entries, read_directory, value_size
from translate.imaging.formats.tiff.interpretation import JPEG, NONE, OTHERS, PLAIN
from translate.imaging.formats.tiff.segments import check_places
from translate.imaging.image import LIMITS, SCENES

_LONG, _LONG8 = 4, 16  # types of values: 4 and 8 bytes
_HEIGHT, _ROWS = 257, 278
# (offsets, counts) of strips, and of tiles.
_STRIPS, _TILES = (273, 279), (324, 325)
_PREVIEWS = 330  # SubIFDs
_NESTED = (34665, 34853)  # directories of EXIF and of GPS
_PLAIN_COLOURS = (0, 1, 2, 3)
_FAX = (2, 3, 4, 6)  # rows that lean on rows before them, and the old form of JPEG, whose tables are elsewhere
# The most bytes of all values of a directory that are copied into each part.
_MOST = 1 << 24


@dataclass(frozen=True)
class _Value:
    """An entry of a directory: its type, the number of values, and their bytes."""

    kind: int
    count: int
    data: bytes


class TiffParts(Parts):
    """The rows of a TIFF of one page."""

    def __init__(self, stream: BinaryIO, tiff: Directory, entries: dict[int, _Value], name: str) -> None:
        super().__init__((tiff.one("height"), tiff.one("width")))
        self._stream, self._tiff, self._entries, self._name = stream, tiff, entries, name
        stream.seek(0)
        head = stream.read(4)
        self._order, self._big = ("<" if head[:2] == b"II" else ">"), head[2:4] in (b"\x2b\0", b"\0\x2b")
        self._tiled = "tile_offsets" in tiff.tags
        tiled = "tile_" * self._tiled
        self._offsets, self._counts = tiff.tags[f"{tiled}offsets"], tiff.tags[f"{tiled}counts"]
        height, width = self.size
        # Planar configuration 2: all segments of a channel, then all of the next.
        self._planes, samples = (tiff.samples, 1) if tiff.one("planar", 1) == 2 else (1, tiff.samples)
        self._across = -(-width // tiff.one("tile_width")) if self._tiled else 1
        self._high = tiff.one("tile_height") if self._tiled else min(tiff.one("rows", height), height) or height
        self._row_bytes = (width * samples * tiff.bits + 7) // 8
        self._sliced = not self._tiled and tiff.one("compression", 1) == NONE

    @property
    def step(self) -> int:
        """Rows that are only read together."""
        return 1 if self._sliced else self._high

    def part(self, first: int, last: int) -> tuple[int, int, bytes]:
        begin = first // self.step * self.step
        end = min(-(-last // self.step) * self.step, self.size[0])
        segments = self._slices(begin, end) if self._sliced else self._segments(begin, end)
        return begin, end, self._file(end - begin, segments)

    def _segments(self, begin: int, end: int) -> list[bytes]:
        """The strips or tiles of rows that begin and end with some, plane after plane."""
        of_plane = -(-self.size[0] // self._high) * self._across
        low, high = begin // self._high * self._across, -(-end // self._high) * self._across
        segments = []
        for plane in range(self._planes):
            for number in range(plane * of_plane + low, plane * of_plane + high):
                segments.append(self._bytes(self._offsets[number], self._counts[number]))
        return segments

    def _slices(self, begin: int, end: int) -> list[bytes]:
        """Rows of strips that are not packed, as one strip of each plane."""
        of_plane = -(-self.size[0] // self._high)
        slices = []
        for plane in range(self._planes):
            rows = b""
            row = begin
            while row < end:
                number = row // self._high
                until = min(end, (number + 1) * self._high)
                start = self._offsets[plane * of_plane + number] + row % self._high * self._row_bytes
                rows += self._bytes(start, (until - row) * self._row_bytes)
                row = until
            slices.append(rows)
        return slices

    def _bytes(self, start: int, count: int) -> bytes:
        self._stream.seek(start)
        data = self._stream.read(count)
        if len(data) != count:
            raise DataError(f"{self._name}: the file changed its size while it was read; is it still being written?")
        return data

    def _file(self, height: int, segments: list[bytes]) -> bytes:
        """A TIFF of so many rows in these strips or tiles."""
        body = bytearray(16 if self._big else 8)
        offsets = []
        for segment in segments:
            offsets.append(len(body))
            body += segment
            body += b"\0" * (len(body) % 2)  # offsets are even (TIFF 6.0, section 2)
        entries = dict(self._entries)
        tags = _TILES if self._tiled else _STRIPS
        numbers = {_HEIGHT: [height], tags[0]: offsets, tags[1]: [len(segment) for segment in segments]}
        if not self._tiled:
            numbers[_ROWS] = [min(self._high, height) if not self._sliced else height]
        kind, code = (_LONG8, "Q") if self._big else (_LONG, "I")
        for tag, values in numbers.items():
            packed = struct.pack(f"{self._order}{len(values)}{code}", *values)
            entries[tag] = _Value(kind, len(values), packed)
        at = self._append(body, entries)
        order = b"II" if self._order == "<" else b"MM"
        head = struct.pack(f"{self._order}HHHQ", 43, 8, 0, at) if self._big else struct.pack(f"{self._order}HI", 42, at)
        body[: len(order + head)] = order + head
        return bytes(body)

    def _append(self, body: bytearray, entries: dict[int, _Value]) -> int:
        """Appends the values of a directory and then itself, and returns its offset."""
        inline, code = (8, "Q") if self._big else (4, "I")
        lines = []
        for tag, value in sorted(entries.items()):
            data = value.data
            if len(data) > inline:
                data = struct.pack(f"{self._order}{code}", len(body))
                body += value.data
                body += b"\0" * (len(body) % 2)
            line = struct.pack(f"{self._order}HH{code}", tag, value.kind, value.count)
            lines.append(line + data.ljust(inline, b"\0"))
        at = len(body)
        body += struct.pack(f"{self._order}{'Q' if self._big else 'H'}", len(lines))
        body += b"".join(lines) + bytes(inline)  # no directory follows
        return at


def tiff_parts(stream: BinaryIO, size: int, name: str) -> TiffParts | None:
    """The parts of a TIFF; None where it can only be decoded whole. Errors: DataError, also for one that no part may
    come of: a bomb, or strips that are not in the file."""
    tiff = read_directory(stream, name)
    if not _is_apart(tiff):
        return None
    SCENES.check(tiff.header, size, name)
    check_places(tiff, size, name)
    entries = _copied(stream, size, name, tiff.index)
    if entries is None:
        return None
    parts = TiffParts(stream, tiff, entries, name)
    height, width = parts.size
    return parts if parts.step < height and 2 * parts.step * width <= LIMITS.pixels else None


def _is_apart(tiff: Directory) -> bool:
    """Whether the strips or tiles of an upright image are decoded each by itself, to values that need no other."""
    compression, photometric = tiff.one("compression", 1), tiff.one("photometric")
    packed = compression in (*PLAIN, *OTHERS) and compression not in _FAX
    colours = photometric in _PLAIN_COLOURS or (photometric == 6 and compression == JPEG)
    alone = tiff.pages == 1 and tiff.planes == 1 and tiff.stack is None and not tiff.sparse
    return alone and packed and colours and tiff.one("orientation", 1) == 1 and tiff.one("planar", 1) in (1, 2)


def _copied(stream: BinaryIO, size: int, name: str, index: int) -> dict[int, _Value] | None:
    """The entries of a directory that all parts have. None where they are too long, or lead to further directories."""
    stream.seek(0)
    head = stream.read(16)
    order, big = ("<" if head[:2] == b"II" else ">"), head[2:4] in (b"\x2b\0", b"\0\x2b")
    at = struct.unpack(f"{order}Q", head[8:16])[0] if big else struct.unpack(f"{order}I", head[4:8])[0]
    for _ in range(index):
        at = raw_entries(stream, at, size, order, big, name)[1]
    inline, code = (8, "Q") if big else (4, "I")
    own = {_HEIGHT, _ROWS, *_STRIPS, *_TILES, _PREVIEWS}
    entries: dict[int, _Value] = {}
    total = 0
    for entry in raw_entries(stream, at, size, order, big, name)[0]:
        tag, kind, count = struct.unpack(f"{order}HH{code}", entry[: 4 + inline])
        if tag in _NESTED:
            return None
        length = value_size(kind) * count
        total += length * (tag not in own)
        if tag in own or total > _MOST:
            continue
        data = entry[4 + inline :]
        if length > inline:
            stream.seek(struct.unpack(f"{order}{code}", data)[0])
            data = stream.read(length)
        entries[tag] = _Value(kind, count, data[:length])
    return entries if total <= _MOST else None
