"""Processor cores, and work in threads whose results come in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

WAITING = "OMP_WAIT_POLICY"
"""The variable by which OpenMP, which shares out torch's work on a CPU, is told how its threads wait for each other."""


def wait_patiently() -> None:
    """Lets torch's threads sleep at barriers, unless the environment says otherwise; for before torch is imported.

    By default they count while they wait. Where another program keeps one of two cores busy, that takes the time in
    which the late thread would catch up: a training kept a third of its rate, and keeps half of it so. On a quiet
    machine it costs about 3 %.
    """
    os.environ.setdefault(WAITING, "PASSIVE")


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS and Windows do not say


def ordered_map(
    pool: ThreadPoolExecutor,
    function: Callable[[T], R],
    items: Iterable[T],
    limit: int,
    weigh: Callable[[T], int] = lambda item: 0,
    budget: int = 0,
) -> Iterator[R]:
    """`map(function, items)` in threads, in order, with at most `limit` results waiting, of `budget` by weight.

    What is ready is given before the next item is asked for. A single item may weigh more than the budget: it waits
    alone. Context variables have the values that they have here. Errors: those of `function`, at the place of their
    item; what was not begun then is cancelled.
    """
    waiting: deque[tuple[Future[R], int]] = deque()
    try:
        for item in items:
            weight = weigh(item)
            while waiting and sum(w for _, w in waiting) + weight > budget > 0:
                yield waiting.popleft()[0].result()
            waiting.append((pool.submit(copy_context().run, function, item), weight))
            while waiting and (len(waiting) > limit or waiting[0][0].done()):
                yield waiting.popleft()[0].result()
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        for future, _ in waiting:
            future.cancel()
