"""Prepares a dataset: reads the records of a source, transforms them, and writes image files and their index."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from translate.contracts import (
    Class,
    Console,
    Labels,
    Record,
    Side,
    Sides,
    Source,
    SourceFacts,
    Transform,
    Vector,
)
from translate.data.frames import joined_frames, split_frames
from translate.data.label_maps.counts import counted
from translate.data.loading.resolution import reduced, reduced_by, repeated
from translate.data.scenes.bands import Band, bands_of
from translate.data.scenes.files import open_scenes
from translate.data.scenes.pictures import Group, check_loaded, check_sizes, for_transforms, size_of
from translate.data.side_files import (
    Place,
    Written,
    as_written,
    dtype_of,
    write_side,
    written_files,
)
from translate.data.side_values import checked_value
from translate.data.tiles import windows
from translate.data.transforms import apply
from translate.errors import DataError, UnwritableError
from translate.seeding import derive
from translate.storage.file_names import refused_name
from translate.storage.plain_text import composed
from translate.text import examples
from translate.threads import ordered_map

Array = np.ndarray[Any, Any]

_ENOUGH = 100
"""Failures after which the rest is not tried: by then it is not about single images."""


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


Chain = Sequence[Transform[Any]]
Outcome = dict[tuple[str, str], Written | Value]
"""The images that were written, and the values, by key and side."""


def jobs_of(source: Source[Any], facts: SourceFacts, split: str, *, swap: bool) -> list[Job]:
    """The work of a split, sorted by key; `swap` exchanges the two sides. Errors: DataError.

    Sides that belong together have one job a key, others one an image. Optional sides may lack keys, but not have more.
    """
    sides = facts.data
    new_side = dict(zip(sides, reversed(list(sides)), strict=True)) if swap else {}
    records: dict[str, dict[str, Record]] = {side: {} for side in sides}
    for as_given in source.records(split):
        record = replace(as_given, key=composed(as_given.key))
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
            _check_same_keys({f"{split}/{first}": records[first], f"{split}/{side}": records[side]})
        elif alone := sorted(set(records[side]) - set(records[first])):
            origin = records[side][alone[0]].origin
            raise DataError(f"{origin}: {split}/{side} has {alone[0]!r}, and {split}/{first} has no image of that name")


def _check_same_keys(records: Mapping[str, Mapping[str, Record]]) -> None:
    """Errors: DataError where one of two sides, which are called as the mapping says, has a key of its own."""
    (one, a), (two, b) = records.items()
    partnerless = []
    for name, alone in ((one, sorted({*a} - {*b})), (two, sorted({*b} - {*a}))):
        if alone:
            partnerless.append(f"{len(alone)} only in {name} ({examples(alone)})")
    if partnerless:
        raise DataError(f"images that have no partner of the same name: {'; '.join(partnerless)}")


def write_images(
    folder: Path,
    jobs: Sequence[Job],
    facts: SourceFacts,
    chain: Sequence[Transform[Any]],
    *,
    seed: int,
    workers: int | None,
    console: Console,
    tile: int = 0,
) -> dict[Place, Written | Value]:
    """Writes the images that are not there yet, in threads; the result is in the order of the jobs. Where `tile` is not
    0, larger images are cut into squares of so many pixels.

    The first few failures are collected, so that one run shows them all. Errors: DataError naming what failed.
    """
    total = sum(len(job.group) for job in jobs)
    images: dict[Place, Written | Value] = {}
    failures: list[str] = []

    def work(job: Job) -> tuple[Job, Outcome | DataError]:
        try:
            return job, _prepare(folder / job.split, job, chain, derive(seed, job.split, job.key), facts, tile)
        except DataError as error:
            return job, error

    threads = threads_for(workers)
    with ThreadPoolExecutor(threads) as pool, console.progress("preprocess", total) as progress:
        for job, outcome in ordered_map(pool, work, jobs, 4 * threads):
            progress.advance(len(job.group))
            if isinstance(outcome, UnwritableError):  # no fault of the image: the next one would fare no better
                raise outcome
            if isinstance(outcome, DataError):
                failures.append(str(outcome))
                if len(failures) >= _ENOUGH:
                    break
            else:
                images |= {(job.split, side, key): written for (key, side), written in outcome.items()}
    if failures:
        listed = "\n  ".join(failures[:5])
        more = f"\n  and {len(failures) - 5} more" if len(failures) > 5 else ""
        raise DataError(f"{len(failures)} of {total:,} images cannot be used:\n  {listed}{more}")
    return images


def threads_for(workers: int | None) -> int:
    """How many threads decode and write where `workers` are asked for; None: by the cores."""
    return workers or min(8, os.cpu_count() or 1)


def _prepare(folder: Path, job: Job, chain: Chain, seed: int, facts: SourceFacts, tile: int) -> Outcome:
    """Reads, transforms and writes the images of one key, unless an earlier start did; cut into squares of `tile`
    pixels, where that is not 0. Errors: DataError."""
    types = {side: facts.data[side] for side in job.group}
    values: dict[str, Value] = {}
    for side, record in job.group.items():
        if isinstance(types[side], Class | Vector):
            values[side] = Value(checked_value(types[side], record))
    pictures = {side: record for side, record in job.group.items() if side not in values}
    files = {side: written_files(folder / side, types[side], job.key) for side in pictures}
    if not tile and all(files.values()):
        of_files: Outcome = {(job.key, side): as_written(files[side][0], types[side]) for side in pictures}
        return of_files | {(job.key, side): value for side, value in values.items()}
    outcome: Outcome = {}
    step = max(reduced_by(types[side]) for side in pictures)
    with ExitStack() as stack:
        # Rows of low resolution beside high ones, and what a transform makes of a band, are those of the whole alone.
        scenes = open_scenes(pictures, stack) if tile and not chain and step == 1 else {}
        if scenes:
            bands = bands_of(scenes, job.key, types, pictures, facts, tile)
        else:
            arrays = _loaded(pictures, types, facts)
            plain = {side: for_transforms(array, types[side]) for side, array in arrays.items()}
            flat = {side: repeated(array, reduced_by(types[side])) for side, array in plain.items()}
            flat = _transformed(flat, pictures, types, chain, seed)
            tiles = list(windows(job.key, size_of(next(iter(flat.values()))), tile, step))
            bands = iter([Band(tiles, arrays, flat)])
        for band in bands:
            for key, window in band.tiles:
                outcome |= {(key, side): value for side, value in values.items()}
                for side, whole in band.flat.items():
                    array = whole[window] if whole.ndim < 4 else whole[:, *window]
                    array = _reduced(array, types[side], pictures[side].origin)
                    write_side(folder / side, key, types[side], array, facts.palette)
                    outcome[key, side] = _as_written(array, band.arrays[side], types[side])
    return outcome


def _reduced(array: Array, side: Side, origin: str) -> Array:
    """An image in its own size again, after the transforms. Errors: DataError."""
    try:
        return reduced(array, reduced_by(side))
    except DataError as error:
        raise DataError(f"{origin}: {error}") from None


def _as_written(array: Array, loaded: Array, side: Side) -> Written:
    """What is known of an image or a tile, after the transforms, of one that was loaded."""
    channels = array.shape[-1] if array.ndim > 2 else 1
    alpha = array.ndim == 3 and loaded.shape[-1] in (2, 4) and channels != loaded.shape[-1]
    counts = counted(array) if isinstance(side, Labels) else None
    return Written(*size_of(array), channels, dtype_of(array), alpha, counts)


def _loaded(records: Mapping[str, Record], types: Mapping[str, Side], facts: SourceFacts) -> dict[str, Array]:
    """The pictures of one key as their source has them. Errors: DataError."""
    arrays = {side: record.load() for side, record in records.items()}
    check_loaded(arrays, records, types, facts)
    return arrays


def _transformed(
    images: Mapping[str, Array], records: Mapping[str, Record], types: Mapping[str, Side], chain: Chain, seed: int
) -> dict[str, Array]:
    """The pictures of one key after the transforms, which have to leave them of one size. Errors: DataError."""
    sizes = {size_of(image) for image in images.values()}
    # What is of one size gets one geometry; what is not, each its own, and `resize` makes it equal.
    parts = [images] if len(sizes) == 1 else [{side: image} for side, image in images.items()]
    outcome: dict[str, Array] = {}
    for part in parts:
        try:
            outcome |= joined_frames(apply(chain, split_frames(part), seed), {side: types[side] for side in part})
        except DataError as error:
            raise DataError(f"{records[next(iter(part))].origin}: {error}") from None
    after = {side: size_of(image) for side, image in outcome.items()}
    before = {side: size_of(image) for side, image in images.items()}
    check_sizes(before, after if chain else {}, records, types)
    return outcome


def _check_key(key: str) -> None:
    """Errors: DataError for a key that would leave the dataset's folder."""
    parts = PurePosixPath(key).parts
    if not parts or key.startswith("/") or ".." in parts or "\\" in key or "\0" in key:
        raise DataError(f"{key!r} cannot name an image of a dataset: keys are relative paths")
    if part := refused_name(f"{key}.png"):
        raise DataError(f"{key!r} cannot name an image of a dataset: this system cannot store the name {part!r}")
