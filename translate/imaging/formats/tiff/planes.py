"""Planes of a TIFF that lie behind one another under a single directory: stacks that no further directory tells.

ImageJ writes stacks of more than 4 GB so, and says `images=5` in the description; tifffile does it as well where asked
for (`truncate`), and says the shape of the array.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import prod

_MOST = 1 << 16


def planes_behind(description: str, tags: Mapping[str, tuple[int, ...]], size: int) -> int:
    """So many planes that a description announces, and that a file of `size` bytes holds behind its only directory."""
    count = _announced(description, tags)
    if not 1 < count <= _MOST or tags.get("compression", (1,))[0] != 1 or not tags.get("offsets"):
        return 1
    each = plane_bytes(tags)
    # The strips of the first plane follow one another, and so do the planes.
    start, counts = tags["offsets"][0], tags.get("counts", ())
    contiguous = all(at == start + sum(counts[:n]) for n, at in enumerate(tags["offsets"][:64]))
    return count if contiguous and start + count * each <= size else 1


def plane_bytes(tags: Mapping[str, tuple[int, ...]]) -> int:
    """Bytes of one plane."""
    samples = tags.get("samples", (1,))[0]
    row = tags.get("width", (0,))[0] * samples * tags.get("depths", (1,))[0]
    return (row + 7) // 8 * tags.get("height", (0,))[0]


def _announced(description: str, tags: Mapping[str, tuple[int, ...]]) -> int:
    if description.startswith("ImageJ="):
        match = re.search(r"^images=(\d{1,5})$", description, re.MULTILINE)
        return int(match[1]) if match else 1
    if description.startswith('{"shape": ['):
        try:
            shape = json.loads(description)["shape"]
            own = [tags["height"][0], tags["width"][0]]
            samples = tags.get("samples", (1,))[0]
            own += [samples] if samples > 1 else []
            if shape[-len(own) :] == own:
                return prod(int(length) for length in shape[: -len(own)])
        except (ValueError, KeyError, TypeError, RecursionError):
            return 1
    return 1
