"""Images through a model: read and decoded ahead of the device, in batches of one size, encoded and written behind it.

Outputs go to a scratch folder beside their places; whoever takes the outcomes gives them their names.
"""

from __future__ import annotations

import errno
import hashlib
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from translate.conversion.plan import Item
from translate.conversion.samples import diversity, key_of, names_of
from translate.device import cores
from translate.errors import StageError, TranslateError
from translate.imaging.convert import deepened
from translate.imaging.image import LIMITS
from translate.imaging.io import Header, Image, Limits, encode
from translate.imaging.sandbox import GuardedReader

if TYPE_CHECKING:
    from translate.inference.translator import Translator

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 256 << 20
"""Bytes of decoded images that wait for the device, and of outputs that wait behind it, at most (or one batch)."""
COMPRESSION = 4
"""Of PNG, 0 to 9."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What ends a conversion, since no image after it would fare better."""
Origin = Literal["new", "kept", "other"]
"""Whether a row is this conversion's, one of an earlier conversion, or that of an input which is not asked for now."""


@dataclass(frozen=True)
class Options:
    """What is the same for all images of a conversion. `others`: further inputs; `deep`: 8 bits give 16 bits."""

    direction: str | None = None
    others: Mapping[str, Image] = field(default_factory=dict)
    samples: int = 1
    quality: int = 95
    deep: bool = False
    batch: int | None = None
    limits: Limits = LIMITS


@dataclass(frozen=True)
class Entry:
    """An item; `row`: its results, where there is nothing left to do.

    `replace`: its output may take the place of a file that is there.
    """

    item: Item
    row: Mapping[str, Any] | None = None
    replace: bool = False
    origin: Origin = "new"


@dataclass(frozen=True)
class Outcome:
    """The row of an entry, and the `files` that wait for their names: (scratch file, target)."""

    row: Mapping[str, Any]
    files: tuple[tuple[Path, Path], ...] = ()
    replace: bool = False
    origin: Origin = "new"


@dataclass
class _Job:
    """One image on its way; `reason` is set by whatever failed first."""

    entry: Entry
    bytes: int = 0
    reason: str = ""
    image: Image | None = None
    others: dict[str, Image] = field(default_factory=dict)
    made: list[Image] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def wanted(self) -> bool:
        return self.entry.row is None

    @contextmanager
    def part(self) -> Iterator[None]:
        """Measures a part of the work; an error ends this job and no other."""
        began = time.perf_counter()
        try:
            yield
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise StageError(
                    f"{error.strerror}: the conversion stopped at {self.entry.item.name!r}, and what is done stays "
                    f"done; make room and start the same command again"
                ) from None
            known = isinstance(error, TranslateError)
            told = str(error).removeprefix(f"{self.entry.item.source}: ")  # the row says which file it is
            self.reason = told if known else f"{type(error).__name__}: {error}"
            self.image, self.made = None, []
        finally:
            self.seconds += time.perf_counter() - began


@dataclass
class _Batch:
    """Jobs that go through the network together, after outcomes that need no work."""

    jobs: list[_Job] = field(default_factory=list)
    decided: list[Outcome] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(job.bytes for job in self.jobs)


def row(item: Item, status: str, reason: str | None = None, **more: Any) -> dict[str, Any]:
    """The results of an input, as a line of `results.jsonl` has them."""
    return {
        "input": item.name,
        "output": None,
        "status": status,
        "reason": reason,
        "sha256": None,
        "seconds": 0.0,
        **more,
    }


