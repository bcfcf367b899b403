"""The share of its time that a training waits for data."""

from __future__ import annotations

import time

from translate.training.speed.clock import Clock

SHARE = 0.5
"""Share of the time from which on the data is called slow."""
SECONDS = 3.0
"""Seconds of waiting, since the look before, that are worth a warning."""
_APART = ("validation", "saving", "trial", "health")
"""Parts of the time of a training that are no steps."""


class Waiting:
    """Measures by the clock of a training, between its log steps. It is no state: a restart begins to measure anew."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._before: tuple[float, float] | None = None
        self._waited = self._passed = 0.0

    def share(self) -> float | None:
        """The share since the last call; None at the first, since the first batches come from a loader that begins."""
        now = self._now()
        before, self._before = self._before, now
        if before is None:
            return None
        passed, waited = now[0] - before[0], now[1] - before[1]
        self._passed += passed
        self._waited += waited
        return min(1.0, max(0.0, waited / passed)) if passed > 0 else 0.0

    def slow(self) -> tuple[bool, float]:
        """Whether more than half of the steps' time since the last call was waited for data, and the share."""
        share = self._waited / self._passed if self._passed > 0 else 0.0
        bad = share >= SHARE and self._waited >= SECONDS
        self._waited = self._passed = 0.0
        return bad, share

    def _now(self) -> tuple[float, float]:
        """Seconds of steps, and seconds of waiting for data."""
        seconds = self.clock.seconds
        apart = sum(seconds[name] for name in _APART)
        return time.monotonic() - apart, seconds["data"]
