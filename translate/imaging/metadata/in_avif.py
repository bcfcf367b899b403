"""Profile, EXIF and XMP in the boxes of an AVIF file (ISO 23008-12) as libavif writes still pictures.

The box `meta` lists items: iinf their kinds, iloc their places in the file, iref what describes what; ipco holds
properties, and ipma says whose they are. Places are counted from the start of the file, so that they move with the size
of `meta`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from translate.imaging.formats.photo.boxes import box, boxes

Item = tuple[bytes, bytes]
"""What stands behind the number of an item in its entry, and its content."""
EXIF_ENTRY = b"\0\0Exif\0"
XMP_ENTRY = b"\0\0mime\0application/rdf+xml\0"
# Sizes of offsets and lengths in iloc, in half bytes: both four; none of bases.
_FOURS = b"\x44\x00"


def with_items(data: bytes, icc: bytes | None, exif: bytes, xmp: bytes) -> bytes:
    """A file with a profile, EXIF and XMP. Errors: ValueError for one of another structure."""
    items: list[Item] = []
    if exif:  # behind the number of bytes before it
        items.append((EXIF_ENTRY, bytes(4) + exif))
    if xmp:
        items.append((XMP_ENTRY, xmp))
    if not items and not icc:
        return data
    parts = list(boxes(data))
    names = [kind for kind, _ in parts]
    if names != [b"ftyp", b"meta", b"mdat"]:
        raise ValueError(f"boxes {names}")
    before = len(dict(parts)[b"meta"])
    meta = _meta(parts[1][1], icc, items, 0, 0)
    # What is new stands behind the content of mdat, which begins as much later as meta is longer.
    meta = _meta(parts[1][1], icc, items, len(meta) - before, len(data) + len(meta) - before)
    content = b"".join(value for _, value in items)
    return box(*parts[0]) + box(b"meta", meta) + box(b"mdat", parts[2][1] + content)


def _meta(meta: bytes, icc: bytes | None, items: Sequence[Item], moved: int, end: int) -> bytes:
    """The content of `meta` with items whose content begins at byte `end`; that of the others has `moved`."""
    own = dict(boxes(meta[4:]))
    primary = own[b"pitm"][4:6]
    (count,) = struct.unpack(">H", own[b"iinf"][4:6])
    numbers = range(count + 1, count + 1 + len(items))
    references = own.get(b"iref", bytes(4))
    infos = own[b"iinf"][6:]
    for number, (entry, _) in zip(numbers, items, strict=True):
        # Version 2, and flags: nobody shows it.
        infos += box(b"infe", b"\2\0\0\1" + struct.pack(">H", number) + entry)
        references += box(b"cdsc", struct.pack(">HH", number, 1) + primary)
    changed = {
        **own,
        b"iinf": own[b"iinf"][:4] + struct.pack(">H", count + len(items)) + infos,
        b"iloc": _places(own[b"iloc"], [content for _, content in items], moved, end),
        b"iprp": _properties(own[b"iprp"], primary, icc),
    }
    if items:
        changed[b"iref"] = references
    order = [b"hdlr", b"pitm", b"iloc", b"iinf", b"iref", b"iprp"]
    if not {*changed} <= {*order}:
        raise ValueError(f"boxes {[*changed]}")
    return meta[:4] + b"".join(box(kind, changed[kind]) for kind in order if kind in changed)


def _places(iloc: bytes, contents: Sequence[bytes], moved: int, end: int) -> bytes:
    """The box iloc, version 0: each item has a number, a source (the file) and a count of extents, here one."""
    if iloc[:4] != bytes(4) or iloc[4:6] != _FOURS:
        raise ValueError("places of another form")
    (count,) = struct.unpack(">H", iloc[6:8])
    entries = b""
    for at in range(8, 8 + 14 * count, 14):
        number, source, extents, offset, length = struct.unpack(">3H2I", iloc[at : at + 14])
        if extents != 1:
            raise ValueError("an item in pieces")
        entries += struct.pack(">3H2I", number, source, extents, offset + moved, length)
    for number, content in enumerate(contents, count + 1):
        entries += struct.pack(">3H2I", number, 0, 1, end, len(content))
        end += len(content)
    return iloc[:6] + struct.pack(">H", count + len(contents)) + entries


def _properties(iprp: bytes, primary: bytes, icc: bytes | None) -> bytes:
    """The box iprp with a profile among the properties of the primary item, of which ipma lists numbers of a byte."""
    if not icc:
        return iprp
    parts = dict(boxes(iprp))
    ipma = parts[b"ipma"]
    if ipma[:4] != bytes(4):
        raise ValueError("properties of another form")
    number = len(list(boxes(parts[b"ipco"]))) + 1
    entries, at = b"", 8
    for _ in range(int.from_bytes(ipma[4:8], "big")):
        count = ipma[at + 2]
        listed = ipma[at + 3 : at + 3 + count]
        if ipma[at : at + 2] == primary:
            listed += bytes([number])
        entries += ipma[at : at + 2] + bytes([len(listed)]) + listed
        at += 3 + count
    properties = parts[b"ipco"] + box(b"colr", b"prof" + icc)
    return box(b"ipco", properties) + box(b"ipma", ipma[:8] + entries)
