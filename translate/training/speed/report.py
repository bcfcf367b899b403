"""The lines at the end of a training, and the same numbers for the tracker."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

from translate.device import Precision
from translate.text import number
from translate.training.engine import Engine
from translate.training.fast.layers import layers_of
from translate.training.fast.tuner import unchanged
from translate.training.fast.variant import Variant
from translate.training.replay.compiled import plain_networks
from translate.training.saving.state import TrainingState
from translate.training.speed.clock import ON_DEVICE, Clock
from translate.training.speed.flops import FlopCount
from translate.training.speed.peak import peak

ORDER = ("data", "transfer", "forward", "backward", "optimizer", "replay", "validation", "saving", "trial", "health")
"""The parts, as they are listed."""
WORTH_IT = 60.0
"""Seconds of a training from which on its end may take a third of a second more."""


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


class Speed:
    """Measures a training from `begin` on: `clock` has the time of its parts, `counted` stands around its steps.

    The first step in this process is counted; the others compute as much.
    """

    def __init__(self, clock: Clock, device: torch.device) -> None:
        self.clock, self.device = clock, device
        self._count: FlopCount | None = None
        self._began = time.perf_counter()

    def begin(self) -> None:
        """Starts the time."""
        self.clock.seconds.clear()
        self._began = time.perf_counter()

    def counted(self, state: TrainingState, batches: Sequence[Mapping[str, Tensor]]) -> AbstractContextManager[object]:
        """Counts the operations of the first step that is computed in it."""
        if self._count is not None:
            return nullcontext()
        self._count = FlopCount()
        variant = state.engine.choice.variant
        if variant.layers == "plain" and variant.step != "compile":
            return self._count
        # Quick layers multiply more than the method asks for, with zeros, to be faster; and under a count torch would
        # leave what is compiled for what is not. So the count has a step of its own.
        with unchanged(state), plainly(state.engine), self._count:
            state.engine.step(batches, 0)
        return nullcontext()

    @property
    def flops(self) -> int:
        """Operations of a step; 0 before the first one."""
        return self._count.flops if self._count else 0

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
        computing = sum(part for name, part in parts.items() if name in ON_DEVICE)
        if self.flops and computing:
            rate = self.flops * steps / computing
            most = self._peak(rate, seconds, precision)
            share = rate / most
            step, reached, possible = (number(value, 3) for value in (self.flops / 1e9, rate / 1e12, most / 1e12))
            lines.append(
                f"{step} GFLOP a step, {reached} TFLOP/s in the steps: {share:.0%} of the {possible} that this device "
                f"was measured to reach in {precision}"
            )
            numbers |= {"flops_per_second": rate, "share_of_peak": share}
        return lines, numbers

    def _peak(self, rate: float, seconds: float, precision: Precision) -> float:
        """The device's peak. It is measured again where that takes little beside the training, or where the training
        was faster: the device may have had other work when it was measured."""
        most = 0.0 if seconds > WORTH_IT else peak(self.device, precision)
        return most if most >= rate and most > 0 else peak(self.device, precision, anew=True)
