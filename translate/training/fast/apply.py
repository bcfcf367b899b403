"""Puts networks, optimizers and images into the order in memory that a variant computes in, and sets its threads."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from translate.training.fast.variant import MemoryFormat

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
_ELEMENTWISE = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.Adagrad)
"""Optimizers with a fused form that treat each number by itself."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h
_USUAL, _KEPT = 32 << 20, 1 << 30
"""Bytes of a block from which on the library asks the system for it alone: its own largest value, and a larger one."""
_KEEPING: set[bool] = set()
"""Not empty once memory was kept."""
_THREADS: list[int] = []
"""The threads that torch took by itself, once a variant has set others."""


def lay_out(nets: Iterable[nn.Module], optimizers: Iterable[torch.optim.Optimizer], order: MemoryFormat) -> None:
    """Puts weights, their gradients and what optimizers keep of them into this order. No value changes."""
    for net in nets:
        net.to(memory_format=FORMATS[order])  # type: ignore[call-overload]
    for optimizer in optimizers:
        for param, slots in optimizer.state.items():
            for name, value in slots.items():
                # fused kernels walk memory in order: a moment has to lie like its parameter
                if isinstance(value, Tensor) and value.shape == param.shape and value.stride() != param.stride():
                    slots[name] = torch.empty_like(param, dtype=value.dtype).copy_(value)


def laid_out(batch: Mapping[str, Tensor], order: MemoryFormat) -> Mapping[str, Tensor]:
    """A batch with its images in this order; labels have three dimensions and no channels to lay last."""
    if order == "contiguous":
        return batch
    return {side: v.contiguous(memory_format=FORMATS[order]) if v.ndim == 4 else v for side, v in batch.items()}


@contextmanager
def as_they_lie(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Shows channels-last weights to a fused optimizer of a processor as tensors whose dimensions follow memory.

    Its kernel walks memory in order, and makes a copy of each gradient that is not contiguous, which takes longer than
    the step. What it computes goes element by element, so that no value changes. Other optimizers, which may look at
    shapes, and other devices are left alone.
    """
    turned = [*_channels_last_of(optimizer)]
    _turn(optimizer, turned, (0, 2, 3, 1))
    try:
        yield
    finally:
        _turn(optimizer, turned, (0, 3, 1, 2))


def _channels_last_of(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    if type(optimizer) not in _ELEMENTWISE:
        return
    for group in optimizer.param_groups:
        for param in group["params"] if group.get("fused") else ():
            lies = param.dim() == 4 and param.is_contiguous(memory_format=torch.channels_last)
            if lies and not param.is_contiguous() and param.grad is not None and param.device.type == "cpu":
                yield param


def _turn(optimizer: torch.optim.Optimizer, params: Iterable[Tensor], order: tuple[int, ...]) -> None:
    """Permutes the dimensions of weights, of their gradients, and of what an optimizer keeps of them; memory stays."""
    for param in params:
        grad, shape = param.grad, param.shape
        assert grad is not None
        param.grad = None
        param.data = param.data.permute(order)
        param.grad = grad.permute(order)
        slots = optimizer.state.get(param, {})
        for name, value in slots.items():
            if isinstance(value, Tensor) and value.shape == shape:
                slots[name] = value.permute(order)


def use_threads(count: int | None) -> None:
    """Computes with so many threads; None: with as many as torch takes by itself."""
    if count is None and not _THREADS:
        return
    if not _THREADS:
        _THREADS.append(torch.get_num_threads())
    torch.set_num_threads(count or _THREADS[0])


def keep_memory(keep: bool) -> None:
    """Lets the C library keep freed memory for the next step, or give it back as it does by itself.

    Steps allocate the same large tensors again and again. glibc gives blocks of 32 MB back to the system and gets new
    ones, whose pages are cleared one by one: up to a fifth of a step. Other libraries are left alone.
    """
    library = _c_library()
    if library is None or (not keep and not _KEEPING):
        return
    _KEEPING.add(True)
    library.mallopt(_MMAP_THRESHOLD, _KEPT if keep else _USUAL)
    library.mallopt(_TRIM_THRESHOLD, 2 * _KEPT - 1 if keep else 2 * _USUAL)


def give_memory_back() -> None:
    """Ends `keep_memory`, and gives the system what is kept."""
    library = _c_library()
    if library is not None and _KEEPING:
        keep_memory(False)
        library.malloc_trim(0)
        _KEEPING.clear()


@cache
def _c_library() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL("libc.so.6")
    except OSError:  # musl
        return None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
