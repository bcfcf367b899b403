"""The boxes of an ISO base media file (ISO 14496-12) and the item properties of HEIF (ISO 23008-12): AVIF and HEIC.

A box is a length (4 bytes), a kind (4 bytes) and its content; a length of 1 means that one of 8 bytes follows, and 0
that the box reaches to the end of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_BOXES = 10_000
"""Boxes on one level, at most."""
LARGEST = 1 << 24
"""Bytes of a box that is read as a whole, at most."""

Property = tuple[bytes, bytes]
"""Kind and content of an item property."""


@dataclass(frozen=True)
class HeifInfo:
    """The primary image of a file: size as stored, bits, colour channels, alpha.

    `transforms` are what a reader applies, in this order: "turn" by so many counterclockwise quarters (irot), "mirror"
    top to bottom (0) or left to right (1, imir). `largest` is the largest width and height of its parts; `sequence`
    tells films; `colours` are the code points of primaries and transfer (H.273; 0: not stated); `corner` is where the
    part that is shown begins (clap), x and y."""

    width: int
    height: int
    bits: int
    channels: int
    alpha: bool
    transforms: tuple[tuple[str, int], ...]
    largest: tuple[int, int]
    sequence: bool
    colours: tuple[int, int] = (0, 0)
    corner: tuple[int, int] = (0, 0)

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height after the turns."""
        quarter_turns = sum(value for kind, value in self.transforms if kind == "turn")
        return (self.height, self.width) if quarter_turns % 2 else (self.width, self.height)


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each box in `data`. Errors: ValueError for one that reaches beyond it."""
    at, count = 0, 0
    while at + 8 <= len(data):
        length, start = int.from_bytes(data[at : at + 4], "big"), at + 8
        kind = data[at + 4 : at + 8]
        if length == 1:
            length, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        length = length or len(data) - at
        count += 1
        if at + length > len(data) or length < start - at or count > _BOXES:
            raise _beyond(kind)
        yield kind, data[start : at + length]
        at += length


def box(kind: bytes, content: bytes) -> bytes:
    """The bytes of a box."""
    return struct.pack(">I", 8 + len(content)) + kind + content


def brands(data: bytes) -> list[bytes]:
    """The major brand of a file and the compatible ones."""
    length = min(int.from_bytes(data[:4], "big"), 4096)
    names = [data[8:12]]
    return names + [data[at : at + 4] for at in range(16, min(length, len(data)), 4)]


def box_in(stream: BinaryIO, size: int, wanted: bytes, longest: int = 0) -> bytes:
    """The content of the first box of a kind on the upper level of a file of `size` bytes, all of whose boxes end with
    it; no other box is read. Empty where there is none; with `longest` only its first bytes. Errors: ValueError."""
    at, count, content = 0, 0, b""
    while at + 8 <= size:
        stream.seek(at)
        head = stream.read(16)
        length, start = int.from_bytes(head[:4], "big"), 8
        if length == 1:
            length, start = int.from_bytes(head[8:16], "big"), 16
        length = length or size - at
        count += 1
        if at + length > size or length < start or count > _BOXES:
            raise _beyond(head[4:8])
        if head[4:8] == wanted and not content:
            if length > LARGEST and not longest:
                raise ValueError(f"a box {wanted.decode('latin-1')!r} of {length:,} bytes")
            stream.seek(at + start)
            content = stream.read(min(length - start, longest or length))
        at += length
    return content


def _beyond(kind: bytes) -> ValueError:
    return ValueError(f"its box {kind.decode('latin-1')!r} reaches beyond the file")


def heif_info(stream: BinaryIO, size: int) -> HeifInfo:
    """Reads the properties of the primary image. Errors: ValueError."""
    meta = box_in(stream, size, b"meta")
    if not meta:
        raise ValueError("it has no `meta` box, and so no picture")
    stream.seek(0)
    head = stream.read(64)
    parts = dict(boxes(meta[4:]))  # a full box: version and flags come first
    properties, items = _properties(parts.get(b"iprp", b""))
    pitm = parts.get(b"pitm", b"")
    primary = int.from_bytes(pitm[4:8] if pitm[:1] == b"\1" else pitm[4:6], "big")
    own = [properties[index - 1] for index in items.get(primary, ()) if 0 < index <= len(properties)]
    sizes = [_size(content) for kind, content in properties if kind == b"ispe"]
    stated = next((_size(content) for kind, content in own if kind == b"ispe"), None)
    if stated is None:
        raise ValueError("its picture has no size")
    transforms = []
    for kind, content in own:
        if kind == b"irot" and content:
            transforms.append(("turn", content[0] & 3))
        if kind == b"imir" and content:
            transforms.append(("mirror", content[0] & 1))
    depths = next((content[5:] for kind, content in own if kind == b"pixi"), b"")
    alpha = any((kind == b"auxC" and b":alpha" in content) or b"auxid:1\0" in content for kind, content in properties)
    channels = 1 if _is_grey(own, depths) else 3
    bits = max(depths, default=_coded_bits(own))
    largest = max(width for width, _ in sizes), max(height for _, height in sizes)
    corner = (0, 0)
    for kind, content in own:
        if kind == b"clap" and len(content) >= 32:
            corner, stated = _cropped(content, stated)
    colours = (0, 0)
    for kind, content in own:
        if kind == b"colr" and content[:4] == b"nclx" and len(content) >= 8:
            colours = int.from_bytes(content[4:6], "big"), int.from_bytes(content[6:8], "big")
    return HeifInfo(*stated, bits, channels, alpha, tuple(transforms), largest, head[8:12] == b"avis", colours, corner)


def _cropped(clap: bytes, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The upper left corner (x, y) and the size of what a clean aperture leaves: four fractions, its width and height,
    and how far its centre is from the middle. Errors: ValueError."""
    numbers = struct.unpack(">IIIIiIiI", clap[:32])
    if not all(numbers[1::2]):
        raise ValueError("the part of the picture that is shown has no size")
    corner, cropped = [], []
    for axis, whole in enumerate(size):
        length = numbers[2 * axis] // numbers[2 * axis + 1]
        start = round(numbers[4 + 2 * axis] / numbers[5 + 2 * axis] + (whole - length) / 2)
        if start < 0 or length < 1 or start + length > whole:
            raise ValueError("the part of the picture that is shown lies outside of it")
        corner.append(start)
        cropped.append(length)
    return (corner[0], corner[1]), (cropped[0], cropped[1])


