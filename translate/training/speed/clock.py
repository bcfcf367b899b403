"""Where the time of a training goes.

On a CPU two readings of the clock stand around each part. A GPU works on its own while Python goes on: there each part
of a step lies between two events on the GPU's stream, which are read at log steps, when the GPU is waited for anyway.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import torch

COMPUTING = frozenset({"forward", "backward", "optimizer", "replay"})
"""Parts of a step that compute."""
ON_DEVICE = COMPUTING | {"exchange"}
"""Parts of a step that run on the device; the others keep Python waiting."""


class Clock:
    """Adds up the seconds of the parts of a training in `seconds`, by their names.

    Of parts within each other the outermost counts. `seconds` of parts on a GPU are those up to the last `read`.
    """

    def __init__(self, device: torch.device) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.inside = False
        """Whether a part is under way."""
        self._cuda = device.type == "cuda"
        self._pending: list[tuple[str, Any, Any]] = []
        self._free: list[Any] = []

    def part(self, name: str) -> Part:
        """A context whose time is that of a part."""
        return Part(self, name)

    def read(self) -> None:
        """Adds what has ended on a GPU. Called where the GPU has been waited for: it costs nothing then."""
        for name, start, end in self._pending:
            end.synchronize()
            self.seconds[name] += start.elapsed_time(end) / 1000
            self._free += (start, end)
        self._pending.clear()

    def begin(self, name: str) -> Any:
        """The beginning of a part: a time, an event on the GPU, or None while steps are recorded, which takes none."""
        if not (self._cuda and name in ON_DEVICE):
            return time.perf_counter()
        return None if torch.cuda.is_current_stream_capturing() else self._event()

    def end(self, name: str, start: Any) -> None:
        """The end of a part."""
        if isinstance(start, float):
            self.seconds[name] += time.perf_counter() - start
        elif start is not None:
            self._pending.append((name, start, self._event()))

    def _event(self) -> Any:
        event = self._free.pop() if self._free else torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event


class Part:
    """One part, as a context."""

    __slots__ = ("clock", "name", "outer", "start")

    def __init__(self, clock: Clock, name: str) -> None:
        self.clock, self.name = clock, name

    def __enter__(self) -> None:
        self.outer = self.clock.inside
        if not self.outer:
            self.clock.inside = True
            self.start = self.clock.begin(self.name)

    def __exit__(self, *_: object) -> None:
        if not self.outer:
            self.clock.inside = False
            self.clock.end(self.name, self.start)
