"""Reads image files wherever the product does: ordinary ones here, all others in processes that can be killed.

One `GuardedReader` (`imaging.guard.reader`) serves a whole process. Its workers start with the first file that needs
one, and end when none has been needed for a while.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from translate.imaging.formats.codec import Pages
from translate.imaging.guard.reader import GuardedReader
from translate.imaging.image import LIMITS, Header, Image, Limits

Array = np.ndarray[Any, Any]

IDLE = 30.0
"""Seconds after which workers without work end: a training that follows has other uses for their memory."""


class _Shared:
    """The readers of this process, one for each set of limits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers: dict[Limits, GuardedReader] = {}
        self._used = 0.0
        self._watched = False

    def reader(self, limits: Limits) -> GuardedReader:
        """The reader of files within these limits."""
        with self._lock:
            self._used = time.monotonic()
            if not self._watched:
                self._watched = True
                threading.Thread(target=self._watch, name="idle decoders", daemon=True).start()
            if limits not in self._readers:
                self._readers[limits] = GuardedReader(limits)
            return self._readers[limits]

    def close(self) -> None:
        """Ends all workers."""
        with self._lock:
            readers, self._readers = self._readers, {}
        for reader in readers.values():
            reader.close()

    def _watch(self) -> None:
        while True:
            time.sleep(IDLE)
            with self._lock:
                readers = [*self._readers.values()]
                if time.monotonic() - self._used < IDLE:
                    continue
                self._watched = False
            for reader in readers:
                reader.rest()
            return


_shared = _Shared()

# A forked process has pipes to the workers of its parent, which it must not use, and perhaps a lock that nobody opens.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_shared.__init__)  # type: ignore[misc]
atexit.register(_shared.close)


def read(path: Path, *, limits: Limits = LIMITS, indices: bool = False) -> Image:
    """The image in a file, on disk or in an archive; with `indices` the values that a label map stores.

    Errors: DataError, also where a decoder crashed, took too long, or wanted more memory than such an image takes.
    """
    return _shared.reader(limits).read(path, indices=indices)


def decode(data: bytes, name: str, *, limits: Limits = LIMITS, indices: bool = False) -> Image:
    """The image in the bytes of a file, as `read` gives it; `name` is what errors call it. Errors: DataError."""
    return _shared.reader(limits).decode(data, name, indices=indices)


def probe(path: Path, *, limits: Limits = LIMITS) -> Header:
    """The header of an image file, without decoding it. Errors: DataError."""
    return _shared.reader(limits).probe(path)


def read_pages(path: Path, *, limits: Limits = LIMITS) -> Pages:
    """All pages or frames of a file; of a file of one picture this one. Errors: DataError."""
    return _shared.reader(limits).pages(path)


def pages(path: str | Path) -> list[Array]:
    """All pages or frames of a file as arrays H x W x C, for `model(translate.pages("scan.tif"))`.

    C is 1 (grey), 3 (RGB), 2 or 4, whose last channel is alpha, or more (bands). A file of one picture gives one.

    Errors: DataError (an unreadable file, more pages than the limits of a file allow).
    """
    return [image.array for image in read_pages(Path(path)).images]