def _properties(iprp: bytes) -> tuple[list[Property], dict[int, list[int]]]:
    """All properties in their order, and for each item the numbers of its own, from 1 on."""
    properties: list[Property] = []
    items: dict[int, list[int]] = {}
    for kind, content in boxes(iprp):
        if kind == b"ipco":
            properties = list(boxes(content))
        elif kind == b"ipma":
            items |= _associations(content)
    return properties, items


def _associations(content: bytes) -> dict[int, list[int]]:
    """The box ipma: a count of items; of each its number and a count of properties, each in 1 or 2 bytes, of which the
    highest bit tells that a reader has to know the property."""
    wide_number, wide_index = content[:1] != b"\0", bool(content[3:4] and content[3] & 1)
    at, items = 8, {}
    for _ in range(int.from_bytes(content[4:8], "big")):
        step = 4 if wide_number else 2
        if at + step >= len(content):
            break
        number, count = int.from_bytes(content[at : at + step], "big"), content[at + step]
        at += step + 1
        size = 2 if wide_index else 1
        top_bit = 1 << 8 * size - 1
        items[number] = [
            int.from_bytes(content[at + n * size : at + (n + 1) * size], "big") & ~top_bit for n in range(count)
        ]
        at += count * size
    return items


def _size(content: bytes) -> tuple[int, int]:
    return int.from_bytes(content[4:8], "big"), int.from_bytes(content[8:12], "big")


def _is_grey(own: list[Property], depths: bytes) -> bool:
    if depths:
        return len(depths) == 1
    # The AV1 configuration: bit 4 of its third byte says monochrome.
    return any(kind == b"av1C" and len(content) > 2 and bool(content[2] & 0x10) for kind, content in own)


def _coded_bits(own: list[Property]) -> int:
    """Bits by the configuration of the decoder: bits 6 and 5 of AV1's third byte, HEVC's 18th byte."""
    for kind, content in own:
        if kind == b"av1C" and len(content) > 2:
            return (12 if content[2] & 0x20 else 10) if content[2] & 0x40 else 8
        if kind == b"hvcC" and len(content) > 17:
            return 8 + (content[17] & 7)
    return 8
