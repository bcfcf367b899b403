"""What the values of a folder's images need: a white point, ranges, tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from translate.contracts import DataKind
from translate.data.ranges.fill import COUNTS, fill_remark
from translate.errors import DataError
from translate.imaging.io import Header, read_samples
from translate.pipeline.init.layout import Pile

LOOKED = 4
"""Images of more than 8 bits that are read, of each set."""
SCENE, LARGE_SCENE = 1024, 4096
"""The least side of images of science, and of any images, that are cut into tiles and not shrunk."""
TILE = 512
_OF_CAMERAS = ("jpeg", "heif", "webp", "avif", "raw")
"""Formats of photographs: they show one thing, however many pixels they have."""


def deep_options(sides: Mapping[str, Pile]) -> tuple[dict[str, Any], list[str]]:
    """The options `white` or `normalise` of `preprocess`, and why, where images fill a small part of their type."""
    remarks: dict[str, str] = {}
    largest: list[int] = []
    for side, pile in sides.items():
        images = _some(pile)
        if not images:
            continue
        if remark := fill_remark(side, images, None):
            remarks[side] = remark
        largest.append(max(int(image.max()) for image in images))
    if not remarks:
        return {}, []
    counts = [each for each in remarks.values() if "white: " in each]
    if len(counts) == len(remarks) and len(largest) == len(remarks):
        bits = max(largest).bit_length()
        if bits <= COUNTS:
            return {"white": (1 << bits) - 1}, [f"Values go up to {max(largest):,}: taken for counts of {bits} bits."]
    why = "Values fill little of their type: what lies between these percentiles becomes -1 to 1."
    return {"normalise": {side: {"percentiles": [0.1, 99.9]} for side in remarks}}, [why]


def is_scene(kind: DataKind, piles: Sequence[Pile]) -> bool:
    """Whether images are so large that their detail counts: those of satellites, microscopes and scanners."""
    headers = [header for pile in piles for header in pile.headers.values()]
    least = min(min(header.height, header.width) for header in headers)
    if least >= LARGE_SCENE:
        return True
    return least >= SCENE and (kind == "labelled" or all(header.format not in _OF_CAMERAS for header in headers))


def tiles_of(headers: Sequence[Header]) -> int:
    """How many tiles an image gives, on the average."""
    counts = [-(-header.height // TILE) * -(-header.width // TILE) for header in headers]
    return max(1, round(sum(counts) / len(counts)))


def _some(pile: Pile) -> list[np.ndarray[Any, Any]]:
    """A few images of integers of more than 8 bits, of one number of channels."""
    paths: list[Path] = []
    for key, header in pile.headers.items():
        if header.bits == 16 and not header.float:
            paths.append(pile.files[key])
    images: list[np.ndarray[Any, Any]] = []
    for path in paths[:: max(1, len(paths) // LOOKED)][:LOOKED]:
        try:
            image = read_samples(path)
        except DataError:
            continue
        if image.dtype == np.uint16 and (not images or images[0].shape[2] == image.shape[2]):
            images.append(image)
    return images
