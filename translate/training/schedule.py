"""Learning-rate factors as functions of a counter, so that a resumed run needs no schedule state."""

from __future__ import annotations

import math

from translate.training.config import ScheduleConfig


def factor(schedule: ScheduleConfig, position: int, total: int) -> float:
    """The factor of the learning rate at `position` (0, 1, ...) of `total` epochs or updates.

    `linear-decay` is the one of the CycleGAN code: 1 until `start`, then down in equal steps, so that the one after the
    last would be zero: 1 - max(0, e - start) / (total - start + 1), e counted from 1. Past `total`, where a player that
    updates twice a step gets, both falling ones stay at zero.
    """
    if schedule.uses == "linear-decay":
        return max(0.0, 1.0 - max(0, position + 1 - schedule.start) / max(1, total - schedule.start + 1))
    if schedule.uses == "cosine":
        done = max(0, position - schedule.start) / max(1, total - schedule.start)
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
    if schedule.uses == "step":
        return float(schedule.gamma ** (position // schedule.every))
    return 1.0
