"""The trial that picks a variant: real steps of a training, in turns, on a state that is put back afterwards.

It takes the first batch, which the training then takes as well, and at most a sixtieth of the time that the training is
expected to need. What it leaves behind is its choice alone: weights, optimizers, pools, meters, counters and generators
are as they were, so that a training with a trial equals, bit for bit, one whose pipeline fixes what the trial chose.
"""

from __future__ import annotations

import copy
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from translate.errors import StageError
from translate.training.engine import Engine
from translate.training.fast.variant import MemoryFormat, Variant
from translate.training.replay.compiled import TRIED
from translate.training.replay.replayer import WARM_UP
from translate.training.saving.registry import put_back, taken
from translate.training.saving.state import TrainingState

LEAST_STEPS, LEAST_SECONDS = 300, 60.0
"""Shorter trainings are not worth a trial."""
SHARE = 1 / 60
"""Of the expected time of the training, that a trial may take: with a first step of a way that takes longer than the
others, it stays below three per cent."""
GAIN, SMALL_GAIN = 1.05, 1.1
"""How many times as fast another variant has to be, and one that seldom differs: what is below may be chance."""
CLEAR, ROUNDS = 1.25, 5
"""A ratio after which no further rounds are needed, and the most that are made."""
SETTLING = max(WARM_UP, TRIED) + 1
"""Steps after which a recorded or compiled one runs as all further ones."""
COMPILING = 300.0
"""Seconds that a trial needs to try compiled networks."""

Batches = Sequence[Mapping[str, Tensor]]


class Tuner:
    """Tries variants once, at the first step of a training that asks for it (`fast: auto`).

    `steps` are those that are left of the training. `stopped` says that a signal has asked to stop: the trial then
    ends, and is made again when the training goes on. `seconds` is what it took.
    """

    def __init__(
        self, state: TrainingState, steps: int, say: Callable[[str], None], stopped: Callable[[], bool]
    ) -> None:
        self.state, self.engine, self.steps, self.say, self.stopped = state, state.engine, steps, say, stopped
        self.seconds = 0.0
        self._began = self._last = 0.0
        self._least = math.inf
        self._worth_it = False

    @property
    def _budget(self) -> float:
        """Seconds that the trial may take, by the quickest step so far: others were held up by something else."""
        return SHARE * self._least * self.steps

    def choose(self, batches: Batches, epoch: int) -> None:
        """Settles `engine.choice`, unless it is settled already or the trial is interrupted."""
        choice = self.engine.choice
        if choice.settled:
            return
        if self.steps < LEAST_STEPS:
            choice.settle(choice.variant)
            return
        self._began, plain = time.perf_counter(), choice.variant
        with unchanged(self.state):
            best, ratio = self._tried(batches, epoch, plain)
        if self._asked_to_stop():
            return
        choice.settle(best)
        self.engine.apply_choice()
        self.seconds = time.perf_counter() - self._began
        tried = f"(tried for {self.seconds:.1f} s)"
        if ratio != 1:
            self.say(f"steps in {best}: {ratio:.2f} times as fast as in {plain} {tried}")
        elif self._worth_it:
            self.say(f"steps in {best}: no other way was clearly faster {tried}")

    def _tried(self, batches: Batches, epoch: int, plain: Variant) -> tuple[Variant, float]:
        """The fastest variant, and how many times as fast as the plain one it is."""
        best, gain = plain, 1.0
        self._step(batches, epoch, plain)  # allocates, and compiles kernels
        self._worth_it = self._step(batches, epoch, plain) * self.steps >= LEAST_SECONDS
        if not self._worth_it:
            return best, gain
        for other in candidates(plain, self.engine.device, precise=self.engine.choice.precise):
            ratio = self._ratio(batches, epoch, plain, other)
            if ratio > max(gain, GAIN):
                best, gain = other, ratio
        for other in refined(best, torch.get_num_threads(), self.engine.device):
            ratio = self._ratio(batches, epoch, best, other)
            if ratio > SMALL_GAIN:
                best, gain = other, gain * ratio
        for other in ways(best, self.engine.device, self._budget):
            ratio = self._ratio_of_ways(batches, epoch, best, other)
            if ratio > GAIN:
                best, gain = other, gain * ratio
        return best, gain

    def _ratio_of_ways(self, batches: Batches, epoch: int, known: Variant, other: Variant) -> float:
        """The same for another way of giving a device its work: steps in a row, since they are recorded or compiled
        anew whenever there was another way between."""
        if not self._time_for(2 * ROUNDS + SETTLING):
            return 0.0
        before = statistics.median([self._step(batches, epoch, known) for _ in range(ROUNDS)])
        for _ in range(SETTLING):
            self._step(batches, epoch, other)
        after = statistics.median([self._step(batches, epoch, other) for _ in range(ROUNDS)])
        stepper = self.engine.stepper
        return 0.0 if stepper is None or stepper.failed else before / after

    def _ratio(self, batches: Batches, epoch: int, known: Variant, other: Variant) -> float:
        """How many times as fast the other variant is; 0 where there is no time left to find out."""
        if not self._time_for(4):
            return 0.0
        try:
            self._step(batches, epoch, other)
        except RuntimeError as error:  # it does not fit into memory, or a network does what its layers cannot
            if self.engine.world.all_failed(f"{other} of step {self.engine.index}"):
                return 0.0
            reason, *_ = [*str(error).splitlines(), type(error).__name__]
            raise StageError(
                f"to compute steps in {other} was tried and failed in one process alone ({reason}), for "
                "which the others wait: use smaller batches, or `fast: {}`, which tries nothing"
            ) from error
        ratios: list[float] = []
        while not ratios or (len(ratios) < ROUNDS and self._time_for(2)):
            ratios.append(self._step(batches, epoch, known) / self._step(batches, epoch, other))
            if len(ratios) > 1 and (min(ratios) > CLEAR or max(ratios) < 1):
                break
        return statistics.median(ratios)

    def _step(self, batches: Batches, epoch: int, variant: Variant) -> float:
        """Takes one step in a variant; returns its seconds, those of rank 0 on all processes."""
        if variant != self.engine.choice.variant:
            self.engine.choice.variant = variant
            self.engine.apply_choice()
        seconds = measured(self.engine, batches, epoch)
        self._last = self.engine.world.decided(lambda: seconds)
        self._least = min(self._least, self._last)
        return self._last

    def _time_for(self, steps: int) -> bool:
        """Whether so many steps more, as long as the last one, fit into the budget; rank 0's clock decides."""
        left = self._budget - (time.perf_counter() - self._began)
        return self.engine.world.decided(lambda: left >= steps * self._last and not self.stopped())

    def _asked_to_stop(self) -> bool:
        return self.engine.world.decided(self.stopped)


