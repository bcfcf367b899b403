"""The processes that train together: what they average, hand out, collect and agree on.

Control messages and what lies on a CPU go through gloo; gradients on CUDA devices through NCCL. A process alone has a
`World` as well, which calls none of that: whoever uses one asks `shared` first where the answer would cost anything.
"""

from __future__ import annotations

import atexit
import faulthandler
import gc
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed as dist, nn

from translate.distributed.place import ALONE, LAUNCHED, Place, place
from translate.errors import StageError, Stopped

T = TypeVar("T")

PATIENCE = timedelta(days=1)
"""How long a process waits for the others in one call: rank 0 may be scoring with something slow."""
_PAUSE = 0.1
"""Seconds between two looks for the next message of rank 0."""
_MESSAGE, _TOLD, _FAILED = "translate/message", "translate/told", "translate/failed"
_ALIKE = 60.0
"""Seconds within which processes that fail alike have all failed."""
_ENDING = 2.0
"""Seconds within which a process that fails has said why."""


class LostError(StageError):
    """Another process has ended, so that this one cannot go on."""


class World:
    """This process and the others, who meet at the `store` of torch; `World()` is a process alone.

    Every method that talks to others has to be called by all of them, in one order. Errors: LostError where one of them
    has ended.
    """

    def __init__(self, where: Place = ALONE, store: Any = None) -> None:
        self.place, self._store = where, store
        self.rank, self.size, self.shared, self.leads = where.rank, where.size, where.shared, where.leads
        self._device_group: dist.ProcessGroup | None = None
        self._messages = self._sums = 0

    def use(self, device: torch.device | str) -> None:
        """Prepares for tensors on a device."""
        if self.shared and torch.device(device).type == "cuda" and self._device_group is None:
            with _lost():
                self._device_group = dist.new_group(backend="nccl", timeout=PATIENCE)

    # ----------------------------------------------------------------------------------------------- gradients

    def average(self, params: Sequence[nn.Parameter], finite: Tensor) -> Tensor:
        """Replaces the gradients by their means over all processes; returns whether all of them were `finite`.

        All gradients travel in one flat tensor, with a mark for each parameter that has one here. A parameter that no
        process has a gradient for keeps none, so that its optimizer leaves it alone.
        """
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in params]
        there = [p.grad is not None for p in params]
        marks = grads[0].new_ones(len(params) + 1)  # on the device: a list would be copied there, which waits for it
        for mark, has in zip(marks, there, strict=False):
            if not has:
                mark.zero_()
        marks[-1] = (~finite).to(marks.dtype)
        flat = torch.cat([*(grad.reshape(-1) for grad in grads), marks])
        self._sum(flat)
        *sums, marks = torch.split(flat, [*(grad.numel() for grad in grads), len(marks)])
        # Read only where a gradient is missing here: on a GPU that waits for the other processes.
        anywhere = there if all(there) else (marks[:-1] > 0).tolist()
        for param, grad, total, has in zip(params, grads, sums, anywhere, strict=True):
            if has:
                # copied, not taken: fused optimizers want a gradient that lies as its parameter does
                grad.copy_(total.view_as(grad)).div_(self.size)
                param.grad = grad
        all_finite: Tensor = marks[-1] == 0
        return all_finite

    def add(self, values: Sequence[Tensor]) -> None:
        """Replaces each tensor by its sum over all processes."""
        for value in values:
            self._sum(value)

    def _sum(self, value: Tensor) -> None:
        self._sums += 1
        with _lost():
            dist.all_reduce(value, group=self._group(value))

    # -------------------------------------------------------------------------------------------------- tensors

    def hand_out(self, tensors: Iterable[Tensor]) -> None:
        """Overwrites tensors by those of rank 0."""
        with _lost(), torch.no_grad():
            for tensor in tensors:
                dense = tensor.detach().contiguous()  # channels-last is no plain memory
                dist.broadcast(dense, 0, group=self._group(dense))
                if dense.data_ptr() != tensor.data_ptr():
                    tensor.copy_(dense)

    def _group(self, tensor: Tensor) -> dist.ProcessGroup | None:
        return self._device_group if tensor.is_cuda else None

    # -------------------------------------------------------------------------------------------------- objects

    def gather(self, value: T) -> list[T]:
        """The values of all processes, in the order of their ranks, on every process."""
        values: list[Any] = [None] * self.size
        with _lost():
            dist.all_gather_object(values, value)
        return values

    def collect(self, value: T) -> list[T]:
        """The values of all processes on rank 0, for what is large; nothing on the others."""
        values: list[Any] | None = [None] * self.size if self.leads else None
        with _lost():
            dist.gather_object(value, values)
        return values or []

    def decided(self, decide: Callable[[], T]) -> T:
        """The value that rank 0 computes, on every process."""
        if not self.shared:
            return decide()
        values = [decide() if self.leads else None]
        with _lost():
            dist.broadcast_object_list(values)
        return cast(T, values[0])

    def largest(self, *numbers: int) -> list[int]:
        """The largest of each number over all processes."""
        values = torch.tensor(numbers)
        with _lost():
            dist.all_reduce(values, dist.ReduceOp.MAX)
        return values.tolist()

    def all_failed(self, work: str) -> bool:
        """Tells whether all processes have failed in this work, which no other has the words of, at the same place.

        Only a process that has failed calls it: the others may wait for it in a call of all, and will for long.
        """
        if not self.shared:
            return True
        assert self._store is not None
        key, until = f"{_FAILED}/{work}/{self._sums}", time.monotonic() + _ALIKE
        self._store.add(key, 1)
        while self._store.add(key, 0) < self.size:
            if time.monotonic() > until:
                return False
            time.sleep(_PAUSE)
        return True

    def spread(self, items: Sequence[T], work: Callable[[T], Any]) -> list[Any]:
        """`[work(item) for item in items]` on rank 0, each process doing its part; nothing on the others."""
        if not self.shared:
            return [work(item) for item in items]
        parts = self.collect([work(item) for item in items[self.rank :: self.size]])
        results: list[Any] = [None] * len(items) if self.leads else []
        for rank, part in enumerate(parts):
            results[rank :: self.size] = part
        return results

    # ------------------------------------------------------------------------------------------------- messages

    def tell(self, message: Mapping[str, Any] | None) -> None:
        """On rank 0: gives the others something to do together, or with None the end. Others may wait for long."""
        assert self._store is not None
        self._store.set(f"{_MESSAGE}/{self._messages}", json.dumps(message))
        self._messages += 1

    def hear(self) -> dict[str, Any] | None:
        """On the others: the next message of rank 0, however long that takes. Errors: LostError."""
        assert self._store is not None
        key = f"{_MESSAGE}/{self._messages}"
        with _lost():
            # Asked again and again: within the store's own call no signal would be heard.
            while not self._store.check([key]):
                time.sleep(_PAUSE)
            message: dict[str, Any] | None = json.loads(self._store.get(key))
        self._messages += 1
        return message

    def lost_before(self, stop: Stopped) -> LostError | None:
        """The LostError that this process was leaving its work for when it was asked to stop, if there is one:
        `torchrun` asks all others to stop as soon as one has ended."""
        error = stop.__context__
        while error is not None and not isinstance(error, LostError):
            error = error.__context__
        return error

    def tells(self, error: BaseException) -> bool:
        """Whether this process is the one to tell of an error that ends it: the first one that knows more than that
        another one has ended."""
        if self._store is None:
            return True
        lost = isinstance(error, LostError) or isinstance(error.__cause__, LostError)
        if lost:
            # Whoever ended has said why by then, unless it was killed. `torchrun` asks the others to stop meanwhile.
            with suppress(Stopped):
                time.sleep(_ENDING)
        try:
            return bool(self._store.add(_TOLD, 1) == 1 and not (lost and LAUNCHED in os.environ))
        except RuntimeError:  # the store went with rank 0, which has said why, unless it was killed
            return not lost

    def abandon(self) -> None:
        """Sees to it that this process ends soon after an error, also where its GPU waits for one that is gone."""
        if self._device_group is not None:
            # a thread of C, which works while the interpreter is held up at its end
            faulthandler.dump_traceback_later(5 * _ENDING, exit=True, file=os.open(os.devnull, os.O_WRONLY))

    def part(self) -> None:
        """Waits for all others at the end of a run."""
        with _lost():
            dist.barrier()
            if self._device_group is not None:
                dist.destroy_process_group(self._device_group)
                self._device_group = None


