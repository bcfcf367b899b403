"""Reads a source once, applies the deterministic transforms, and writes a prepared dataset of PNG files."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from pydantic import PositiveInt

from translate.contracts import (
    JOINED,
    SIDES,
    ComponentKind,
    Config,
    DatasetFacts,
    Problem,
    Record,
    Source,
    SourceFacts,
    SourceUse,
    Stage,
    StageContext,
    Transform,
    TransformUse,
)
from translate.data import labels
from translate.data.dataset import write_index
from translate.data.sources.listing import matched
from translate.data.transforms import apply
from translate.errors import DataError, TranslateError
from translate.imaging import io as image_io
from translate.imaging.palette import full_palette
from translate.imaging.pixels import match, over_white
from translate.seeding import derive
from translate.text import examples

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_ENOUGH = 100
"""Failures after which the rest is not tried: by then it is not about single images."""

Group = dict[str, Record]
"""The records of one key that are read together: all sides of joined data, or one side."""


class PreprocessConfig(Config):
    """Options of the `preprocess` stage."""

    source: SourceUse
    """Where the images come from: `{uses: folders, a: photos/train, b: drawings/train}`."""
    transforms: tuple[TransformUse, ...] = ()
    """Transforms that draw nothing at random; what they make is kept on disk: `[{uses: resize, size: 286}]`."""
    direction: Literal["a_to_b", "b_to_a"] = "a_to_b"
    """Of paired data: `a_to_b` makes side a the input, `b_to_a` makes it the target."""
    workers: PositiveInt | None = None
    """Threads that decode and write; `null` goes by the cores. It changes speed alone."""


@dataclass(frozen=True)
class Written:
    """What became of one image: its size, channels, bits, and whether it had transparency."""

    height: int
    width: int
    channels: int
    bits: int
    alpha: bool


Outcome = dict[str, Written] | DataError


class PreprocessStage(Stage[PreprocessConfig]):
    """Source to dataset: decode, transform, write, report.

    Transparency is laid over white. A side that mixes grey and colour becomes colour, and a dataset that mixes 8 and 16
    bits becomes 16 bits; both are said.
    """

    name = "preprocess"
    produces = "dataset"
    neutral = frozenset({"workers"})

    def check(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
        for position, use in enumerate(self.config.transforms):
            if self.registry.get("transforms", use.uses).random:
                where = ("with", "transforms", position)
                yield Problem(where, f"`{use.uses}` draws at random; put it under `augment` of the train stage")
        try:
            facts = self._source().facts()
        except TranslateError as error:
            yield Problem(("with", "source"), str(error))
            return
        if self.config.direction == "b_to_a" and facts.kind != "paired":
            message = (
                f"only paired data has a direction, and this source is {facts.kind}; translate in both with the model"
            )
            yield Problem(("with", "direction"), message)

    def promise(self, parents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return self._facts(self._source().facts()).to_json()

    def inputs(self) -> Iterable[Path]:
        return self._source().inputs()

    def uses(self) -> Iterable[tuple[ComponentKind, str]]:
        return ()

    def run(self, context: StageContext) -> dict[str, Any]:
        source = self._source()
        facts = source.facts()
        groups = {split: self._groups(source, facts, split) for split in facts.splits}
        done = self._write(context, groups, facts)
        channels, bits = _common(done)
        _unify(context.folder, done, channels, bits)
        keys = {split: _keys(done, split, SIDES[facts.kind]) for split in facts.splits}
        sizes = {split: [(w.height, w.width) for (s, _, _), w in done.items() if s == split] for split in facts.splits}
        extent = {
            s: [[min(a) for a in zip(*of, strict=True)], [max(a) for a in zip(*of, strict=True)]]
            for s, of in sizes.items()
        }
        every = {size for of in sizes.values() for size in of}
        result = replace(
            self._facts(facts),
            channels=channels,
            counts={split: {side: len(of) for side, of in sides.items()} for split, sides in keys.items()},
            size=every.pop() if len(every) == 1 else None,
            bits=bits,
        )
        write_index(context.folder, result.to_json(), keys, extent)
        self._report(context, source, done, result, extent)
        return result.to_json()

    def _source(self) -> Source[Any]:
        source: Source[Any] = self.registry.build(self.config.source, seed=self.seed)
        return source

    def _facts(self, source: SourceFacts) -> DatasetFacts:
        """What the source promises of the dataset."""
        return DatasetFacts(
            kind=source.kind,
            splits=source.splits,
            pairs=tuple(split for split in source.splits if split in source.pairs or source.kind == "single"),
            classes=source.classes,
            palette=source.palette,
            direction=self.config.direction,
        )

    def _groups(self, source: Source[Any], facts: SourceFacts, split: str) -> list[tuple[str, Group]]:
        """The records of a split, by key and as they are read together. Errors: DataError."""
        sides = SIDES[facts.kind]
        swapped = dict(zip(sides, reversed(sides), strict=True)) if self.config.direction == "b_to_a" else {}
        found: dict[str, Group] = {side: {} for side in sides}
        for record in source.records(split):
            _safe(record.key)
            side = swapped.get(record.side, record.side)
            if record.key in found[side]:
                raise DataError(f"{record.origin}: split {split!r} has two images of the name {record.key!r}")
            found[side][record.key] = record
        if empty := [side for side in sides if not found[side]]:
            raise DataError(f"split {split!r} has no images on side {', '.join(empty)}")
        if facts.kind in JOINED or split in facts.pairs:
            for side in sides[1:]:
                matched(found[sides[0]], found[side], [f"{split}/{s}" for s in (sides[0], side)], skip=False)
        if facts.kind in JOINED:
            return [(key, {side: found[side][key] for side in sides}) for key in sorted(found[sides[0]])]
        return [(key, {side: record}) for side in sides for key, record in sorted(found[side].items())]

    def _write(
        self, context: StageContext, groups: Mapping[str, list[tuple[str, Group]]], facts: SourceFacts
    ) -> dict[tuple[str, str, str], Written]:
        """Writes what is not there yet; the result is by (split, side, key). Errors: DataError naming what failed."""
        chain: list[Transform[Any]] = [self.registry.build(use) for use in self.config.transforms]
        total = sum(len(group) for of in groups.values() for _, group in of)
        jobs = ((split, key, group) for split, of in groups.items() for key, group in of)
        done: dict[tuple[str, str, str], Written] = {}
        failures: list[str] = []

        def work(job: Job) -> Outcome:
            split, key, group = job
            try:
                return _prepare(context.folder / split, key, group, chain, derive(self.seed, split, key), facts)
            except DataError as error:
                return error

        workers = self.config.workers or min(8, os.cpu_count() or 1)
        with ThreadPoolExecutor(workers) as pool, context.console.progress("preprocess", total) as progress:
            for (split, key, group), outcome in _ahead(pool, work, jobs, 4 * workers):
                progress.advance(len(group))
                if isinstance(outcome, DataError):
                    failures.append(str(outcome))
                    if len(failures) >= _ENOUGH:
                        break
                else:
                    done |= {(split, side, key): written for side, written in outcome.items()}
        if failures:
            listed = "\n  ".join(failures[:5])
            more = f"\n  and {len(failures) - 5} more" if len(failures) > 5 else ""
            raise DataError(f"{len(failures)} of {total:,} images cannot be used:\n  {listed}{more}")
        return done

    def _report(
        self,
        context: StageContext,
        source: Source[Any],
        done: Mapping[tuple[str, str, str], Written],
        facts: DatasetFacts,
        extent: Mapping[str, list[list[int]]],
    ) -> None:
        rows = []
        for split, sides in facts.counts.items():
            (h0, w0), (h1, w1) = extent[split]
            size = f"{w0} x {h0}" if (h0, w0) == (h1, w1) else f"{w0} x {h0} to {w1} x {h1}"
            paired = "yes" if split in facts.pairs else "no"
            rows += [[split, side, n, size, facts.channels[side], facts.bits, paired] for side, n in sides.items()]
        columns = ["split", "side", "images", "size", "channels", "bits", "true pairs"]
        context.console.table("prepared dataset", columns, rows)
        context.tracker.table("dataset", columns, rows)
        context.tracker.dataset(self.config.source.uses, context.fingerprint, facts.to_json(), "prepare")
        remarks = list(source.notes())
        if transparent := [f"{split}/{side}/{key}" for (split, side, key), w in done.items() if w.alpha]:
            remarks.append(f"{len(transparent):,} images have transparency, laid over white: {examples(transparent)}")
        for side, channels in facts.channels.items():
            if grey := [f"{s}/{key}" for (s, of, key), w in done.items() if of == side and w.channels < channels]:
                remarks.append(
                    f"side {side} mixes grey and colour; {len(grey):,} grey images became RGB: {examples(grey)}"
                )
        images = [(place, written) for place, written in done.items() if place[1] != "label"]
        if narrow := [f"{s}/{of}/{key}" for (s, of, key), w in images if w.bits < facts.bits]:
            remarks.append(f"8 and 16 bits are mixed; {len(narrow):,} images became 16 bits: {examples(narrow)}")
        for remark in remarks:
            context.console.warn(remark)


Job = tuple[str, str, Group]
"""Split, key, and the records to write."""


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[Job], Outcome], jobs: Iterator[Job], window: int
) -> Iterator[tuple[Job, Outcome]]:
    """The jobs with their results, in order, at most `window` of them ahead."""
    waiting = deque((job, pool.submit(work, job)) for job in islice(jobs, window))
    while waiting:
        job, future = waiting.popleft()
        yield job, future.result()
        waiting.extend((job, pool.submit(work, job)) for job in islice(jobs, 1))


def _prepare(
    folder: Path, key: str, group: Group, chain: list[Transform[Any]], seed: int, facts: SourceFacts
) -> dict[str, Written]:
    """Reads, transforms and writes the images of one key, unless an earlier start did. Errors: DataError."""
    paths = {side: folder / side / f"{key}.png" for side in group}
    if all(path.is_file() for path in paths.values()):
        headers = {side: image_io.probe(path) for side, path in paths.items()}
        channels = {side: 1 if side == "label" else header.channels for side, header in headers.items()}
        return {s: Written(h.height, h.width, channels[s], h.bits, False) for s, h in headers.items()}
    arrays = {side: record.load() for side, record in group.items()}
    if "label" in arrays:
        labels.check(arrays["label"], len(facts.classes), group["label"].origin)
    sizes = {array.shape[:2] for array in arrays.values()}
    if len(sizes) > 1:
        told = " and ".join(f"{group[s].origin} ({a.shape[1]} x {a.shape[0]})" for s, a in arrays.items())
        raise DataError(f"a pair of two sizes: {told}")
    opaque = {side: _opaque(array) for side, array in arrays.items()}
    flat = {side: array[..., 0] if side == "label" else array for side, array in opaque.items()}
    try:
        flat = apply(chain, flat, seed)
    except DataError as error:
        raise DataError(f"{next(iter(group.values())).origin}: {error}") from None
    written = {}
    for side, array in flat.items():
        ready = array[..., None] if array.ndim == 2 else array
        paths[side].parent.mkdir(parents=True, exist_ok=True)
        palette = full_palette(facts.palette) if side == "label" else ()
        image_io.write(paths[side], image_io.Image(ready, palette=palette), compression=1)
        height, width, channels = ready.shape
        alpha = arrays[side].shape[2] in (2, 4)
        written[side] = Written(height, width, channels, 8 * ready.dtype.itemsize, alpha)
    return written


def _opaque(array: Array) -> Array:
    return over_white(array[..., :-1], array[..., -1]) if array.shape[2] in (2, 4) else array


def _safe(key: str) -> None:
    parts = PurePosixPath(key).parts
    if not parts or key.startswith("/") or ".." in parts or "\\" in key or "\0" in key:
        raise DataError(f"{key!r} cannot name an image of a dataset: keys are relative paths")


def _common(done: Mapping[tuple[str, str, str], Written]) -> tuple[dict[str, int], int]:
    """Channels of each side and the bits of all: the most that any image has."""
    channels: dict[str, int] = {}
    for (_, side, _), written in done.items():
        channels[side] = max(channels.get(side, 1), written.channels)
    return channels, max(written.bits for (_, side, _), written in done.items() if side != "label")


def _unify(folder: Path, done: Mapping[tuple[str, str, str], Written], channels: Mapping[str, int], bits: int) -> None:
    """Rewrites the images that have fewer channels or bits than their side has."""
    for (split, side, key), written in done.items():
        if written.channels != channels[side] or (written.bits != bits and side != "label"):
            path = folder / split / side / f"{key}.png"
            image_io.write(path, match(image_io.read(path).pixels, channels[side], bits), compression=1)


def _keys(done: Mapping[tuple[str, str, str], Written], split: str, sides: Iterable[str]) -> dict[str, list[str]]:
    return {side: sorted(key for s, of, key in done if s == split and of == side) for side in sides}
