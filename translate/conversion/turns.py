"""Processors that networks and codecs share by turns."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

FEW = 4
"""Cores up to which they take turns; with more, decoding and encoding leave most of them to the network."""
FOR_CODECS, FOR_NETWORK = 0.1, 2.0
"""Seconds that the network waits for codecs at most, since an image may take minutes to decode, and they for it."""


class Turns:
    """Lets threads that decode and encode work while the network does not, and the other way round.

    A network computes in one thread for each core, and each of its layers ends when the last of them has. Where a codec
    takes one of two cores, the other one waits, and counts while it waits: the work of a codec costs twice its time.
    Between two batches the codecs have all cores to themselves. The network goes first where both wait.
    """

    def __init__(self, *, off: bool = False) -> None:
        self._off = off
        self._changed = threading.Condition()
        self._codecs, self._network = 0, False

    @contextmanager
    def codec(self) -> Iterator[None]:
        """A step of a codec, such as one image."""
        if self._off:
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: not self._network, FOR_NETWORK)
            self._codecs += 1
        try:
            yield
        finally:
            with self._changed:
                self._codecs -= 1
                self._changed.notify_all()

    @contextmanager
    def network(self) -> Iterator[None]:
        """A batch in the network, in one thread at a time."""
        if self._off:
            yield
            return
        with self._changed:
            self._network = True
            self._changed.wait_for(lambda: not self._codecs, FOR_CODECS)
        try:
            yield
        finally:
            with self._changed:
                self._network = False
                self._changed.notify_all()
