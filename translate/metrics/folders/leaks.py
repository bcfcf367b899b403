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
GAP = 0.8
"""The difference of the shares of two sets that have a property from which on it gives them away."""
EDGES = ("top", "bottom", "left", "right")
BLOCKS = 1.2
"""The ratio of steps across the edges of 8 x 8 blocks to other steps from which on an image has been a JPEG."""
SOFT = 0.4
"""The ratio of the finest details of two sets, in medians, below which one set was enlarged or smoothed."""


@dataclass(frozen=True)
class Leak:
    """A difference: `kind` is one word, `told` a sentence for people."""

    kind: str
    told: str


@dataclass(frozen=True)
class Traits:
    """What the pixels of one image tell; `edges` are those of one colour by `EDGES`."""

    edges: tuple[bool, ...]
    blocks: bool
    grey: bool
    detail: float


def leaks(a: Sequence[Path], b: Sequence[Path], images_a: Sequence[Tensor], images_b: Sequence[Tensor]) -> list[Leak]:
    """The leaks between two sets of files, whose images are C x H x W in [0, 1]."""
    chosen = spread(len(a)), spread(len(b))
    headers = [[probe(files[i]) for i in places] for files, places in zip((a, b), chosen, strict=True)]
    traits = [
        [traits_of(images[i]) for i in places] for images, places in zip((images_a, images_b), chosen, strict=True)
    ]
    found = [*_of_files(*headers)]
    found += _of_pixels(*traits, resaved=any(leak.kind == "format" for leak in found))
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
        ("alpha", "have", lambda header: "alpha" if header.alpha else "no alpha"),
    )
    for kind, verb, of in properties:
        ours, theirs = Counter(map(of, a)), Counter(map(of, b))
        if not ours.keys() & theirs.keys():
            yield Leak(kind, f"the images of A {verb} {_usual(ours)}, and those of B {_usual(theirs)}")
        elif uneven := _uneven(ours, theirs):
            value, (share, other) = uneven
            yield Leak(kind, f"{share:.0%} of the images of A {verb} {value}, and {other:.0%} of those of B")


def _usual(counts: Counter[str]) -> str:
    first, _ = counts.most_common(1)[0]
    return first if len(counts) == 1 else f"{first} and others"


def _uneven(ours: Counter[str], theirs: Counter[str]) -> tuple[str, tuple[float, float]] | None:
    """The first value whose shares of the two sets differ by `GAP` or more, with the shares."""
    for value in [*ours, *theirs]:
        shares = ours[value] / ours.total(), theirs[value] / theirs.total()
        if abs(shares[0] - shares[1]) >= GAP:
            return value, shares
    return None


def _of_pixels(a: Sequence[Traits], b: Sequence[Traits], *, resaved: bool) -> Iterator[Leak]:
    """What pixels tell: borders, the blocks of JPEG, details that enlarging or smoothing took."""
    yield from _of_edges(a, b)
    for kind, told, judge in (
        ("blocks", "have the blocks of JPEG in their pixels", lambda traits: traits.blocks),
        ("grey", "are grey in all their channels", lambda traits: traits.grey),
    ):
        which = _set_with(a, b, judge)
        if which and not (kind == "blocks" and resaved):
            yield Leak(kind, f"the images of {which} {told}, and the others have not")
    details = [median(traits.detail for traits in images) for images in (a, b)]
    if min(details) < SOFT * max(details):
        which = "A" if details[0] < details[1] else "B"
        yield Leak("detail", f"the images of {which} lack the finest details, as enlarged or smoothed ones do")


def _of_edges(a: Sequence[Traits], b: Sequence[Traits]) -> Iterator[Leak]:
    """Borders of one colour, each edge by itself: letterbox bars lie at two of them."""
    edges_by_set: dict[str, list[str]] = {}
    for number, edge in enumerate(EDGES):
        which = _set_with(a, b, _flat_at(number))
        if which:
            edges_by_set.setdefault(which, []).append(edge)
    for which, edges in edges_by_set.items():
        place = "around them" if len(edges) == len(EDGES) else f"at the {' and '.join(edges)}"
        yield Leak("border", f"the images of {which} have a border of one colour {place}, and the others have not")


def _flat_at(number: int) -> Callable[[Traits], bool]:
    return lambda traits: traits.edges[number]


def _set_with(a: Sequence[Traits], b: Sequence[Traits], judge: Callable[[Traits], bool]) -> str:
    """`A` or `B`, whose images have a property that the other ones lack; empty where neither does."""
    share, other = (float(np.mean([judge(traits) for traits in images])) for images in (a, b))
    if abs(share - other) < GAP:
        return ""
    return "A" if share > other else "B"


def traits_of(image: Tensor) -> Traits:
    """What the pixels of an image C x H x W tell."""
    return Traits(flat_edges(image), has_blocks(image), is_grey(image), fine_detail(image))


def flat_edges(image: Tensor) -> tuple[bool, ...]:
    """Whether the outermost pixels at each of `EDGES` are all of one colour, and the others are not."""
    values = image.numpy()
    edges = values[:, 0], values[:, -1], values[:, :, 0], values[:, :, -1]
    shown = bool(np.ptp(values, axis=(1, 2)).max() > 0)
    return tuple(shown and bool(np.ptp(edge, axis=1).max() == 0) for edge in edges)


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
