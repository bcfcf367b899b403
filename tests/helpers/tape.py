"""A recording of tensor operations on a processor, which does what a CUDA graph does: the same work on the same memory.

Python runs once, while it is recorded. A replay runs the operations alone, and writes what each made to where it lay
then. What was changed while recording is put back, since a recording does no work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class TapeGraph:
    """Stands for `CudaGraph`."""

    def __init__(self, device: torch.device) -> None:
        self.tape = _Tape()

    def record(self, work: Callable[[], None], rng: torch.Generator) -> None:
        states = torch.get_rng_state(), rng.get_state()
        try:
            with self.tape:
                work()
        finally:
            torch.set_rng_state(states[0])
            rng.set_state(states[1])
            for storage, before in self.tape.changed.values():
                storage.copy_(before)

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, outputs in self.tape.calls:
            results = func(*args, **kwargs)
            for result, place in zip(_tensors(results), outputs, strict=True):
                if result.data_ptr() != place.data_ptr():
                    place.copy_(result)


class _Tape(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self.changed: dict[int, tuple[Any, Any]] = {}
        self.made: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        # batch norms change their running averages, and do not say so
        if func._schema.is_mutable or func is torch.ops.aten.native_batch_norm.default:
            for value in _tensors((args, kwargs)):
                storage = value.untyped_storage()
                if storage.data_ptr() not in self.made | {*self.changed}:
                    self.changed[storage.data_ptr()] = storage, storage.clone()
        outputs = func(*args, **kwargs)
        # kept, so that no other tensor takes their memory
        self.calls.append((func, args, kwargs, [value.detach() for value in _tensors(outputs)]))
        known = {value.untyped_storage().data_ptr() for value in _tensors((args, kwargs))}
        self.made |= {value.untyped_storage().data_ptr() for value in _tensors(outputs)} - known
        return outputs


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]
