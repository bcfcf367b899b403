"""The median of a measurement with its extremes, as benchmarks write it into JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most of the rounds."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def ratios(slow: Sequence[float], fast: Sequence[float]) -> dict[str, float]:
    """How many times as fast, round by round."""
    return spread([a / b for a, b in zip(slow, fast, strict=True)])
