"""Completes a dataset whose images are written: gives every side one format and range, and writes the index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from translate.contracts import DatasetFacts, Frames, Image, Labels, Side, Sides, Vector
from translate.data.dataset import write_index
from translate.data.label_maps.counts import added, check_counts, remarks
from translate.data.loading.resolution import reduced_by
from translate.data.prepare import Value, threads_for
from translate.data.ranges.fill import LOOKED_AT, fill_remark
from translate.data.ranges.normalise import NormaliseConfig, SideFiles, training_split, with_range
from translate.data.side_files import Format, Place, Written, rewrite, side_formats
from translate.errors import DataError
from translate.text import examples

NO_RANGES: Mapping[str, NormaliseConfig] = {}


@dataclass(frozen=True)
class Prepared:
    """A dataset that is complete on disk.

    `images` by place; `extent` by split: smallest and largest [height, width], each axis on its own; `ranges` are
    sentences on the ranges of values that its sides state, `lacks` on what label
    maps lack, and on values that fill little of their range.
    """

    facts: DatasetFacts
    images: Mapping[Place, Written]
    extent: Mapping[str, list[list[int]]]
    ranges: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()

    def remarks(self) -> Iterator[str]:
        """Sentences on images that were changed so that a side, or the whole dataset, has one format."""
        sides = self.facts.sides
        if transparent := [f"{split}/{side}/{key}" for (split, side, key), w in self.images.items() if w.alpha]:
            yield f"{len(transparent):,} images have transparency, laid over white: {examples(transparent)}"
        for side, most in self.facts.channels.items():
            of_side = [(f"{split}/{key}", w) for (split, other, key), w in self.images.items() if other == side]
            if grey := [name for name, w in of_side if w.channels < most]:
                yield f"side {side} mixes grey and colour; {len(grey):,} grey images became RGB: {examples(grey)}"
        pictures = [(place, written) for place, written in self.images.items() if sides[place[1]].type != "labels"]
        if narrow := [f"{split}/{side}/{key}" for (split, side, key), w in pictures if w.bits < self.facts.bits]:
            yield f"8 and 16 bits are mixed; {len(narrow):,} images became 16 bits: {examples(narrow)}"
        yield from self.lacks


def complete(
    folder: Path,
    promised: DatasetFacts,
    content: Mapping[Place, Written | Value],
    normalise: Mapping[str, NormaliseConfig] = NO_RANGES,
) -> Prepared:
    """Gives every side one format and range, and writes the index, last of all: a folder that has one is complete."""
    images = {place: written for place, written in content.items() if isinstance(written, Written)}
    formats = side_formats(promised.data, images)
    _unify(folder, images, formats, promised.data)
    keys: dict[str, dict[str, list[str]]] = {}
    counts: dict[str, dict[str, int]] = {}
    extent: dict[str, list[list[int]]] = {}
    for split in promised.splits:
        keys[split] = {side: _keys(content, split, side) for side in promised.data}
        counts[split] = {side: len(of_side) for side, of_side in keys[split].items()}
        of_split = [size for place, size in _sizes(images, promised.data) if place[0] == split]
        heights, widths = zip(*of_split, strict=True)
        extent[split] = [[min(heights), min(widths)], [max(heights), max(widths)]]
    sizes = {size for _, size in _sizes(images, promised.data)}
    bits = [8 * np.dtype(form.dtype).itemsize for form in formats.values() if form.is_plain]
    types = _types(promised.data, formats, content)
    label_remarks = list(_look_at_labels(promised, images))
    sentences: list[str] = []
    fills: list[str] = []
    for side, form in formats.items():
        files = _training_files(folder, promised, side, form, keys)
        if files is not None and (side in normalise or form.dtype == "float32"):
            types[side], said = with_range(files, normalise.get(side), threads_for(None))
            sentences += said
        if files is not None:
            fills += _fill(files, types.get(side))
    facts = replace(
        promised,
        types=types,
        channels={side: form.channels for side, form in formats.items()},
        counts=counts,
        size=sizes.pop() if len(sizes) == 1 else None,
        bits=max(bits, default=8),
    )
    write_index(folder, facts.to_json(), keys, extent, _values(content))
    return Prepared(facts, images, extent, tuple(sentences), (*label_remarks, *fills))


def _sizes(images: Mapping[Place, Written], data: Sides) -> Iterator[tuple[Place, tuple[int, int]]]:
    """(height, width) of every image, but for those of low resolution beside high."""
    for place, written in images.items():
        if reduced_by(data[place[1]]) == 1:
            yield place, (written.height, written.width)


def _look_at_labels(facts: DatasetFacts, images: Mapping[Place, Written]) -> Iterator[str]:
    """Sentences on the training label maps. Errors: DataError where there is nothing to learn from them."""
    split = training_split(facts.splits)
    for name, side in facts.sides.items():
        if isinstance(side, Labels):
            counts = added(
                written.counts
                for place, written in images.items()
                if place[:2] == (split, name) and written.counts is not None
            )
            check_counts(counts, side.classes, f"the label maps of {split}")
            yield from remarks(counts, side.classes, split)


def _fill(files: SideFiles, side: Side | None) -> Iterator[str]:
    """A sentence where the values of a side's training images fill little of its range."""
    keys = files.keys[:: max(1, len(files.keys) // LOOKED_AT)][:LOOKED_AT]
    some = replace(files, keys=keys)
    ranges = side.range if isinstance(side, Image | Frames) else ()
    if remark := fill_remark(files.name, some.images(threads_for(None)), ranges or None):
        yield remark


def _training_files(
    folder: Path, promised: DatasetFacts, name: str, form: Format, keys: Mapping[str, Mapping[str, list[str]]]
) -> SideFiles | None:
    """The training images of a side; None for label maps."""
    side = promised.data[name]
    if not isinstance(side, Image | Frames):
        return None
    split = training_split(promised.splits)
    typed = replace(side, channels=form.channels, dtype=form.dtype)
    return SideFiles(name, typed, folder / split / name, split, keys[split][name])


def _types(data: Sides, formats: Mapping[str, Format], content: Mapping[Place, Written | Value]) -> dict[str, Side]:
    """The types of sides of which the declaration and the bits of the dataset do not tell all."""
    types: dict[str, Side] = {}
    # Of usual pictures the bits of the dataset tell the type; beside other images theirs is stated, too.
    usual = all(form.is_plain for form in formats.values())
    for name, side in data.types.items():
        form = formats.get(name)
        if form and (isinstance(side, Frames) or (isinstance(side, Image) and not usual)):
            types[name] = replace(side, channels=form.channels, dtype=form.dtype)
        elif isinstance(side, Vector) and side.size is None:
            vectors = [entry.value for place, entry in content.items() if place[1] == name and isinstance(entry, Value)]
            types[name] = replace(side, size=_common_size(name, vectors))
    return types


def _common_size(side: str, vectors: Sequence[Any]) -> int:
    sizes = sorted({len(vector) for vector in vectors})
    if len(sizes) != 1:
        raise DataError(f"side {side!r} has vectors of {sizes[0]} to {sizes[-1]} numbers; all need as many")
    return sizes[0]


def _values(content: Mapping[Place, Written | Value]) -> dict[str, dict[str, dict[str, Any]]]:
    """Classes and vectors by split, side and key."""
    values: dict[str, dict[str, dict[str, Any]]] = {}
    for (split, side, key), entry in content.items():
        if isinstance(entry, Value):
            values.setdefault(split, {}).setdefault(side, {})[key] = entry.value
    return values


def _unify(folder: Path, images: Mapping[Place, Written], formats: Mapping[str, Format], data: Sides) -> None:
    """Rewrites the images that have fewer channels or bits than their side has."""
    for (split, side, key), written in images.items():
        form = formats.get(side)
        if form is not None and (written.channels != form.channels or written.dtype != form.dtype):
            rewrite(folder / split / side, key, data[side], written, form)


def _keys(content: Iterable[Place], split: str, side: str) -> list[str]:
    return sorted(key for in_split, of_side, key in content if (in_split, of_side) == (split, side))