class Worker:
    """Converts windows of entries. A batch holds images of one window alone, whether they are wanted or not: so the
    batches of a conversion that was stopped are those of one that was not, and so are its results, bit by bit.
    """

    def __init__(self, translator: Translator, options: Options, output: Path, scratch: Path) -> None:
        self._translator, self._options, self._output, self._scratch = translator, options, output, scratch
        self._scale = translator.route(options.direction).scale ** 2

    def run(self, windows: Iterable[Sequence[Entry]]) -> Iterator[list[Outcome]]:
        """Outcomes of all entries, each once, those of a window before those of the next. Errors: StageError."""
        threads = max(1, min(8, cores() - 1))
        with (
            GuardedReader(self._options.limits) as self._reader,
            ThreadPoolExecutor(threads, "decode") as before,
            ThreadPoolExecutor(threads, "encode") as behind,
        ):
            probed = ahead(before, self._probe, windows, 1)
            batches = (batch for window in probed for batch in self._batches(window))
            loaded = ahead(before, self._load, batches, threads, lambda batch: batch.bytes, AHEAD)
            translated = map(self._translate, loaded)
            yield from ahead(behind, self._save, translated, threads, lambda batch: batch.bytes * self._scale, AHEAD)

    # ---------------------------------------------------------------------------------------------- ahead of the device

    def _probe(self, window: Sequence[Entry]) -> list[tuple[Entry, Header | None]]:
        """The headers of all images of a window, if there is anything to do in it."""
        if all(entry.row is not None for entry in window):
            return [(entry, None) for entry in window]
        return [(entry, self._header(entry)) for entry in window]

    def _header(self, entry: Entry) -> Header | None:
        if entry.item.reason or entry.origin == "other" or (entry.row is not None and entry.row["status"] == "skipped"):
            return None
        try:
            return self._reader.probe(entry.item.source)
        except Exception:  # reading it will say why
            return None

    def _batches(self, window: Sequence[tuple[Entry, Header | None]]) -> Iterator[_Batch]:
        """What needs no work, then batches of images that fit together, as large as the model likes them."""
        yield _Batch(decided=[Outcome(e.row, origin=e.origin) for e, _ in window if e.row is not None])
        alike: dict[Any, list[_Job]] = {}
        for entry, header in window:
            if header is None:
                if entry.row is None:
                    yield _Batch([_Job(entry)])
                continue
            size = (header.height, header.width)
            job = _Job(entry, header.decoded)
            key, most = self._company(entry, size, header.channels)
            jobs = alike.setdefault(key, [])
            jobs.append(job)
            if len(jobs) >= most:
                yield from self._wanted(alike.pop(key))
        for jobs in alike.values():
            yield from self._wanted(jobs)

    def _company(self, entry: Entry, size: tuple[int, int], channels: int) -> tuple[Any, int]:
        """What the images of a batch have in common, and how many there may be."""
        translator, direction = self._translator, self._options.direction
        if translator.stochastic or entry.item.others or self._options.samples > 1:
            return None, 1
        most = self._options.batch or translator.batch_size(direction, size)
        return translator.padded_key(direction, size, channels), most

    @staticmethod
    def _wanted(jobs: list[_Job]) -> Iterator[_Batch]:
        if any(job.wanted for job in jobs):
            yield _Batch(jobs)

    def _load(self, batch: _Batch) -> _Batch:
        for job in batch.jobs:
            item = job.entry.item
            with job.part():
                if item.reason:
                    raise StageError(item.reason)
                image = self._reader.read(item.source)
                job.image = deepened(image) if self._options.deep else image
                job.others = {name: self._reader.read(path) for name, path in item.others.items()}
        return batch

    # ------------------------------------------------------------------------------------------------- on the device

    def _translate(self, batch: _Batch) -> _Batch:
        jobs = [job for job in batch.jobs if job.image is not None]
        if len(jobs) > 1 and self._together(jobs):
            return batch
        for job in jobs:
            with job.part():
                assert job.image is not None
                given = {**self._options.others, **job.others}
                for number in range(self._options.samples):
                    key = key_of(job.entry.item.name, number)
                    job.made.append(self._translator.translate_image(job.image, self._options.direction, given, key))
            job.image, job.others = None, {}
        return batch

    def _together(self, jobs: Sequence[_Job]) -> bool:
        """Translates all at once; false where that is not possible: each by itself will tell which one it is."""
        began = time.perf_counter()
        try:
            made = self._translator.translate_images(
                [job.image for job in jobs if job.image is not None],
                self._options.direction,
                [self._options.others] * len(jobs),
                [key_of(job.entry.item.name, 0) for job in jobs],
            )
        except Exception:
            return False
        for job, image in zip(jobs, made, strict=True):
            job.made, job.image = [image], None
            job.seconds += (time.perf_counter() - began) / len(jobs)
        return True

    # --------------------------------------------------------------------------------------------- behind the device

    def _save(self, batch: _Batch) -> list[Outcome]:
        return [*batch.decided, *(self._outcome(job) for job in batch.jobs if job.wanted)]

    def _outcome(self, job: _Job) -> Outcome:
        entry = job.entry
        files: list[tuple[Path, Path]] = []
        hashes: list[str] = []
        told: dict[str, Any] = {}
        names = names_of(entry.item.target, self._options.samples)
        with job.part():
            if len(job.made) > 1:
                told["diversity"] = diversity(job.made)
            for image, name in zip(job.made, names, strict=False):
                target = self._output / name
                data = encode(
                    image,
                    target.suffix,
                    name=entry.item.name,
                    quality=self._options.quality,
                    compression=COMPRESSION,
                )
                target.parent.mkdir(parents=True, exist_ok=True)
                files.append((self._written(data), target))
                hashes.append(hashlib.sha256(data).hexdigest())
        job.made = []
        seconds = round(job.seconds, 4)
        if job.reason:
            for file, _ in files:
                file.unlink(missing_ok=True)
            return Outcome(row(entry.item, "failed", job.reason, seconds=seconds))
        several = self._options.samples > 1
        results: dict[str, Any] = {
            "output": names if several else names[0],
            "sha256": hashes if several else hashes[0],
            **told,
        }
        return Outcome(row(entry.item, "done", **results, seconds=seconds), tuple(files), entry.replace)

    def _written(self, data: bytes) -> Path:
        path = self._scratch / secrets.token_hex(8)
        with path.open("xb") as file:
            file.write(data)
        return path


def ahead(
    pool: ThreadPoolExecutor,
    function: Callable[[T], R],
    items: Iterable[T],
    limit: int,
    weigh: Callable[[T], int] = lambda item: 0,
    budget: int = 0,
) -> Iterator[R]:
    """`map(function, items)` in threads, in order, with at most `limit` results waiting, of `budget` by weight.

    What is ready is given before the next item is asked for.
    """
    waiting: deque[tuple[Future[R], int]] = deque()
    try:
        for item in items:
            weight = weigh(item)
            while waiting and sum(w for _, w in waiting) + weight > budget > 0:
                yield waiting.popleft()[0].result()
            waiting.append((pool.submit(function, item), weight))
            while waiting and (len(waiting) > limit or waiting[0][0].done()):
                yield waiting.popleft()[0].result()
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        for future, _ in waiting:
            future.cancel()
