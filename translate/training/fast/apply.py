"""Puts networks, optimizers and images into the order in memory that a variant computes in, and sets its threads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from translate.training.fast.variant import MemoryFormat

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
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


def use_threads(count: int | None) -> None:
    """Computes with so many threads; None: with as many as torch takes by itself."""
    if count is None and not _THREADS:
        return
    if not _THREADS:
        _THREADS.append(torch.get_num_threads())
    torch.set_num_threads(count or _THREADS[0])
