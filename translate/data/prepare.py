"""Prepares a dataset: reads the records of a source, transforms them, and writes image files and their index."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from translate.contracts import (
    Class,
    Console,
    DatasetFacts,
    Frames,
    Image,
    Labels,
    Record,
    Side,
    Sides,
    Source,
    SourceFacts,
    Transform,
    Vector,
)
from translate.contracts.sides import side_in_words
from translate.data import labels
from translate.data.dataset import write_index
from translate.data.frames import joined_frames, split_frames
from translate.data.side_files import (
    Format,
    Place,
    Written,
    as_written,
    dtype_of,
    rewrite,
    side_formats,
    write_side,
    written_files,
)
from translate.data.side_values import checked_value
from translate.data.sources.listing import matched
from translate.data.transforms import apply
from translate.errors import DataError
from translate.imaging.pixels import over_white
from translate.seeding import derive
from translate.storage.file_names import refused_name
from translate.text import examples
from translate.threads import ordered_map

Array = np.ndarray[Any, Any]

_ENOUGH = 100
"""Failures after which the rest is not tried: by then it is not about single images."""

Group = Mapping[str, Record]
"""The records of one key that are read together, by side: all sides of joined data, or one side."""


@dataclass(frozen=True)
class Job:
    """The records to write under one key of a split."""

    split: str
    key: str
    group: Group


@dataclass(frozen=True)
class Value:
    """A class, by its index, or the numbers of a vector: they are kept in the index of the dataset."""

    value: int | list[float]


@dataclass(frozen=True)
class Prepared:
    """A dataset that is complete on disk.

    `images` by place; `extent` by split: smallest and largest [height, width], each axis on its own.
    """

    facts: DatasetFacts
    images: Mapping[Place, Written]
    extent: Mapping[str, list[list[int]]]

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


def jobs_of(source: Source[Any], facts: SourceFacts, split: str, *, swap: bool) -> list[Job]:
    """The work of a split, sorted by key; `swap` exchanges the two sides. Errors: DataError.

    Sides that belong together have one job a key, others one an image. Optional sides may lack keys, but not have more.
    """
    sides = facts.data
    new_side = dict(zip(sides, reversed(list(sides)), strict=True)) if swap else {}
    records: dict[str, dict[str, Record]] = {side: {} for side in sides}
    for record in source.records(split):
        _check_key(record.key)
        side = new_side.get(record.side, record.side)
        if side not in records:
            raise DataError(f"{record.origin}: is of side {side!r}, and the source has {', '.join(sides)}")
        if record.key in records[side]:
            raise DataError(f"{record.origin}: split {split!r} has two images of the name {record.key!r}")
        records[side][record.key] = record
    if empty := [side for side in sides if not records[side] and not sides[side].optional]:
        raise DataError(f"split {split!r} has no images on side {', '.join(empty)}")
    if split in facts.pairs:
        _check_partners(split, sides, [side for side in sides if sides[side].type != "class"], records)
    jobs: list[Job] = []
    for group in sides.groups:
        _check_partners(split, sides, group, records)
        first = min(group, key=lambda side: sides[side].optional)
        for key in sorted(records[first]):
            jobs.append(Job(split, key, {side: records[side][key] for side in group if key in records[side]}))
    return jobs


def _check_partners(
    split: str, sides: Sides, group: Sequence[str], records: Mapping[str, Mapping[str, Record]]
) -> None:
    """Errors: DataError where sides that belong together differ in keys, or an optional one has a key of its own."""
    first, *others = sorted(group, key=lambda side: sides[side].optional)
    for side in others:
        if not sides[side].optional:
            matched(records[first], records[side], [f"{split}/{first}", f"{split}/{side}"], skip=False)
        elif alone := sorted(set(records[side]) - set(records[first])):
            origin = records[side][alone[0]].origin
            raise DataError(f"{origin}: {split}/{side} has {alone[0]!r}, and {split}/{first} has no image of that name")


def write_images(
    folder: Path,
    jobs: Sequence[Job],
    facts: SourceFacts,
    chain: Sequence[Transform[Any]],
    *,
    seed: int,
    workers: int | None,
    console: Console,
) -> dict[Place, Written | Value]:
    """Writes the images that are not there yet, in threads; the result is in the order of the jobs.

    The first few failures are collected, so that one run shows them all. Errors: DataError naming what failed.
    """
    total = sum(len(job.group) for job in jobs)
    images: dict[Place, Written | Value] = {}
    failures: list[str] = []

    def work(job: Job) -> tuple[Job, dict[str, Written | Value] | DataError]:
        try:
            return job, _prepare(folder / job.split, job, chain, derive(seed, job.split, job.key), facts)
        except DataError as error:
            return job, error

    threads = workers or min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool, console.progress("preprocess", total) as progress:
        for job, outcome in ordered_map(pool, work, jobs, 4 * threads):
            progress.advance(len(job.group))
            if isinstance(outcome, DataError):
                failures.append(str(outcome))
                if len(failures) >= _ENOUGH:
                    break
            else:
                images |= {(job.split, side, job.key): written for side, written in outcome.items()}
    if failures:
        listed = "\n  ".join(failures[:5])
        more = f"\n  and {len(failures) - 5} more" if len(failures) > 5 else ""
        raise DataError(f"{len(failures)} of {total:,} images cannot be used:\n  {listed}{more}")
    return images


def complete(folder: Path, promised: DatasetFacts, content: Mapping[Place, Written | Value]) -> Prepared:
    """Gives every side one format, and writes the index, last of all: a folder that has one is complete."""
    images = {place: written for place, written in content.items() if isinstance(written, Written)}
    formats = side_formats(promised.data, images)
    _unify(folder, images, formats, promised.data)
    keys: dict[str, dict[str, list[str]]] = {}
    counts: dict[str, dict[str, int]] = {}
    extent: dict[str, list[list[int]]] = {}
    for split in promised.splits:
        keys[split] = {side: _keys(content, split, side) for side in promised.data}
        counts[split] = {side: len(of_side) for side, of_side in keys[split].items()}
        heights = [written.height for place, written in images.items() if place[0] == split]
        widths = [written.width for place, written in images.items() if place[0] == split]
        extent[split] = [[min(heights), min(widths)], [max(heights), max(widths)]]
    sizes = {(written.height, written.width) for written in images.values()}
    bits = [8 * np.dtype(form.dtype).itemsize for form in formats.values() if form.is_plain]
    facts = replace(
        promised,
        types=_types(promised.data, formats, content),
        channels={side: form.channels for side, form in formats.items()},
        counts=counts,
        size=sizes.pop() if len(sizes) == 1 else None,
        bits=max(bits, default=8),
    )
    write_index(folder, facts.to_json(), keys, extent, _values(content))
    return Prepared(facts, images, extent)


def _types(data: Sides, formats: Mapping[str, Format], content: Mapping[Place, Written | Value]) -> dict[str, Side]:
    """The types of sides of which the declaration and the bits of the dataset do not tell all."""
    types: dict[str, Side] = {}
    for name, side in data.types.items():
        form = formats.get(name)
        if (isinstance(side, Frames) and form) or (isinstance(side, Image) and form and not form.is_plain):
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


def _prepare(
    folder: Path, job: Job, chain: Iterable[Transform[Any]], seed: int, facts: SourceFacts
) -> dict[str, Written | Value]:
    """Reads, transforms and writes the images of one key, unless an earlier start did. Errors: DataError."""
    types = {side: facts.data[side] for side in job.group}
    outcome: dict[str, Written | Value] = {}
    for side, record in job.group.items():
        if isinstance(types[side], Class | Vector):
            outcome[side] = Value(checked_value(types[side], record))
    pictures = {side: record for side, record in job.group.items() if side not in outcome}
    files = {side: written_files(folder / side, types[side], job.key) for side in pictures}
    if all(files.values()):
        return {**{side: as_written(files[side][0], types[side]) for side in pictures}, **outcome}
    arrays = _loaded(pictures, types, facts)
    flat = {side: _for_transforms(array, types[side]) for side, array in arrays.items()}
    try:
        flat = joined_frames(apply(list(chain), split_frames(flat), seed), types)
    except DataError as error:
        raise DataError(f"{next(iter(job.group.values())).origin}: {error}") from None
    for side, array in flat.items():
        write_side(folder / side, job.key, types[side], array, facts.palette)
        height, width = array.shape[-3:-1] if array.ndim > 2 else array.shape
        channels = array.shape[-1] if array.ndim > 2 else 1
        alpha = array.ndim == 3 and arrays[side].shape[-1] in (2, 4) and channels != arrays[side].shape[-1]
        outcome[side] = Written(height, width, channels, dtype_of(array), alpha)
    return outcome


def _loaded(records: Mapping[str, Record], types: Mapping[str, Side], facts: SourceFacts) -> dict[str, Array]:
    """The pictures of one key as their source has them, all of one size. Errors: DataError."""
    arrays = {side: record.load() for side, record in records.items()}
    for side, array in arrays.items():
        kind, origin = types[side], records[side].origin
        axes = 4 if isinstance(kind, Frames) else 3
        if not isinstance(array, np.ndarray) or array.ndim != axes:
            raise DataError(
                f"{origin}: side {side!r} is {side_in_words(kind)}, and the source gave {_described(array)}"
            )
        if isinstance(kind, Frames) and len(array) != kind.count:
            raise DataError(f"{origin}: side {side!r} has {kind.count} frames, and these are {len(array)}")
        if isinstance(kind, Labels):
            labels.check(array, len(kind.classes or facts.classes), origin)
    if len({array.shape[-3:-1] for array in arrays.values()}) > 1:
        sizes = [f"{records[side].origin} ({a.shape[-2]} x {a.shape[-3]})" for side, a in arrays.items()]
        raise DataError(f"a pair of two sizes: {' and '.join(sizes)}")
    return arrays


def _described(value: Any) -> str:
    return f"an array of {value.ndim} axes" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def _for_transforms(array: Array, side: Side) -> Array:
    """A label map H x W; an image without transparency."""
    if isinstance(side, Labels):
        return array[..., 0]
    if array.ndim != 3 or array.shape[2] not in (2, 4):
        return array
    return over_white(array[..., :-1], array[..., -1])


def _check_key(key: str) -> None:
    """Errors: DataError for a key that would leave the dataset's folder."""
    parts = PurePosixPath(key).parts
    if not parts or key.startswith("/") or ".." in parts or "\\" in key or "\0" in key:
        raise DataError(f"{key!r} cannot name an image of a dataset: keys are relative paths")
    if part := refused_name(f"{key}.png"):
        raise DataError(f"{key!r} cannot name an image of a dataset: this system cannot store the name {part!r}")


def _unify(folder: Path, images: Mapping[Place, Written], formats: Mapping[str, Format], data: Sides) -> None:
    """Rewrites the images that have fewer channels or bits than their side has."""
    for (split, side, key), written in images.items():
        form = formats.get(side)
        if form is not None and (written.channels != form.channels or written.dtype != form.dtype):
            rewrite(folder / split / side, key, data[side], written, form)


def _keys(content: Iterable[Place], split: str, side: str) -> list[str]:
    return sorted(key for in_split, of_side, key in content if (in_split, of_side) == (split, side))
