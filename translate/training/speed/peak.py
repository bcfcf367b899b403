"""The most that a device computes in a precision, as measured here by matrix products and a convolution."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.device import Precision, kind_of
from translate.inference.fast.verdicts import cache_folder
from translate.storage.atomic import digest, write_text

SECONDS = 0.3
"""Length of a measurement."""
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_SIDES = {"cuda": (4096, 8192)}
"""Sides of the square matrices; of other devices 512, 1024 and 2048."""


def peak(device: torch.device, precision: Precision, *, anew: bool = False) -> float:
    """Operations a second, measured once for a kind of device, its threads, a precision and a version of torch.

    It lies in `$XDG_CACHE_HOME/translate/peak` (`~/.cache`). `anew` measures again, and keeps the larger of the two.
    """
    threads = torch.get_num_threads() if device.type == "cpu" else 0
    short = device.type == "cuda" and torch.backends.cuda.matmul.allow_tf32
    key = digest([torch.__version__, kind_of(device), threads, precision, short])
    file = cache_folder("peak") / f"{key}.json"
    known = 0.0
    with suppress(OSError, ValueError, TypeError, KeyError):
        known = float(json.loads(file.read_text("utf-8"))["operations_per_second"])
    if known > 0 and not anew:
        return known
    largest = max(known, measure(device, precision))
    with suppress(OSError):  # then the next training measures again
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps({"operations_per_second": largest}))
    return largest


def measure(device: torch.device, precision: Precision, seconds: float = SECONDS) -> float:
    """The most operations a second of a few products in about so many seconds. No random number is drawn."""
    until, best = time.perf_counter() + seconds, 0.0
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        for compute, operations in _works(device, _TYPES[precision]):
            if best and operations / best > until - time.perf_counter():
                break
            _timed(compute, device)  # chooses kernels
            for _ in range(3):
                best = max(best, operations / _timed(compute, device))
        while time.perf_counter() < until:
            best = max(best, operations / _timed(compute, device))
    return best


def _works(device: torch.device, kind: torch.dtype) -> Iterator[tuple[Callable[[], Tensor], float]]:
    """Things to compute with their numbers of operations, the smallest first."""
    for side in _SIDES.get(device.type, (512, 1024, 2048)):
        matrix = torch.full((side, side), 0.01, dtype=kind, device=device)
        yield partial(torch.mm, matrix, matrix), 2.0 * side**3
    images = torch.full((8, 256, 64, 64), 0.01, dtype=kind, device=device)
    filters = torch.full((256, 256, 3, 3), 0.01, dtype=kind, device=device)
    images, filters = (each.to(memory_format=torch.channels_last) for each in (images, filters))
    yield partial(F.conv2d, images, filters), 2.0 * 8 * 62**2 * 256**2 * 9


def _timed(compute: Callable[[], Tensor], device: torch.device) -> float:
    began = time.perf_counter()
    compute()
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter() - began
