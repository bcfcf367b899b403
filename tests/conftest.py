"""What holds for all tests."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each worker has a core: threads of several processes on the same cores wait for each other in turn, which takes
    # five times as long. Here, since torch reads it once, when it is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
