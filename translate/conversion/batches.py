"""Images on their way through a conversion, and the batches in which they go through the network."""

from __future__ import annotations

import errno
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from translate.conversion.items import Entry, Outcome
from translate.conversion.options import ConvertOptions
from translate.errors import DamagedError, StageError, TranslateError, UnsupportedError
from translate.imaging.formats.codec import Pages
from translate.imaging.image import distance
from translate.imaging.io import Header, Image
from translate.inference.precision import is_deep

if TYPE_CHECKING:
    from translate.inference.translator import Translator

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""errno values that abort the conversion, since no image after it would fare better: disk full, quota, read-only."""
KINDS: Mapping[type[Exception], str] = {DamagedError: "damaged", UnsupportedError: "unsupported"}
"""Words for errors of files, in results and at the terminal; a file that is `odd` is read."""
SAMPLED = 64
"""Rows and columns at which an image is compared with its output."""
ALONE = "alone"
"""Stands for what images have in common that go through the network one by one."""


@dataclass
class Task:
    """One image on its way; `reason` is set by whatever failed first.

    `bytes`: of the decoded image, as its header says. `pages`: those of a file of several; `paged`: of each output.
    `outputs`: the pictures of all samples, in the order of their names; `values`: their classes and vectors by name, of
    each sample. `change`: how far the first output is from the image. `kind`: whether a file that failed is `damaged`
    or `unsupported`; `notes`: what is odd about one that was read. `source`: a record of the file, once it is read.
    """

    entry: Entry
    bytes: int = 0
    reason: str = ""
    image: Image | None = None
    others: dict[str, Image] = field(default_factory=dict)
    pages: Pages | None = None
    paged: list[Pages] = field(default_factory=list)
    source: Mapping[str, Any] | None = None
    outputs: list[Image] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)
    change: float | None = None
    seconds: float = 0.0
    kind: str = ""
    notes: tuple[str, ...] = ()

    @property
    def wanted(self) -> bool:
        """False for an image that is done already and only fills its place in the batch."""
        return self.entry.row is None

    @contextmanager
    def step(self) -> Iterator[None]:
        """Measures a step of the work; an error ends this task and no other. Errors: StageError (disk full)."""
        began = time.perf_counter()
        try:
            yield
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise StageError(
                    f"{error.strerror}: the conversion stopped at {self.entry.item.name!r}, and what is done stays "
                    f"done; make room and start the same command again"
                ) from None
            self.reason, self.kind = self._in_words(error), KINDS.get(type(error), "")
            self.image, self.outputs, self.paged = None, [], []
        finally:
            self.seconds += time.perf_counter() - began

    def _in_words(self, error: Exception) -> str:
        if isinstance(error, TranslateError):
            return str(error).removeprefix(f"{self.entry.item.source}: ")  # the row says which file it is
        return f"{type(error).__name__}: {error}"


@dataclass
class Batch:
    """Tasks that go through the network together, after outcomes that need no work."""

    tasks: list[Task] = field(default_factory=list)
    decided: list[Outcome] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """Of the decoded images."""
        return sum(task.bytes for task in self.tasks)


def batches(
    window: Sequence[tuple[Entry, Header | None]], translator: Translator, options: ConvertOptions
) -> Iterator[Batch]:
    """What needs no work, then batches of images that fit together, as large as the model likes them.

    Images that are done already are grouped with the others, and only whole batches of them are left out: so the
    batches of a conversion that was stopped are those of one that was not.
    """
    yield Batch(decided=[Outcome(e.row, origin=e.origin, window=e.window) for e, _ in window if e.row is not None])
    keys = [header and _common(entry, header, translator, options) for entry, header in window]
    alike = Counter(keys)
    waiting: dict[Any, list[Task]] = {}
    for (entry, header), key in zip(window, keys, strict=True):
        if header is None:
            if entry.row is None:
                yield Batch([Task(entry)])  # reading it will say what is wrong with it
            continue
        tasks = waiting.setdefault(key, [])
        tasks.append(Task(entry, header.decoded))
        # To know how many images a batch may hold takes a look at the network: only where a second one could join.
        if key == ALONE or alike[key] == 1 or len(tasks) >= _most(header, translator, options):
            yield from _wanted(waiting.pop(key))
    for tasks in waiting.values():
        yield from _wanted(tasks)


def _common(entry: Entry, header: Header, translator: Translator, options: ConvertOptions) -> Any:
    """What images of one batch have in common, or `ALONE`."""
    item = entry.item
    if translator.route(options.direction).further:
        return ALONE
    if not translator.joins(options.direction) or item.others or item.values or item.sample or options.samples > 1:
        return ALONE
    # Deep images are computed in another precision where that was found out, and go by themselves then.
    apart = options.precision == "auto" and translator.precision != "fp32" and is_deep(header)
    size = header.height, header.width
    return *translator.padded_key(options.direction, size, header.channels), apart


def _most(header: Header, translator: Translator, options: ConvertOptions) -> int:
    """The largest number of images of this size in a batch."""
    return options.batch or translator.batch_size(options.direction, (header.height, header.width))


def _wanted(tasks: list[Task]) -> Iterator[Batch]:
    if any(task.wanted for task in tasks):
        yield Batch(tasks)


def change(image: Image, output: Image) -> float | None:
    """The mean absolute difference between an image and its output in [0, 1], at `SAMPLED` x `SAMPLED` places of each.

    Their sizes may differ. None for label maps, whose values are no colours.
    """
    if image.palette or output.palette:
        return None
    before, after = _sampled(image).astype(np.int16), _sampled(output).astype(np.int16)
    return round(float(np.abs(before - after).mean()) / 255, 4)


def _sampled(image: Image) -> np.ndarray[Any, Any]:
    height, width = image.pixels.shape[:2]
    rows = (np.arange(SAMPLED) * height) // SAMPLED
    columns = (np.arange(SAMPLED) * width) // SAMPLED
    places = np.ix_(rows, columns)
    alpha = None if image.alpha is None else image.alpha[places]
    return replace(image, pixels=image.pixels[places], alpha=alpha).shown()


def diversity(images: Sequence[Image]) -> float:
    """The mean distance of two different samples, of images of one size and type; there are at least two."""
    return float(np.mean([distance(a, b) for a, b in combinations(images, 2)]))
