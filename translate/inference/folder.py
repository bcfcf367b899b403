"""Converting many images: decode ahead of the device, encode behind it, and one row of results for every input."""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from translate.contracts import Console
from translate.data.image import SUFFIXES, Image, encode, read
from translate.device import cores
from translate.errors import ConfigError, TranslateError
from translate.inference.arrays import as_image, deepened
from translate.inference.plan import Item, Plan, plan
from translate.inference.precision import probe_precision
from translate.inference.samples import diversity, key_of
from translate.storage.atomic import write_bytes

if TYPE_CHECKING:
    from translate.inference.translator import Translator

T = TypeVar("T")
R = TypeVar("R")

SHOWN = 10
"""Failures that are told at the terminal; all of them are in the results."""


@dataclass(frozen=True)
class Summary:
    """How a conversion ended. `failures` are (name, reason); `ignored` counts files that are no images, or hidden.

    `diversity`: of several samples, the mean distance between two of the same image (see `samples.diversity`).
    """

    done: int
    failed: int
    skipped: int
    ignored: int = 0
    failures: tuple[tuple[str, str], ...] = ()
    journal: Path | None = None
    diversity: float | None = None


@dataclass
class _Job:
    """One image on its way; `reason` is set by whatever failed first. `image` becomes what it `made`: a sample each."""

    item: Item
    targets: list[Path]
    status: Literal["done", "failed", "skipped"] = "done"
    reason: str = ""
    image: Image | None = None
    others: dict[str, Image] = field(default_factory=dict)
    made: list[Image] = field(default_factory=list)
    diversity: float | None = None
    sha256: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @contextmanager
    def part(self) -> Iterator[None]:
        """Measures a part of the work; an error ends this job and no other."""
        began = time.perf_counter()
        try:
            yield
        except Exception as error:
            known = isinstance(error, TranslateError)
            self.status, self.reason = "failed", str(error) if known else f"{type(error).__name__}: {error}"
            self.image, self.made, self.sha256 = None, [], []
        finally:
            self.seconds += time.perf_counter() - began

    def row(self, output: Path) -> dict[str, Any]:
        """The results of this input; of several samples `output` and `sha256` are lists."""
        several = len(self.targets) > 1
        names = [target.relative_to(output).as_posix() for target in self.targets] if self.status != "failed" else []
        return {
            "input": self.item.name,
            "output": names if several else next(iter(names), None),
            "status": self.status,
            "reason": self.reason or None,
            "sha256": self.sha256 if several else next(iter(self.sha256), None),
            "seconds": round(self.seconds, 4),
            **({"diversity": self.diversity} if several else {}),
        }


def convert(
    input: Path,
    output: Path,
    translator: Translator,
    *,
    console: Console,
    direction: str | None = None,
    others: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    format: str | None = None,
    quality: int = 95,
    samples: int = 1,
    precision: Literal["auto"] | None = None,
) -> Summary:
    """Translates an image or a tree of images; tree, names, sizes, alpha, bit depth and colour profiles are kept.

    `others` are the direction's further inputs by name (paths or images), the same for all. `format` (`png`, `jpg`) is
    that of all outputs; by default each keeps its own. Label maps are PNG in any case. What exists is skipped unless
    `overwrite`. `samples`: so many answers to each image, where the method draws at inference; each depends on the
    translator's seed, the input's name and its own number alone. `precision="auto"`: bfloat16 where the device gains by
    it and the first images hardly differ (see `probe_precision`). Every image input ends in one row of
    `OUTPUT/results.jsonl`: input, output, status (done, failed, skipped), reason, sha256 of the output, seconds; of
    several samples their diversity, too. One bad file never ends the work: see `Summary.failed`. Errors: ConfigError,
    before the work.
    """
    suffix = f".{format.removeprefix('.')}" if format else None
    if translator.route(direction).output == "labels":
        single = not (input.is_dir() or output.is_dir())
        for wanted in (suffix, output.suffix if single else None):
            if wanted and wanted.lower() in SUFFIXES and wanted.lower() != ".png":
                raise ConfigError(f"label maps are written as PNG alone, which keeps their values; not as {wanted}")
        suffix = ".png"
    if samples > 1 and not translator.stochastic:
        name = translator.info.get("method", translator.method.name)
        what = f"method {name!r}" if translator.nets else "an exported model"
        raise ConfigError(
            f"{what} draws nothing at inference: {samples} samples would be the same; leave out --samples"
        )
    work = plan(input, output, suffix, samples)
    given = {name: as_image(image) for name, image in (others or {}).items()}
    if precision == "auto":
        translator.precision = probe_precision(translator, _samples(work, given), console, direction)
    return convert_items(
        work,
        translator,
        console=console,
        direction=direction,
        others=given,
        overwrite=overwrite,
        quality=quality,
    )


