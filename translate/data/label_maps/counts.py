"""Counts the classes in label maps, and says what a training cannot make up for: classes that never occur, and pixels
that belong to none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from translate.contracts import IGNORE
from translate.errors import DataError
from translate.text import examples

Array = np.ndarray[Any, Any]

MUCH = 0.5
"""The share of pixels without a class above which it is said."""


def counted(labels: Array) -> Array:
    """How many pixels of a label map have each of the values 0 to 255."""
    counts: Array = np.bincount(labels.ravel(), minlength=256)[:256]
    return counts


def added(counts: Iterable[Array]) -> Array:
    """The counts of several label maps together."""
    total = np.zeros(256, np.int64)
    for each in counts:
        total += each
    return total


def check_counts(counts: Array, classes: Sequence[str], maps: str) -> None:
    """Errors: DataError where label maps hold one class alone, of several or beside pixels of none: a network that
    learns from them gives every pixel that class. `maps` is what the message calls them.

    Such are masks that were saved empty, and masks of 0 and 255, whose 255 was meant to be a class.
    """
    if sentence := only_class(counts, classes, maps):
        raise DataError(sentence)
    occurring = _occurring(counts, classes)
    if len(occurring) != 1 or not counts[IGNORE]:
        return
    (only,) = occurring
    raise DataError(
        f"{maps} hold one class alone, {classes[only]!r} ({only}), and {_share(counts):.0%} of their pixels belong to "
        f"no class ({IGNORE}, or `ignore`), so that there is nothing to learn. Where {IGNORE} stands for a class, give "
        f"the value of each: `values: {_with_255(len(classes), only)}`"
    )


def only_class(counts: Array, classes: Sequence[str], maps: str) -> str:
    """A sentence where every pixel has one class of several; empty where that is not so."""
    occurring = _occurring(counts, classes)
    if len(occurring) != 1 or len(classes) == 1 or counts[IGNORE]:
        return ""
    (only,) = occurring
    others = examples([repr(name) for index, name in enumerate(classes) if index != only])
    return (
        f"every pixel in {maps} is {classes[only]!r} ({only}) and none {others}, so that there is nothing to learn: "
        "add label maps in which other classes occur, or say how these are read (`values`, `palette` or `alpha: mask` "
        "of the source)"
    )


def remarks(counts: Array, classes: Sequence[str], maps: str) -> Iterator[str]:
    """Sentences on classes that never occur, and on a share of pixels without a class above a half."""
    occurring = _occurring(counts, classes)
    absent = [f"{name!r} ({index})" for index, name in enumerate(classes) if index not in occurring]
    if len(absent) == 1:
        yield f"class {absent[0]} occurs in no label map of {maps}, and is never learned"
    elif absent:
        yield f"{len(absent)} classes occur in no label map of {maps}, and are never learned: {examples(absent)}"
    if _share(counts) > MUCH:
        yield (
            f"{_share(counts):.0%} of the pixels in label maps of {maps} belong to no class ({IGNORE}, or `ignore`), "
            "and do not count in training"
        )


def _occurring(counts: Array, classes: Sequence[str]) -> list[int]:
    return [index for index in range(len(classes)) if counts[index]]


def _share(counts: Array) -> float:
    """The share of pixels that belong to no class."""
    return float(counts[IGNORE] / max(1, counts.sum()))


def _with_255(classes: int, only: int) -> list[int]:
    """Values of which 255 is one, for a message: those of two classes are certain."""
    if classes == 2:
        return [0, IGNORE] if only == 0 else [IGNORE, 1]
    return [*range(classes - 1), IGNORE]
