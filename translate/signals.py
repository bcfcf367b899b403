"""Signals that ask a process to end: SIGTERM and SIGUSR1 of schedulers, SIGHUP of a terminal that was closed, SIGINT of
Ctrl-C."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from translate.errors import Stopped

# Of sysexits.h 75 means "try again", which schedulers understand; the others are what shells give: 128 + the signal.
_CODES = {"SIGTERM": 75, "SIGUSR1": 75, "SIGHUP": 129, "SIGINT": 130}

AGAIN = 2.0
"""Seconds within which a further signal is the same request."""

Handler = Callable[[int, FrameType | None], None]


def exit_code(number: int) -> int:
    """What a process ends with after a signal that it has heard."""
    return _CODES[signal.Signals(number).name]


def exit_code_when_saved(number: int) -> int:
    """What a training ends with that has saved after a signal: 75 after Ctrl-C too, for the same command goes on."""
    return 75 if number == signal.SIGINT else exit_code(number)


def ending() -> list[signal.Signals]:
    """SIGTERM, and SIGUSR1 and SIGHUP where there are such and they are not ignored, as `nohup` asks for."""
    numbers = [signal.SIGTERM]
    for name in ("SIGUSR1", "SIGHUP"):
        number: signal.Signals | None = getattr(signal, name, None)  # Windows has none of them
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            numbers.append(number)
    return numbers


@contextmanager
def heard(handler: Handler, numbers: Sequence[int]) -> Iterator[None]:
    """Lets `handler` hear signals. Outside of the main thread it hears none: there they belong to somebody else."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def kept() -> Iterator[None]:
    """Puts handlers back in their places that a library replaces by its own, behind Python's back as Ray does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in [*ending(), signal.SIGINT]}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Stop:
    """The handler of `stopping`."""

    def __init__(self) -> None:
        self._at = -math.inf

    def __call__(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        # A shell sends SIGHUP to its jobs once more: that does not interrupt what is put in order after the first one.
        if now - self._at > AGAIN:
            self._at = now
            raise Stopped(exit_code(number))


_STOP = _Stop()


@contextmanager
def stopping() -> Iterator[None]:
    """Turns the signals of `ending` into `Stopped`, so that folders, locks, records and processes are left in order."""
    if signal.getsignal(signal.SIGTERM) is _STOP:  # within another one
        yield
        return
    with heard(_STOP, ending()):
        yield
