"""The lines at the end of a training, and the same numbers for the tracker."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

from translate.device import Precision
from translate.text import number
from translate.training.engine import Engine
from translate.training.fast.layers import layers_of
from translate.training.fast.tuner import SETTLING, unchanged
from translate.training.fast.variant import Variant
from translate.training.replay.compiled import plain_networks
from translate.training.saving.state import TrainingState
from translate.training.speed.clock import COMPUTING, Clock
from translate.training.speed.flops import FlopCount
from translate.training.speed.peak import peak

ORDER = (
    "data", "transfer", "forward", "backward", "exchange", "optimizer", "replay",
    "validation", "saving", "trial", "health",
)  # fmt: skip
"""The parts, as they are listed. `exchange` averages gradients over all processes, and waits for the others."""
WORTH_IT = 60.0
"""Seconds of a training from which on its end may take a third of a second more."""
ROW, ROWS = 16, 4
"""Steps that are counted in a row, and rows: lazy regularisers act at every 16th step or more often."""
IN_PLACE, ASIDE = 25, 150
"""Of how many steps one may be counted, while it is computed, and where it is computed once more for that."""


@contextmanager
def plainly(engine: Engine) -> Iterator[None]:
    """While it is open an engine computes steps as they come, by torch's own layers, which are not compiled."""
    stepper, layers = engine.stepper, engine.layers
    calls = {name: net._compiled_call_impl for name, net in engine.nets.items()}
    engine.stepper, engine.layers = None, layers_of(Variant(), engine.nets.values(), engine.device)
    plain_networks(engine)
    try:
        yield
    finally:
        engine.stepper, engine.layers = stepper, layers
        for name, net in engine.nets.items():
            net._compiled_call_impl = calls[name]


def places(steps: int, one_of: int) -> frozenset[int]:
    """The steps to count: at most one of so many, in rows all over a training, of which each has what a method does at
    every 2nd, 4th, 8th or 16th step in its share. Where one alone is counted it is the first."""
    count = steps // one_of
    if count < 2:
        return frozenset({0})
    row, rows = min(ROW, count), max(1, min(ROWS, count // ROW))
    # a quarter into each part: a training that stops early has been counted
    starts = [int(steps * (number + 0.25) / rows) for number in range(rows)]
    return frozenset(start + number for start in starts for number in range(row))


class Speed:
    """Measures a training from `begin` on: `clock` has the time of its parts, `counted` stands around its steps.

    Some steps are counted, since they do not compute alike: a regulariser may be lazy, players may take turns.
    """

    def __init__(self, clock: Clock, device: torch.device) -> None:
        self.clock, self.device = clock, device
        self._counts: list[int] = []
        self._places: frozenset[int] | None = None
        self._steps, self._done = 1, 0
        self._began = time.perf_counter()

    def begin(self, steps: int) -> None:
        """Starts the time of a training of so many steps."""
        self.clock.seconds.clear()
        self._steps, self._began = steps, time.perf_counter()

    def counted(
        self, state: TrainingState, batches: Sequence[Mapping[str, Tensor]], epoch: int = 0
    ) -> AbstractContextManager[object]:
        """Counts the operations of the step that is computed in it, if it is one of those that are counted."""
        variant = state.engine.choice.variant
        # Quick layers multiply more than the method asks for, with zeros, to be faster; and under a count torch would
        # leave what is compiled for what is not. So the count has a step of its own.
        aside = variant.layers != "plain" or variant.step == "compile"
        if self._places is None:
            self._places = places(self._steps, ASIDE if aside else IN_PLACE)
            if variant.step == "graph":  # the recorded one is the last of them, and replays show nothing
                self._places = frozenset(range(SETTLING))
            elif variant.step == "compile":  # what has been put back would be compiled anew
                self._places = frozenset({0})
        counts = self._done in self._places
        self._done += 1
        if not counts:
            return nullcontext()
        if not aside:
            return self._counting()
        with unchanged(state), plainly(state.engine), self._counting():
            state.engine.step(batches, epoch)
        return nullcontext()

    @contextmanager
    def _counting(self) -> Iterator[None]:
        with FlopCount() as count:
            yield
        if count.flops:
            self._counts.append(count.flops)

    @property
    def flops(self) -> float:
        """Operations of a step: the mean of those that were counted; 0 before the first one."""
        return statistics.mean(self._counts) if self._counts else 0.0

    def _counted_steps(self) -> str:
        """What was counted, in words."""
        if len(self._counts) == 1:
            return "counted in one step"
        least, most = min(self._counts), max(self._counts)
        if least == most:
            return f"the same in {len(self._counts)} counted steps"
        return f"mean of {len(self._counts)} counted steps, {number(least / 1e9, 3)} to {number(most / 1e9, 3)}"

    def report(self, steps: int, images: int, precision: Precision) -> tuple[list[str], dict[str, float]]:
        """What to say of so many steps on so many images, and the numbers by the names of their curves."""
        seconds = time.perf_counter() - self._began
        self.clock.read()
        parts = {name: self.clock.seconds[name] for name in ORDER if self.clock.seconds[name] > 0}
        parts["other"] = max(seconds - sum(parts.values()), 0.0)
        waited = parts.get("data", 0.0) / seconds
        lines = [
            f"{steps:,} steps in {seconds:.0f} s, {images / seconds:.1f} images/s, "
            f"waiting for data {100 * waited:.1f} % of the time",
            "time: " + ", ".join(f"{name} {100 * part / seconds:.1f} %" for name, part in parts.items()),
        ]
        numbers = {"images_per_second": images / seconds, "data_wait": waited}
        numbers |= {f"seconds/{name}": part for name, part in parts.items()}
        computing = sum(part for name, part in parts.items() if name in COMPUTING)
        if self.flops and computing:
            rate = self.flops * steps / computing
            most = self._peak(rate, seconds, precision)
            share = rate / most
            step, reached, possible = (number(value, 3) for value in (self.flops / 1e9, rate / 1e12, most / 1e12))
            lines.append(
                f"{step} GFLOP a step ({self._counted_steps()}), {reached} TFLOP/s in the steps: {share:.0%} of the "
                f"{possible} that this device was measured to reach in {precision}"
            )
            numbers |= {"flops_per_second": rate, "share_of_peak": share}
        return lines, numbers

    def _peak(self, rate: float, seconds: float, precision: Precision) -> float:
        """The device's peak. It is measured again where that takes little beside the training, or where the training
        was faster: the device may have had other work when it was measured."""
        most = 0.0 if seconds > WORTH_IT else peak(self.device, precision)
        return most if most >= rate and most > 0 else peak(self.device, precision, anew=True)
