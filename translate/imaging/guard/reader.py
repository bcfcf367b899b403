"""Reads files that nobody vouches for: decoders that may hang, crash or eat the memory run in a process of their own,
since a thread cannot be stopped from outside, and a crash takes all threads with it.

Ordinary files are decoded where they are, as fast as ever: PNG, JPEG and uncompressed BMP whose structure is checked
first and whose announced size is in keeping with their bytes. What has a complex decoder (all other formats, run-length
codes, those of plugins), or one that warns where it should refuse (CMYK JPEG), or announces far more than it holds,
goes to a worker, which reads the file itself and sends the pixels back.

This process and a worker (`imaging.guard.worker`) talk through the worker's standard input and output: a request is
one line of JSON, then the bytes of what is no file of its own; an answer is one line of JSON, then the raw bytes of the
arrays that it announces. A worker is started
by `subprocess`, never forked: it holds no lock and no GPU of its parent, and starts alike on every system.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from translate.errors import DataError
from translate.imaging.decode import decode_opened, open_header, probe
from translate.imaging.files import contents, leads_into_archive, open_regular
from translate.imaging.formats.codec import HEAD, Pages
from translate.imaging.formats.of_plugins import format_of
from translate.imaging.formats.raster.zarr_store import is_zarr
from translate.imaging.formats.table import codec_of
from translate.imaging.guard.process import DecodingProcess
from translate.imaging.image import LIMITS, Header, Image, Limits
from translate.threads import cores

Array = np.ndarray[Any, Any]
T = TypeVar("T")


class GuardedReader:
    """`translate.imaging.io.read` and `probe` for many threads, with `Limits.seconds` for what is not ordinary.

    with GuardedReader(limits) as reader:
        image = reader.read(path)

    Workers (at most one per core) start when they are needed, are used again, and end with the context. Errors of all
    methods: DataError, also where a decoder crashed, took too long, or wanted more memory than such an image takes.
    """

    def __init__(self, limits: Limits = LIMITS, workers: int | None = None) -> None:
        self.limits = limits
        self._free = threading.Semaphore(workers or cores())
        self._lock = threading.Lock()
        self._idle: list[DecodingProcess] = []
        self._busy: set[DecodingProcess] = set()
        self._closed = False

    def __enter__(self) -> GuardedReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the workers; those that still decode end with their image."""
        with self._lock:
            self._closed, idle, self._idle = True, self._idle, []
        for worker in idle:
            worker.end()

    def rest(self) -> None:
        """Ends the workers that have nothing to do; others start when they are needed."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()

    def stop(self) -> None:
        """Ends all workers at once, also those that still decode: whoever waits for them gets an error."""
        self.close()
        with self._lock:
            for worker in self._busy:
                worker.kill()

    def read(self, path: Path, *, indices: bool = False) -> Image:
        """The image in a file, in one of an archive, or in a folder of Zarr; with `indices` the values that a label map
        stores."""
        if is_zarr(path) and not indices:
            return self._ask("read", path, DecodingProcess.image)
        if (head := self._head(path)) is None:
            return self.decode(contents(path, self.limits), str(path), indices=indices)
        if _is_guarded(head, str(path)):
            return self._ask("read", path, DecodingProcess.image, indices=indices)
        data, name = contents(path, self.limits), str(path)
        # The bytes that are judged here are the bytes that are decoded: the file is not opened a second time.
        opened = open_header(data, name, self.limits)
        if opened.codec.is_ordinary(opened, data, name):
            return decode_opened(opened, data, name, indices=indices)
        del data, opened  # frees up to a gigabyte before the worker reads the file again
        return self._ask("read", path, DecodingProcess.image, indices=indices)

    def decode(self, data: bytes, name: str, *, indices: bool = False) -> Image:
        """The image in the bytes of a file; `name` is what errors call it."""
        self.limits.check_file(len(data), name)
        if not _is_guarded(data[:HEAD], name):
            opened = open_header(data, name, self.limits)
            if opened.codec.is_ordinary(opened, data, name):
                return decode_opened(opened, data, name, indices=indices)
        return self._ask("read", Path(name), DecodingProcess.image, data, indices=indices)

    def probe(self, path: Path) -> Header:
        """The header of an image file, or of one in an archive."""
        data = None
        if is_zarr(path):
            return self._ask("probe", path, lambda _, answer: Header(**answer["header"]))
        if (head := self._head(path)) is None:
            data = contents(path, self.limits)
            head = data[:HEAD]
        if _is_guarded(head, str(path)):
            return self._ask("probe", path, lambda _, answer: Header(**answer["header"]), data)
        return probe(path, limits=self.limits)

    def pages(self, path: Path) -> Pages:
        """All pages or frames of a file, in a worker."""
        data = contents(path, self.limits) if not is_zarr(path) and self._head(path) is None else None
        return self._ask("pages", path, DecodingProcess.pages, data)

    def _head(self, path: Path) -> bytes | None:
        """The first bytes of a file; None of one in an archive, whose bytes a worker is sent."""
        try:
            with open_regular(path) as file:
                return file.read(HEAD)
        except OSError as error:
            if leads_into_archive(path, error):
                return None
            raise DataError(f"{path}: {error.strerror or error}") from None

    def _ask(
        self,
        what: str,
        path: Path,
        take: Callable[[DecodingProcess, Mapping[str, Any]], T],
        data: bytes | None = None,
        *,
        indices: bool = False,
    ) -> T:
        with self._free, self._worker() as worker:
            return worker.ask(what, path, self.limits, take, data, indices=indices)

    @contextmanager
    def _worker(self) -> Iterator[DecodingProcess]:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is not None and not worker.current:
            worker.end()
            worker = None
        worker = worker or DecodingProcess()
        try:
            with self._lock:
                self._busy.add(worker)
                if self._closed:  # `stop` has not seen it
                    worker.kill()
            worker.begin()
            yield worker
        finally:
            # `close` may have run meanwhile: it ended the idle workers alone, and this one was none.
            with self._lock:
                self._busy.discard(worker)
                reusable = worker.alive and not self._closed
                if reusable:
                    self._idle.append(worker)
            if not reusable:
                worker.end()


def _is_guarded(head: bytes, name: str) -> bool:
    """Whether a worker decodes a file, whatever is in it: nobody here knows what a plugin's decoder does."""
    return format_of(head, name) is not None or codec_of(head, name).guarded
