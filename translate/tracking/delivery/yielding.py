"""Room for the thread of a training beside the one that sends its records."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

INTERVAL = 1e-4
"""Seconds after which the sender gives way to a thread that waits for the interpreter; Python's own value is 5e-3.

A training asks for the interpreter after each operation on tensors. Where the other thread is busy in Python, as with
importing MLflow, each of its thousands of operations would wait for 5 ms, and the training would come to a halt.
"""
_lock = threading.Lock()
_inside: list[float] = []


@contextmanager
def giving_way() -> Iterator[None]:
    """Within it the threads of this process take turns more often. Several threads may be within at once."""
    with _lock:
        _inside.append(sys.getswitchinterval())
        sys.setswitchinterval(min(_inside[0], INTERVAL))
    try:
        yield
    finally:
        with _lock:
            before = _inside[0]
            _inside.pop()
            if not _inside:
                sys.setswitchinterval(before)
