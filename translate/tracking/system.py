"""Measures how a run uses the machine, without another dependency; MLflow shows it as system metrics."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from pathlib import Path

from translate.tracking.journal import Journal

MEGABYTE = 1e6


class Sampler:
    """Writes `system/...` metrics to a journal every few seconds, from a thread of its own, until it is closed."""

    def __init__(self, journal: Journal, every: float = 10.0) -> None:
        self._journal = journal
        self._every = every
        self._stop = threading.Event()
        self._cpu = (time.monotonic(), sum(os.times()[:4]))
        self._thread = threading.Thread(target=self._loop, name="translate-system-metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _loop(self) -> None:
        step = self._journal.last("system/cpu_utilization_percentage")
        while not self._stop.wait(self._every):
            step += 1
            self._journal.append("metrics", s=step, v=self._sample())

    def _sample(self) -> dict[str, float]:
        now, used = time.monotonic(), sum(os.times()[:4])
        share = 100 * (used - self._cpu[1]) / max(now - self._cpu[0], 1e-9)
        self._cpu = (now, used)
        values = {
            "system/cpu_utilization_percentage": share / (os.cpu_count() or 1),
            "system/disk_available_megabytes": shutil.disk_usage(self._journal.folder).free / MEGABYTE,
        }
        status = Path("/proc/self/statm")
        if status.is_file():
            # the second field is the resident memory, in pages
            pages = int(status.read_text(encoding="ascii").split()[1])
            values["system/process_memory_megabytes"] = pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE
        return values | _gpus()


def _gpus() -> dict[str, float]:
    """Memory of the devices that this process already uses; it initialises none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    values = {}
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        values[f"system/gpu_{index}_memory_usage_megabytes"] = (total - free) / MEGABYTE
    return values