def joined_sums(sums: Iterable[Mapping[str, Sequence[float]]]) -> dict[str, tuple[float, float]]:
    """The sums and counts of all processes, added up by name."""
    totals: dict[str, tuple[float, float]] = {}
    for each in sums:
        for name, (total, count) in each.items():
            before, counted = totals.get(name, (0.0, 0.0))
            totals[name] = (before + total, counted + count)
    return totals


@contextmanager
def _lost() -> Iterator[None]:
    """Turns what torch raises when another process is gone into LostError."""
    try:
        yield
    except RuntimeError as error:
        raise LostError(
            "another process of this training has ended without a word, most likely killed since memory ran out; the "
            "same command goes on from the last checkpoint"
        ) from error


_ALONE = World()
_JOINED: list[World] = []


def world() -> World:
    """The processes that this one has joined; it is alone as long as it has joined none."""
    return _JOINED[0] if _JOINED else _ALONE


def join() -> World:
    """Meets the other processes that the environment names, once. Errors: StageError where they do not come."""
    where = place()
    if _JOINED or not where.shared:
        return world()
    try:
        dist.init_process_group("gloo", timeout=PATIENCE, rank=where.rank, world_size=where.size)
    except (RuntimeError, ValueError) as error:
        raise StageError(f"process {where.rank} of {where.size} cannot meet the others: {error}") from error
    atexit.register(_leave)
    _JOINED.append(World(where, dist.distributed_c10d._get_default_store()))
    return _JOINED[0]


def _leave() -> None:
    """Ends the threads of gloo before the interpreter ends: one that wants it then aborts the process."""
    _JOINED.clear()
    dist.destroy_process_group()
    gc.collect()  # a group that lies in a circle would go later
