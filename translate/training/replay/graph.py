"""What records the work of a step and does it again: a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch


class Graph(Protocol):
    """Work on tensors that was recorded once."""

    def record(self, work: Callable[[], None], rng: torch.Generator) -> None:
        """Records what `work` asks of the device, which does none of it. Draws from torch's generator of the device and
        from `rng` are drawn anew at each replay. Errors: any, where something of it cannot be recorded."""

    def replay(self) -> None:
        """Does the work again, on the same memory."""


class CudaGraph:
    """A graph of CUDA."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._graph = torch.cuda.CUDAGraph()

    def record(self, work: Callable[[], None], rng: torch.Generator) -> None:
        """As of `Graph`."""
        self._graph.register_generator_state(rng)
        # `thread_local`: threads that pin the next batch may call CUDA meanwhile
        with torch.cuda.device(self.device), torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            work()

    def replay(self) -> None:
        """As of `Graph`."""
        self._graph.replay()


@contextmanager
def beside(device: torch.device) -> Iterator[None]:
    """Queues work on a stream of its own, as the steps before a recording need it: libraries then choose their kernels
    and take their memory outside of the default stream."""
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream(device).wait_stream(stream)
