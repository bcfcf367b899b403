"""Prepares a dataset: reads the records of a source, transforms them, and writes PNG files and their index."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from translate.contracts import (
    JOINED,
    SIDES,
    Console,
    DatasetFacts,
    Record,
    Source,
    SourceFacts,
    Transform,
)
from translate.data import labels
from translate.data.dataset import write_index
from translate.data.sources.listing import matched
from translate.data.transforms import apply
from translate.errors import DataError
from translate.imaging.io import Image, probe, read, write
from translate.imaging.palette import full_palette
from translate.imaging.pixels import match, over_white
from translate.seeding import derive
from translate.storage.file_names import refused_name
from translate.text import examples
from translate.threads import ordered_map

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_ENOUGH = 100
"""Failures after which the rest is not tried: by then it is not about single images."""

Group = Mapping[str, Record]
"""The records of one key that are read together, by side: all sides of joined data, or one side."""

Place = tuple[str, str, str]
"""Split, side and key of an image."""


@dataclass(frozen=True)
class Job:
    """The records to write under one key of a split."""

    split: str
    key: str
    group: Group


@dataclass(frozen=True)
class Written:
    """One image as it was written: its size in pixels, channels, bits per channel, and whether it had transparency."""

    height: int
    width: int
    channels: int
    bits: int
    alpha: bool


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
        bits, channels = self.facts.bits, self.facts.channels
        if transparent := [f"{split}/{side}/{key}" for (split, side, key), w in self.images.items() if w.alpha]:
            yield f"{len(transparent):,} images have transparency, laid over white: {examples(transparent)}"
        for side, most in channels.items():
            of_side = [(f"{split}/{key}", w) for (split, other, key), w in self.images.items() if other == side]
            if grey := [name for name, w in of_side if w.channels < most]:
                yield f"side {side} mixes grey and colour; {len(grey):,} grey images became RGB: {examples(grey)}"
        pictures = [(place, written) for place, written in self.images.items() if place[1] != "label"]
        if narrow := [f"{split}/{side}/{key}" for (split, side, key), w in pictures if w.bits < bits]:
            yield f"8 and 16 bits are mixed; {len(narrow):,} images became 16 bits: {examples(narrow)}"


def jobs_of(source: Source[Any], facts: SourceFacts, split: str, *, swap: bool) -> list[Job]:
    """The work of a split, sorted by key; `swap` exchanges the two sides. Errors: DataError.

    Data whose sides belong together has one job a key, other data one an image.
    """
    sides = SIDES[facts.kind]
    new_side = dict(zip(sides, reversed(sides), strict=True)) if swap else {}
    records: dict[str, dict[str, Record]] = {side: {} for side in sides}
    for record in source.records(split):
        _check_key(record.key)
        of_side = records[new_side.get(record.side, record.side)]
        if record.key in of_side:
            raise DataError(f"{record.origin}: split {split!r} has two images of the name {record.key!r}")
        of_side[record.key] = record
    if empty := [side for side in sides if not records[side]]:
        raise DataError(f"split {split!r} has no images on side {', '.join(empty)}")
    first = sides[0]
    if facts.kind in JOINED or split in facts.pairs:
        for side in sides[1:]:
            matched(records[first], records[side], [f"{split}/{first}", f"{split}/{side}"], skip=False)
    jobs: list[Job] = []
    if facts.kind in JOINED:
        for key in sorted(records[first]):
            jobs.append(Job(split, key, {side: records[side][key] for side in sides}))
        return jobs
    for side in sides:
        jobs += [Job(split, key, {side: record}) for key, record in sorted(records[side].items())]
    return jobs


def write_images(
    folder: Path,
    jobs: Sequence[Job],
    facts: SourceFacts,
    chain: Sequence[Transform[Any]],
    *,
    seed: int,
    workers: int | None,
    console: Console,
) -> dict[Place, Written]:
    """Writes the images that are not there yet, in threads; the result is in the order of the jobs.

    The first few failures are collected, so that one run shows them all. Errors: DataError naming what failed.
    """
    total = sum(len(job.group) for job in jobs)
    images: dict[Place, Written] = {}
    failures: list[str] = []

    def work(job: Job) -> tuple[Job, dict[str, Written] | DataError]:
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


def complete(folder: Path, promised: DatasetFacts, images: Mapping[Place, Written]) -> Prepared:
    """Gives every side one format, and writes the index, last of all: a folder that has one is complete."""
    channels: dict[str, int] = {}
    for (_, side, _), written in images.items():
        channels[side] = max(channels.get(side, 1), written.channels)
    bits = max(written.bits for (_, side, _), written in images.items() if side != "label")
    _unify(folder, images, channels, bits)
    keys: dict[str, dict[str, list[str]]] = {}
    counts: dict[str, dict[str, int]] = {}
    extent: dict[str, list[list[int]]] = {}
    for split in promised.splits:
        keys[split] = {side: _keys(images, split, side) for side in SIDES[promised.kind]}
        counts[split] = {side: len(of_side) for side, of_side in keys[split].items()}
        heights = [written.height for place, written in images.items() if place[0] == split]
        widths = [written.width for place, written in images.items() if place[0] == split]
        extent[split] = [[min(heights), min(widths)], [max(heights), max(widths)]]
    sizes = {(written.height, written.width) for written in images.values()}
    facts = replace(
        promised,
        channels=channels,
        counts=counts,
        size=sizes.pop() if len(sizes) == 1 else None,
        bits=bits,
    )
    write_index(folder, facts.to_json(), keys, extent)
    return Prepared(facts, images, extent)


def _prepare(
    folder: Path, job: Job, chain: Iterable[Transform[Any]], seed: int, facts: SourceFacts
) -> dict[str, Written]:
    """Reads, transforms and writes the images of one key, unless an earlier start did. Errors: DataError."""
    paths = {side: folder / side / f"{job.key}.png" for side in job.group}
    if all(path.is_file() for path in paths.values()):
        return {side: _as_written(path, side) for side, path in paths.items()}
    arrays = {side: record.load() for side, record in job.group.items()}
    if "label" in arrays:
        labels.check(arrays["label"], len(facts.classes), job.group["label"].origin)
    if len({array.shape[:2] for array in arrays.values()}) > 1:
        sizes = [f"{job.group[side].origin} ({a.shape[1]} x {a.shape[0]})" for side, a in arrays.items()]
        raise DataError(f"a pair of two sizes: {' and '.join(sizes)}")
    opaque = {side: _opaque(array) for side, array in arrays.items()}
    flat = {side: array[..., 0] if side == "label" else array for side, array in opaque.items()}
    try:
        flat = apply(list(chain), flat, seed)
    except DataError as error:
        raise DataError(f"{next(iter(job.group.values())).origin}: {error}") from None
    images = {}
    for side, array in flat.items():
        ready = array[..., None] if array.ndim == 2 else array
        paths[side].parent.mkdir(parents=True, exist_ok=True)
        palette = full_palette(facts.palette) if side == "label" else ()
        write(paths[side], Image(ready, palette=palette), compression=1)
        height, width, channels = ready.shape
        alpha = arrays[side].shape[2] in (2, 4)
        images[side] = Written(height, width, channels, 8 * ready.dtype.itemsize, alpha)
    return images


def _as_written(path: Path, side: str) -> Written:
    """An image that an earlier start left, by its header."""
    header = probe(path)
    # a label map is a palette image: three channels to look at, one of classes
    channels = 1 if side == "label" else header.channels
    return Written(header.height, header.width, channels, header.bits, False)


def _opaque(array: Array) -> Array:
    return over_white(array[..., :-1], array[..., -1]) if array.shape[2] in (2, 4) else array


def _check_key(key: str) -> None:
    """Errors: DataError for a key that would leave the dataset's folder."""
    parts = PurePosixPath(key).parts
    if not parts or key.startswith("/") or ".." in parts or "\\" in key or "\0" in key:
        raise DataError(f"{key!r} cannot name an image of a dataset: keys are relative paths")
    if part := refused_name(f"{key}.png"):
        raise DataError(f"{key!r} cannot name an image of a dataset: this system cannot store the name {part!r}")


def _unify(folder: Path, images: Mapping[Place, Written], channels: Mapping[str, int], bits: int) -> None:
    """Rewrites the images that have fewer channels or bits than their side has."""
    for (split, side, key), written in images.items():
        if written.channels != channels[side] or (written.bits != bits and side != "label"):
            path = folder / split / side / f"{key}.png"
            write(path, match(read(path).pixels, channels[side], bits), compression=1)


def _keys(images: Iterable[Place], split: str, side: str) -> list[str]:
    return sorted(key for in_split, of_side, key in images if (in_split, of_side) == (split, side))
