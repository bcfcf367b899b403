"""The built-in schedules, registered by the hook that plugins implement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from translate.contracts import Schedule, ScheduleConfig
from translate.markers import hookimpl
from translate.training.config import Steps

Share = Annotated[float, Field(gt=0, lt=1)]


class _CountingConfig(ScheduleConfig):
    """Options of a schedule with a number in `unit`, for which `{steps: N}` may stand: the unit then is `steps`."""

    @model_validator(mode="before")
    @classmethod
    def _steps_are_the_unit(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and any(isinstance(each, Mapping | Steps) for each in value.values()):
            return {"unit": "steps", **value}
        return value

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if self.unit != "steps":
            for name in type(self).model_fields:
                if isinstance(getattr(self, name), Steps):
                    raise ValueError(f"`{name}` is in steps, and `unit` says {self.unit}: leave `unit` out")
        return self


class StartConfig(_CountingConfig):
    """Options of a schedule that is constant before it falls."""

    start: NonNegativeInt | Steps = 0
    """Where the fall begins, in `unit`, or `{steps: 1000}`; before it the factor is 1. CycleGAN: 100 of 200 epochs."""


class StepConfig(_CountingConfig):
    """Options of `step`."""

    every: PositiveInt | Steps = 50
    """Length of a step, in `unit`, or `{steps: 1000}`."""
    gamma: PositiveFloat = 0.1
    """Factor of each step."""


class OneCycleConfig(ScheduleConfig):
    """Options of `one-cycle`."""

    rise: Share = 0.3
    """Share of the training in which the rate rises."""
    first: PositiveFloat = 0.04
    """Factor at the start."""
    last: NonNegativeFloat = 4e-6
    """Factor at the end."""


class PlateauConfig(ScheduleConfig):
    """Options of `plateau`."""

    metric: str
    """Metric of `validate.metrics` whose value counts; where several directions are scored, that of the worst one."""
    gamma: Share = 0.1
    """Factor of each fall."""
    patience: NonNegativeInt = 10
    """Validations without an improvement that are let pass."""
    least: NonNegativeFloat = 0.0
    """Smallest improvement that counts, in the units of the metric."""
    floor: NonNegativeFloat = 0.0
    """Smallest factor."""


class Constant(Schedule[ScheduleConfig]):
    """The learning rate stays."""

    name = "constant"

    def factor(self, position: int, total: int) -> float:
        return 1.0


class _Falling(Schedule[StartConfig]):
    def note(self, total: int) -> str:
        start, unit = _number(self.config.start), self.config.unit
        if start < total:
            return ""
        return f"schedule.start {start} is past the last of {total} {unit}: the rate never falls"


class LinearDecay(_Falling):
    """A line from 1 at `start` down to 0 at the end.

    It is the one of the CycleGAN code: 1 until `start`, then down in equal steps, so that the one after the last would
    be zero: 1 - max(0, e - start) / (total - start + 1), e counted from 1.
    """

    name = "linear-decay"

    def factor(self, position: int, total: int) -> float:
        start = _number(self.config.start)
        return max(0.0, 1.0 - max(0, position + 1 - start) / max(1, total - start + 1))


class Cosine(_Falling):
    """Half a cosine wave from 1 at `start` down to 0 at the end."""

    name = "cosine"

    def factor(self, position: int, total: int) -> float:
        start = _number(self.config.start)
        done = max(0, position - start) / max(1, total - start)
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))


class StepDecay(Schedule[StepConfig]):
    """The learning rate times `gamma` after every `every`."""

    name = "step"

    def factor(self, position: int, total: int) -> float:
        return float(self.config.gamma ** (position // _number(self.config.every)))


class OneCycle(Schedule[OneCycleConfig]):
    """Up to `lr` and down to almost nothing, both in half cosine waves (Smith and Topin 2018)."""

    name = "one-cycle"

    def factor(self, position: int, total: int) -> float:
        c = self.config
        peak = c.rise * total - 1
        if position < peak:
            return _wave(c.first, 1.0, position / peak)
        return _wave(1.0, c.last, min(1.0, (position - peak) / max(1.0, total - 1 - peak)))


class Plateau(Schedule[PlateauConfig]):
    """The learning rate times `gamma` whenever a score has not improved for `patience` validations."""

    name = "plateau"
    small: ClassVar[Mapping[str, Any]] = {"metric": "swd"}

    def __init__(self, config: PlateauConfig) -> None:
        super().__init__(config)
        self.watches = config.metric

    def factor(self, position: int, total: int) -> float:
        return 1.0

    def factor_after(self, scores: Sequence[float], better: Literal["higher", "lower"]) -> float:
        drops, waited, best = 0, 0, math.nan
        for score in scores:
            if improves(score, best, better, self.config.least):
                best, waited = score, 0
                continue
            waited += 1
            if waited > self.config.patience:
                drops, waited = drops + 1, 0
        return max(self.config.floor, self.config.gamma**drops)


def improves(score: float, best: float, better: Literal["higher", "lower"], least: float) -> bool:
    """Tells whether a score beats the best so far by more than `least`; NaN as the best is beaten by every number."""
    if math.isnan(score) or math.isnan(best):
        return not math.isnan(score)
    gain = score - best if better == "higher" else best - score
    return gain > least


def _number(count: int | Steps) -> int:
    """A number in the unit of the schedule."""
    return count.steps if isinstance(count, Steps) else count


def _wave(start: float, end: float, done: float) -> float:
    """Half a cosine wave from `start` to `end`, of which the share `done` is over."""
    return end + 0.5 * (start - end) * (1.0 + math.cos(math.pi * done))


@hookimpl
def translate_schedules() -> list[type[Schedule[Any]]]:
    """The built-in schedules."""
    return [Constant, LinearDecay, Cosine, StepDecay, OneCycle, Plateau]
