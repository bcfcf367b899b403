"""Directories of a TIFF that are no pages: smaller copies of a picture (pyramids, previews) and masks.

The tag NewSubfileType says it (bit 0: a smaller copy; bit 2: a mask of transparency), or SubfileType in old files (2: a
smaller copy). Some scanners of slides leave it out: their smaller copies are tiled, and half, a quarter, ... as large.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

_NEW, _OLD, _WIDTH, _HEIGHT, _TILES = 254, 255, 256, 257, 324
_REDUCED, _MASK = 1, 4


def is_page(entries: list[bytes], order: str, big: bool, first: Mapping[str, tuple[int, ...]] | None) -> bool:
    """Whether a directory of raw `entries` is a picture of its own; `first` are the tags of the first one that is."""
    values = _first_values(entries, order, big)
    if values.get(_NEW, 0) & (_REDUCED | _MASK) or values.get(_OLD, 0) == 2:
        return False
    if first is None or "tile_offsets" not in first or _TILES not in values:
        return True
    factors = []
    for tag, name in ((_WIDTH, "width"), (_HEIGHT, "height")):
        factors.append(first[name][0] / max(1, values.get(tag, 1)) if first.get(name) else 1.0)
    # Sides that are no multiples are rounded up or down.
    same_shape = abs(factors[0] - factors[1]) < 0.05 * max(factors)
    nearest = round(factors[0])
    halved = nearest >= 2 and nearest & (nearest - 1) == 0 and abs(factors[0] - nearest) < 0.05 * nearest
    return not (same_shape and halved)


def _first_values(entries: list[bytes], order: str, big: bool) -> dict[int, int]:
    """The values of tags that have one, which stands in the entry itself."""
    values = {}
    start = 12 if big else 8
    for entry in entries:
        tag, kind = struct.unpack(f"{order}HH", entry[:4])
        code = {3: "H", 4: "I", 16: "Q"}.get(kind)
        if code:
            length = struct.calcsize(code)
            if start + length <= len(entry):
                values[tag] = struct.unpack(order + code, entry[start : start + length])[0]
    return values
