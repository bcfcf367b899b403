"""Finds out how label maps are to be read: as they are, or by the values, colours or transparency that are in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from translate.contracts import IGNORE
from translate.imaging.decode import read
from translate.imaging.image import Image, NoIndicesError

LOOKED = 60
"""So many label maps are read to find their classes."""
MOST_CLASSES = 64
"""More values, or colours, than this in what could be label maps, and they are taken for pictures."""
_NEAR = 48
"""Lossy masks of two values lie within this of 0 and 255, but for one pixel in twenty."""


@dataclass(frozen=True)
class Coding:
    """The `options` of a source that reads label maps, how many `classes` there are, and remarks for comments."""

    classes: int
    options: Mapping[str, Any] = field(default_factory=dict)
    about: tuple[str, ...] = ()


class NoLabelMapsError(Exception):
    """Images cannot be label maps; the message says why."""


def coding_of(files: Sequence[Path]) -> Coding:
    """How some label maps of a folder are read. Errors: NoLabelMapsError, DataError."""
    chosen = files[:: max(1, len(files) // LOOKED)]
    try:
        stored = [read(path, indices=True).pixels[..., 0] for path in chosen]
    except NoIndicesError:
        return _of_images([read(path) for path in chosen], chosen)
    return _of_values(_values(stored), chosen[0].parent)


def could_be_labels(path: Path) -> bool:
    """Whether an image holds so few values, or colours, that it may be a label map. Errors: DataError."""
    try:
        coding_of([path])
    except NoLabelMapsError:
        return False
    return True


def _values(arrays: Sequence[np.ndarray[Any, Any]]) -> list[int]:
    """The values that occur, sorted, except for fractions. Errors: NoLabelMapsError."""
    values: set[float] = set()
    for array in arrays:
        values |= {*np.unique(array).tolist()}
        if len(values) > 4 * MOST_CLASSES:
            break
    if any(value != int(value) for value in values):
        raise NoLabelMapsError("the label maps hold fractions")
    return sorted(int(value) for value in values)


def _of_values(values: Sequence[int], place: Path) -> Coding:
    classes = [value for value in values if value != IGNORE]
    most = max(classes, default=0)
    if min(values) >= 0 and 1 <= most < MOST_CLASSES and len(classes) > 1:
        return Coding(most + 1)
    if 2 <= len(values) <= MOST_CLASSES // 4:
        about = f"The label maps hold {', '.join(map(str, values))}: one class each."
        return Coding(len(values), {"values": list(values)}, (about,))
    raise NoLabelMapsError(f"the values in {place} go up to {max(values)}: pictures, not numbers of classes")


def _of_images(images: Sequence[Image], files: Sequence[Path]) -> Coding:
    """Label maps that are no indices: colours, transparency, one bit, JPEG, other formats."""
    place = files[0].parent
    with_alpha = [image for image in images if image.alpha is not None]
    options: dict[str, Any] = {}
    if with_alpha:
        opaque = all((image.alpha == image.alpha.max()).all() for image in with_alpha if image.alpha is not None)
        plain = all(len(_colours(image)) == 1 for image in images)
        if not opaque and plain and len(with_alpha) == len(images):
            values = _values([image.alpha for image in images if image.alpha is not None])
            return Coding(len(values), {"alpha": "mask", "values": values}, ("The classes are in the transparency.",))
        options["alpha"] = "drop" if opaque else "no-class"
    if all(image.mode == "bilevel" for image in images):
        return Coding(2, {"values": [0, 1]}, ("The label maps have 1 bit: black is the first class.",))
    if all(image.pixels.shape[2] == 1 for image in images):
        try:
            coding = _of_values(_values([image.pixels for image in images]), place)
        except NoLabelMapsError:
            if not _two_valued(images):
                raise
            about = "The masks are not exactly 0 and 255: the nearest of both is taken."
            return Coding(2, {**options, "values": [0, IGNORE], "tolerance": 127}, (about,))
        return Coding(coding.classes, {**options, **coding.options}, coding.about)
    colours: set[tuple[int, ...]] = set()
    for image in images:
        colours |= _colours(image)
        if len(colours) > MOST_CLASSES or image.pixels.dtype != np.uint8:
            raise NoLabelMapsError(f"the images in {place} have too many colours for label maps")
    ordered = sorted(colours)
    if len(ordered) < 2:
        raise NoLabelMapsError(f"the images in {place} have one colour alone")
    about = "The label maps are in colour: a class for each; what is none belongs under `ignore: [R, G, B]`."
    return Coding(len(ordered), {**options, "palette": [list(colour) for colour in ordered]}, (about,))


def _two_valued(images: Sequence[Image]) -> bool:
    """Whether grey images are masks that a lossy format has blurred."""
    for image in images:
        pixels = image.pixels
        if pixels.dtype != np.uint8 or ((pixels > _NEAR) & (pixels < IGNORE - _NEAR)).mean() > 0.05:
            return False
    return True


def _colours(image: Image) -> set[tuple[int, ...]]:
    """The colours of an image, if they are few; else more than label maps have."""
    pixels = image.pixels
    wide = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    colours = np.unique(wide.reshape(-1, wide.shape[2])[:: max(1, wide.size // (1 << 20))], axis=0)
    if len(colours) <= MOST_CLASSES:
        colours = np.unique(wide.reshape(-1, wide.shape[2]), axis=0)
    return {tuple(colour) for colour in colours.tolist()}
