"""Numbers of a training that stay on the device until somebody asks: means of losses, and the first that went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from translate.device import wide_type
from translate.distributed.world import World, joined_sums

FOLLOWED = 720
"""Steps whose values are remembered one by one."""


class Meters:
    """Sums and counts of losses, gradient norms and rates since the last log step, on `device`.

    `sums` holds by name a tensor of two, the sum and the count, in the widest type of the device. `bad` holds, by term,
    the first step at which it was not finite, or -1. `rings` hold by name the values of the last `FOLLOWED` steps, that
    of step n at place n modulo `FOLLOWED`, and infinity where there was none. `latest` are the sums and counts of this
    process at the last `read`.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.wide = device, wide_type(device)
        self.sums: dict[str, Tensor] = {}
        self.bad: dict[str, Tensor] = {}
        self.rings: dict[str, Tensor] = {}
        self.latest: Mapping[str, Sequence[float]] = {}

    def add(self, name: str, value: Tensor, left_out: Tensor | None = None) -> None:
        """Adds a scalar to the mean of `name`, but where `left_out` is true."""
        value = value.detach().to(self.device, self.wide)  # float32 would round long sums
        if name not in self.sums:
            self.sums[name] = torch.zeros(2, dtype=self.wide, device=self.device)
        both = torch.stack((value, torch.ones_like(value)))
        self.sums[name] += both if left_out is None else both.masked_fill(left_out, 0)

    def mark(self, name: str, value: Tensor, step: int | Tensor, left_out: Tensor | None = None) -> None:
        """Remembers the first step at which the scalar `value` was not finite, but where `left_out` is true."""
        if name not in self.bad:
            self.bad[name] = torch.full((), -1, dtype=torch.long, device=self.device)
        first = (self.bad[name] < 0) & ~value.detach().isfinite()
        if left_out is not None:
            first &= ~left_out
        # in place, with a number or one on the device: torch.where would copy a number there, and wait for it
        self.bad[name].masked_fill_(first, step)

    def follow(self, name: str, value: Tensor, step: int | Tensor) -> None:
        """Remembers the scalar `value` as that of a step."""
        if name not in self.rings:
            self.rings[name] = torch.full((FOLLOWED,), float("inf"), dtype=self.wide, device=self.device)
        if isinstance(step, int):
            self.rings[name][step % FOLLOWED].copy_(value.detach())
        else:  # of a recorded step
            row = value.detach().to(self.wide).reshape(1)
            self.rings[name].index_copy_(0, (step % FOLLOWED).reshape(1), row)

    def series(self, names: Sequence[str], step: int) -> dict[str, np.ndarray[Any, Any]]:
        """The values of the steps before `step`, the last one at the end, by name: one transfer for all of them."""
        if not names:
            return {}
        rows = torch.stack([self.rings[name] for name in names]).double().cpu().numpy()  # waits for the device
        places = np.arange(max(0, step - FOLLOWED), step) % FOLLOWED
        return {name: row[places] for name, row in zip(names, rows, strict=True)}

    def read(self, world: World) -> dict[str, float]:
        """The means since the last call: one transfer for all of them. With other processes the mean is that of all,
        and all of them have to call it."""
        sums: Mapping[str, Sequence[float]] = self.peek()
        self.latest = sums
        if self.sums:
            # in place: a recorded step adds to them where they lie, and must not be the one that makes them
            torch._foreach_zero_(list(self.sums.values()))
        if world.shared:
            sums = joined_sums(world.gather(sums))
        return {name: total / count for name, (total, count) in sums.items() if count}

    def peek(self) -> dict[str, list[float]]:
        """The sum and the count of each mean since the last `read`, of this process: one transfer for all of them."""
        values = torch.stack(list(self.sums.values())).tolist() if self.sums else []  # waits for the device
        return dict(zip(self.sums, values, strict=True))

    def names(self) -> set[str]:
        """What was met so far."""
        return {*self.sums, *self.bad, *self.rings}

    def forget(self, names: Iterable[str]) -> None:
        """Drops what was met by these names."""
        for name in names:
            for values in (self.sums, self.bad, self.rings):
                values.pop(name, None)

    def first_fault(self, files: Mapping[int, str], world: World) -> tuple[int, str, str] | None:
        """The first term since the start that was not finite: its step, its name, and ` on IMAGES` where `files`, names
        of images by step, know them; with other processes the first of all, in each of them."""
        faults = self._faults(files)
        if world.shared:
            faults = list(chain.from_iterable(world.gather(faults)))
        if not faults:
            return None
        step, _, name, where = min(faults)
        return step, name, where

    def _faults(self, files: Mapping[int, str]) -> list[tuple[int, int, str, str]]:
        """The terms that were not finite, each with its first step, its place in the order, and where that was."""
        if not self.bad:
            return []
        steps = torch.stack(list(self.bad.values())).tolist()  # waits for the device
        # the first step counts; of one step the term that was met first, since it made the others so
        faults = []
        for order, (name, step) in enumerate(zip(self.bad, steps, strict=True)):
            if step >= 0:
                faults.append((step, order, name, f" on {files[step]}" if step in files else ""))
        return faults
