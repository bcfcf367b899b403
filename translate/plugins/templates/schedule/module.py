"""my-plugin: half a cosine wave down, again and again.

Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, arXiv 1608.03983, equation 5.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field
from translate import Schedule, ScheduleConfig, hookimpl

translate_contract = ">=2,<3"


class MyPluginConfig(ScheduleConfig):
    """The options of the schedule, beside the `unit` in which it counts. The string below each is its description."""

    period: Annotated[int, Field(ge=1)] = 10
    """Length of a wave, in `unit`."""
    floor: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The factor to which a wave goes down."""


class MyPlugin(Schedule[MyPluginConfig]):
    """From the full rate down to `floor` along a cosine, then up at once, and down again."""

    name = "my-plugin"

    def factor(self, position: int, total: int) -> float:
        """The factor of the rate at `position` (0, 1, ...) of `total`. It follows from these alone: nothing is kept."""
        share = position % self.config.period / self.config.period
        return self.config.floor + (1 - self.config.floor) * (1 + math.cos(math.pi * share)) / 2

    def note(self, total: int) -> str:
        """A sentence for `translate plan` on what is odd, but not wrong."""
        if total % self.config.period == 0:
            return ""
        return f"{total} {self.config.unit} are no multiple of period {self.config.period}: the last wave is cut off"


@hookimpl
def translate_schedules() -> list[type[Schedule[Any]]]:
    return [MyPlugin]