def convert_items(
    work: Plan,
    translator: Translator,
    *,
    console: Console,
    direction: str | None = None,
    others: Mapping[str, Image] | None = None,
    overwrite: bool = False,
    quality: int = 95,
    deep: bool = False,
) -> Summary:
    """As `convert`, for items that are already planned. `deep`: images of 8 bits give images of 16 bits."""
    given = dict(others or {})
    for item in work.items[:1]:
        translator.check(direction, {*given, *item.others})
    work.output.mkdir(parents=True, exist_ok=True)
    translator.tiler.tell = console.warn
    counts = {"done": 0, "failed": 0, "skipped": 0}
    failures: list[tuple[str, str]] = []
    diversities: list[float] = []
    with _Journal(work.journal) as journal, console.progress("convert", len(work.items), unit="images") as progress:
        for job in _run(work, translator, direction, given, overwrite, quality, deep):
            journal.write(job.row(work.output))
            diversities += [job.diversity] if job.diversity is not None else []
            counts[job.status] += 1
            if job.status == "failed":
                failures.append((job.item.name, job.reason))
                if len(failures) <= SHOWN:
                    console.warn(f"{job.item.name}: {job.reason}")
            progress.advance(1, failed=counts["failed"])
    assert sum(counts.values()) == len(work.items), f"{len(work.items)} inputs, but {counts}"
    if len(failures) > SHOWN:
        console.warn(f"{len(failures) - SHOWN} more images failed; see {work.journal}")
    mean = sum(diversities) / len(diversities) if diversities else None
    return Summary(**counts, ignored=work.ignored, failures=tuple(failures), journal=work.journal, diversity=mean)


def _samples(work: Plan, others: Mapping[str, Image]) -> Iterator[tuple[Image, dict[str, Image]]]:
    """The images that can be read, with their further inputs."""
    for item in work.items:
        with suppress(TranslateError):
            yield read(item.source), {**others, **{name: read(path) for name, path in item.others.items()}}


def _run(
    work: Plan,
    translator: Translator,
    direction: str | None,
    others: Mapping[str, Image],
    overwrite: bool,
    quality: int,
    deep: bool,
) -> Iterator[_Job]:
    """Jobs in the order of the plan, finished."""
    threads = max(1, min(8, cores() - 1))
    with ThreadPoolExecutor(threads, "decode") as before, ThreadPoolExecutor(threads, "encode") as behind:
        decode = partial(_decode, work=work, overwrite=overwrite, deep=deep)
        decoded = _ahead(before, decode, work.items, 2 * threads)
        translated = (_translate(job, translator, direction, others) for job in decoded)
        yield from _ahead(behind, partial(_encode, quality=quality), translated, 2 * threads)


def _ahead(pool: ThreadPoolExecutor, function: Callable[[T], R], items: Iterable[T], limit: int) -> Iterator[R]:
    """`map(function, items)` in threads, in order, with at most `limit` results waiting."""
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > limit:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _decode(item: Item, work: Plan, overwrite: bool, deep: bool) -> _Job:
    job = _Job(item, work.targets(item))
    if item.reason:
        job.status, job.reason = "failed", item.reason
    elif not overwrite and all(target.exists() for target in job.targets):
        job.status, job.reason = "skipped", "the output exists"
    else:
        with job.part():
            job.image = deepened(read(item.source)) if deep else read(item.source)
            job.others = {name: read(path) for name, path in item.others.items()}
    return job


def _translate(job: _Job, translator: Translator, direction: str | None, others: Mapping[str, Image]) -> _Job:
    if job.image is not None:
        with job.part():
            given = {**others, **job.others}
            for number in range(len(job.targets)):
                key = key_of(job.item.name, number)
                job.made.append(translator.translate_image(job.image, direction, given, key))
    job.image, job.others = None, {}
    return job


def _encode(job: _Job, quality: int) -> _Job:
    with job.part():
        if len(job.made) > 1:
            job.diversity = diversity(job.made)
        for image, target in zip(job.made, job.targets, strict=False):
            data = encode(image, target.suffix, name=job.item.name, quality=quality)
            target.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(target, data)
            job.sha256.append(hashlib.sha256(data).hexdigest())
    job.made = []
    return job


class _Journal:
    """`results.jsonl`, one JSON object a line, in its place once it is complete."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.partial = path.with_name(f".{path.name}.partial") if path else None

    def __enter__(self) -> _Journal:
        try:
            self._file = self.partial.open("w", encoding="utf-8") if self.partial else None
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be written: {error.strerror or error}") from None
        return self

    def write(self, row: Mapping[str, Any]) -> None:
        if self._file:
            self._file.write(json.dumps(row) + "\n")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._file and self.path and self.partial:
            self._file.close()
            if kind is None:
                self.partial.replace(self.path)
