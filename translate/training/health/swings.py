"""Oscillation: whether a loss goes up and down in a fixed period, as in games whose players run after each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

SHORTEST, LEAST_PERIODS = 8, 3
"""Steps of a period, and periods in the series, below which nothing is called an oscillation."""
LEAST_STEPS = 60
"""Steps of a series that says anything."""

Series = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Swing:
    """The strongest oscillation of a series.

    `period` is in steps. `strength` is the share of the variance that a sine wave of that period explains, once the
    trend is taken away and the amplitude is evened out: 1 for a sine that grows or fades, near 0 for noise. `size` is
    the standard deviation around the trend as a share of the mean of absolute values.
    """

    period: float
    strength: float
    size: float


def swing(values: Series) -> Swing | None:
    """The oscillation of a series of one value a step; None where it is too short or constant."""
    count = len(values)
    if count < LEAST_STEPS or not np.isfinite(values).all():
        return None
    times: Series = np.arange(count) - (count - 1) / 2
    flat: Series = values - np.polyval(np.polyfit(times, values, 1), times)
    level = float(np.abs(values).mean())
    if flat.std() <= 1e-6 * level or level == 0:
        return None
    # four times as many frequencies as a series of this length tells apart, so that none lies between two
    spectrum = np.abs(np.fft.rfft(flat, 4 * count)) ** 2
    frequencies = np.fft.rfftfreq(4 * count)
    allowed = (frequencies >= LEAST_PERIODS / count) & (frequencies <= 1 / SHORTEST)
    best = frequencies[allowed][spectrum[allowed].argmax()]
    even: Series = flat / _envelope(flat, round(1 / best))
    near = best * np.linspace(0.8, 1.25, 61)
    shares = [_explained(even, times, frequency) for frequency in near]
    place = int(np.argmax(shares))
    return Swing(float(1 / near[place]), shares[place], float(flat.std()) / level)


def _envelope(flat: Series, period: int) -> Series:
    """The root mean square over a period around each step: a game may spiral, in or out."""
    window = np.ones(period)
    sums = np.convolve(flat**2, window, "same")
    counts = np.convolve(np.ones_like(flat), window, "same")
    level: Series = np.sqrt(sums / counts)
    least: Series = np.maximum(level, 1e-3 * level.max())
    return least


def _explained(values: Series, times: Series, frequency: float) -> float:
    """The share of the variance that a sine of this frequency explains."""
    angle = 2 * np.pi * frequency * times
    waves = np.stack([np.cos(angle), np.sin(angle), np.ones_like(angle)], 1)
    weights, *_ = np.linalg.lstsq(waves, values, rcond=None)
    rest = values - waves @ weights
    return float(1 - rest.var() / values.var())
