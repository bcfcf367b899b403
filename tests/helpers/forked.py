"""Work in a forked process, which has all imports and costs no start of an interpreter."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

PATIENCE = 120
"""Seconds after which a forked process is ended by an alarm."""


def forked(work: Callable[[], Any]) -> int:
    """Starts `work` in a forked process and returns its number. The process ends with code 0, with that of SystemExit,
    or with 1 for an error, which it prints; nothing of its parent is run at its end."""
    child = os.fork()
    if child:
        return child
    code = 1
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # not the handler of a test with a time limit
    signal.alarm(PATIENCE)
    try:
        work()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