def measured(engine: Engine, batches: Batches, epoch: int) -> float:
    """Seconds of one step."""
    _finish(engine.device)
    began = time.perf_counter()
    engine.step(batches, epoch)
    _finish(engine.device)
    return time.perf_counter() - began


def _finish(device: torch.device) -> None:
    """Waits until a device has done all that was asked of it."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def candidates(plain: Variant, device: torch.device, *, precise: bool) -> Iterator[Variant]:
    """The variants that may suit a device, the most promising first. `precise`: the precision is not to be changed."""
    if device.type != "cpu":
        other: MemoryFormat = "contiguous" if plain.memory_format == "channels_last" else "channels_last"
        yield replace(plain, memory_format=other)
        return
    quick = replace(plain, layers="quick")
    last = replace(quick, memory_format="channels_last")
    # AMX takes its tiles channels-last; kernels of float32 lie in blocks of their own
    yield from (quick, last) if plain.precision == "fp32" else (last, quick)
    if plain.precision != "fp32" and not precise:
        yield replace(quick, precision="fp32")


def refined(best: Variant, threads: int, device: torch.device) -> Iterator[Variant]:
    """Changes of the best variant so far that gain only here and there."""
    if best.merge:
        yield replace(best, merge=False)
    if device.type == "cpu" and threads >= 4:  # two threads of one core may be slower than one
        yield replace(best, threads=threads // 2)


def ways(best: Variant, device: torch.device, budget: float) -> Iterator[Variant]:
    """Ways of giving a device its work, of which a processor needs none. `budget`: seconds of the trial; to compile
    takes minutes."""
    if device.type == "cuda":
        yield replace(best, step="graph")
        if budget > COMPILING:
            yield replace(best, step="compile")


@contextmanager
def unchanged(state: TrainingState) -> Iterator[None]:
    """Puts all state of a training back to what it was, and the generators that it may draw from."""
    engine = state.engine
    before = {name: _copy(value) for name, value in taken(state)}
    bad = {name: step.clone() for name, step in engine.meters.bad.items()}
    generators = (random.getstate(), np.random.get_state(), torch.get_rng_state(), engine.rng.get_state())
    device = torch.cuda.get_rng_state(engine.device) if engine.device.type == "cuda" else None
    try:
        yield
    finally:
        put_back(state, before)
        engine.meters.bad = bad
        for player in engine.players.values():
            for param in player.params:
                param.grad = None
        python, numpy, cpu, own = generators
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        engine.rng.set_state(own)
        if device is not None:
            torch.cuda.set_rng_state(device, engine.device)


def _copy(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)
