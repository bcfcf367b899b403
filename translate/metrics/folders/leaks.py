"""Differences of two sets that have nothing to do with what the images show, and by which any classifier could win."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from torch import Tensor

from translate.imaging.io import Header, probe

MOST = 200
"""Images of a set that are looked at, spread over it."""
SHARE = 0.9
"""The share of a set that has to have a property, and of the other one to lack it."""
BLOCKS = 1.2
"""The ratio of steps across the edges of 8 x 8 blocks to other steps from which on an image has been a JPEG."""
SOFT = 0.4
"""The ratio of the finest details of two sets, in medians, below which one set was enlarged or smoothed."""


@dataclass(frozen=True)
class Leak:
    """A difference: `kind` is one word, `told` a sentence for people."""

    kind: str
    told: str


def leaks(a: Sequence[Path], b: Sequence[Path], images_a: Sequence[Tensor], images_b: Sequence[Tensor]) -> list[Leak]:
    """The leaks between two sets of files, whose images are C x H x W in [0, 1]."""
    chosen = spread(len(a)), spread(len(b))
    headers = [[probe(files[i]) for i in places] for files, places in zip((a, b), chosen, strict=True)]
    images = [[sets[i] for i in places] for sets, places in zip((images_a, images_b), chosen, strict=True)]
    found = [*_of_files(*headers)]
    found += _of_pixels(*images, resaved=any(leak.kind == "format" for leak in found))
    return found


def spread(count: int) -> list[int]:
    """At most `MOST` places of so many, evenly."""
    if count <= MOST:
        return list(range(count))
    return [round(i * (count - 1) / (MOST - 1)) for i in range(MOST)]


def _of_files(a: Sequence[Header], b: Sequence[Header]) -> Iterator[Leak]:
    """What headers tell: format, size, channels, bits, alpha."""
    properties: tuple[tuple[str, str, Callable[[Header], str]], ...] = (
        ("format", "are", lambda header: f"{header.format.upper()} files"),
        ("size", "have", lambda header: f"{header.width} x {header.height} pixels"),
        ("channels", "have", lambda header: f"{header.channels} channel{'s' if header.channels > 1 else ''}"),
        ("bits", "have", lambda header: f"{header.bits} bits"),
    )
    for kind, verb, of in properties:
        ours, theirs = Counter(map(of, a)), Counter(map(of, b))
        if not ours.keys() & theirs.keys():
            yield Leak(kind, f"the images of A {verb} {_usual(ours)}, and those of B {_usual(theirs)}")


def _usual(counts: Counter[str]) -> str:
    first, _ = counts.most_common(1)[0]
    return first if len(counts) == 1 else f"{first} and others"


def _of_pixels(a: Sequence[Tensor], b: Sequence[Tensor], *, resaved: bool) -> Iterator[Leak]:
    """What pixels tell: borders, the blocks of JPEG, details that enlarging or smoothing took."""
    for kind, told, judge in (
        ("border", "have a border of one colour around them", has_border),
        ("blocks", "have the blocks of JPEG in their pixels", has_blocks),
        ("grey", "are grey in all their channels", is_grey),
    ):
        shares = [np.mean([judge(image) for image in images]) for images in (a, b)]
        if min(shares) <= 1 - SHARE and max(shares) >= SHARE and not (kind == "blocks" and resaved):
            which = "A" if shares[0] > shares[1] else "B"
            yield Leak(kind, f"the images of {which} {told}, and the others have not")
    details = [median(map(fine_detail, images)) for images in (a, b)]
    if min(details) < SOFT * max(details):
        which = "A" if details[0] < details[1] else "B"
        yield Leak("detail", f"the images of {which} lack the finest details, as enlarged or smoothed ones do")


def has_border(image: Tensor) -> bool:
    """Whether the outermost pixels are all of one colour, and those inside are not."""
    values = image.numpy()
    edges = [values[:, 0], values[:, -1], values[:, :, 0], values[:, :, -1]]
    ring = np.concatenate(edges, axis=1)
    return bool(np.ptp(ring, axis=1).max() == 0 and np.ptp(values, axis=(1, 2)).max() > 0)


def has_blocks(image: Tensor) -> bool:
    """Whether steps between neighbours are larger at every eighth place than elsewhere."""
    luma = image.mean(0).numpy()
    return (_block_ratio(luma) + _block_ratio(luma.T)) / 2 > BLOCKS


def _block_ratio(luma: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
    steps = np.abs(np.diff(luma, axis=1)).mean(axis=0)
    if len(steps) < 24:
        return 0.0
    edges = np.arange(len(steps)) % 8 == 7
    return float(steps[edges].mean() / max(float(steps[~edges].mean()), 1e-6))


def is_grey(image: Tensor) -> bool:
    """Whether an image of three channels has no colour."""
    return bool(len(image) == 3 and (image[0] == image[1]).all() and (image[1] == image[2]).all())


def fine_detail(image: Tensor) -> float:
    """How far a pixel is from the mean of its neighbours, in parts of how far it is from the fourth one."""
    luma = image.mean(0).numpy()
    if min(luma.shape) < 6:
        return 1.0
    bends = sum(float(np.abs(np.diff(way, n=2, axis=1)).mean()) / 2 for way in (luma, luma.T))
    steps = sum(float(np.abs(way[:, 4:] - way[:, :-4]).mean()) for way in (luma, luma.T))
    return bends / max(steps, 1e-6)
