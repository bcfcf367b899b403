"""Looks at the first images of a folder for counts whose white nobody has stated."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from translate.errors import DataError
from translate.imaging.appearance.handling import Handling
from translate.imaging.appearance.look import white_of
from translate.imaging.guard.reader import GuardedReader
from translate.imaging.image import Limits

LOOKED_AT, DEEP = 32, 4
"""Headers that are read at most, and images of 16 bits among them."""
SUFFIXES = (".png", ".tif", ".tiff", ".btf", ".dcm", ".pgm", ".jp2")
"""Files that counts come in."""
COUNTS = 14
"""Bits that cameras count at most: images that stay below may be counts."""


def note_on_small_values(paths: Iterable[Path], limits: Limits, handling: Handling) -> str | None:
    """Says where the first images of 16 bits hold such small values alone that networks see them nearly black."""
    largest: list[int] = []
    with GuardedReader(limits, workers=1) as reader:
        for path in islice(paths, LOOKED_AT):
            if path.suffix.lower() not in SUFFIXES:
                continue
            try:
                if reader.probe(path).dtype != "uint16":
                    continue
                image = reader.read(path)
            except DataError:  # the conversion will tell
                continue
            if image.mode != "bands" and white_of(image, handling) is None:
                largest.append(int(image.pixels.max()))
            if len(largest) == DEEP:
                break
    if not largest or not 255 < max(largest) < 1 << COUNTS:
        return None
    images = "the first image of 16 bits reaches"
    if len(largest) > 1:
        images = f"the first {len(largest)} images of 16 bits reach"
    bits = max(largest).bit_length()
    return (
        f"{images} {max(largest):,} of 65,535: if these are counts of {bits} bits, give --white {(1 << bits) - 1}, or "
        "networks see them nearly black"
    )
