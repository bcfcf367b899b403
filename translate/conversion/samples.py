"""Several answers to one image: how their files are called, and how far apart they are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import PurePosixPath

import numpy as np

from translate.imaging.image import Image, distance


def names_of(target: str, samples: int) -> list[str]:
    """The output names of an input: `a/b.png` alone, or `a/b.1.png`, `a/b.2.png`, ... of several samples."""
    if samples == 1:
        return [target]
    path = PurePosixPath(target)
    return [str(path.with_suffix(f".{number}{path.suffix}")) for number in range(1, samples + 1)]


def key_of(name: str, sample: int) -> str:
    """What seeds a sample (counted from 0): the first is the one that a conversion without samples gives."""
    return name if sample == 0 else f"{name}#{sample + 1}"


def diversity(images: Sequence[Image]) -> float:
    """The mean distance of two different samples, of images of one size and type; there are at least two."""
    return float(np.mean([distance(a, b) for a, b in combinations(images, 2)]))
