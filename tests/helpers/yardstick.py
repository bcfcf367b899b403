"""What work costs, told in plain additions: machines differ in speed, and so does one machine from minute to minute."""

from __future__ import annotations

import time
from collections.abc import Callable

ADDITIONS = 100_000


def additions_of(work: Callable[[int], object], times: int, rounds: int = 3) -> float:
    """How many additions of plain Python cost as much processor time as one call of `work` with a number from 0.

    The work and the additions take turns, and the cheapest round of each counts: others were held up by something else.
    """
    work(0)  # what is imported and set up once costs nothing
    turns = [(_seconds(work, times), _seconds(_add, times)) for _ in range(rounds)]
    of_work, of_additions = (min(seconds) for seconds in zip(*turns, strict=True))
    return ADDITIONS * of_work / of_additions


def _seconds(work: Callable[[int], object], times: int) -> float:
    began = time.process_time()
    for index in range(times):
        work(index)
    return time.process_time() - began


def _add(first: int) -> int:
    total = first
    for number in range(ADDITIONS):
        total += number
    return total
