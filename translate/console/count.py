"""A running count: how far a piece of work is, how fast it goes, and what is left of it."""

from __future__ import annotations

import time
from typing import Any

from translate.text import duration, number

MOST = 256
"""The most moments that a count remembers."""


class Count:
    """How far a piece of work is.

    Its rate is that of the newer two thirds, of the time and of the steps, so that a slow start (compilation, the first
    look at the disk) is soon forgotten, while pauses that come again (validation) count.
    """

    def __init__(self, title: str, total: int, done: int, unit: str) -> None:
        self.title, self.total, self.done, self.unit = title, total, done, unit
        self.fields: dict[str, Any] = {}
        self._first = done
        self._moments = [(time.monotonic(), done)]

    def add(self, n: int, fields: dict[str, Any]) -> None:
        self.done += n
        self.fields.update(fields)
        if not n:
            return
        self._moments.append((time.monotonic(), self.done))
        if len(self._moments) > MOST:  # every second one of the older half
            half = MOST // 2
            self._moments[1:half] = self._moments[1:half:2]

    def rate(self) -> float:
        """Units per second: lately, and once all is done, over the whole time."""
        moments = self._moments
        end, done = moments[-1]
        start, before = moments[0]
        if len(moments) > 2 and not self.finished:
            since, after = start + (end - start) / 3, before + (done - before) / 3
            # The first step is never a part of it: it takes the longest.
            newer = (moment for moment in moments[1:-1] if moment[0] >= since and moment[1] >= after)
            start, before = next(newer, moments[-2])
        return (done - before) / max(end - start, 1e-6)

    @property
    def finished(self) -> bool:
        return bool(self.total) and self.done >= self.total

    def left(self) -> float | None:
        """Seconds that the rest will take; None where nobody can say, as after the first of many steps, which takes
        the longest (a trial, compilation, the first look at the disk)."""
        first = len(self._moments) < 3
        if first and self.done - self._first < (self.total - self._first) / 100:
            return None
        rate = self.rate()
        return (self.total - self.done) / rate if rate and self.total > self.done else None

    def counted(self) -> str:
        """`120/1,200 images`."""
        total = f"/{self.total:,}" if self.total else ""
        return f"{self.done:,}{total} {self.unit}"

    def speed(self) -> str:
        """`1,330 images/s`; empty before anything is done."""
        rate = self.rate()
        return f"{number(rate, 3)} {self.unit}/s" if rate else ""

    def remaining(self) -> str:
        """`5:12 left`; empty where nobody can say."""
        left = self.left()
        return "" if left is None else f"{duration(left)} left"

    def values(self) -> list[str]:
        """The fields, each with its name."""
        return [f"{name} {number(value)}" for name, value in self.fields.items()]

    def line(self) -> str:
        """All of it in one line of text."""
        parts = (f"{self.title}: {self.counted()}", self.speed(), self.remaining(), *self.values())
        return "  ".join(part for part in parts if part)
