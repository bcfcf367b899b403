"""What the warnings of a training have seen so far, as checkpoints keep it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass
class Memory:
    """The state of the warnings: every value is JSON.

    A look is a step at which the game is judged (see `Health`).
    """

    looked: int = 0
    """The step of the last look; 0 before the first."""
    calls: int = 0
    """Calls of networks that an output of the slowest direction takes; 0 before the first look."""
    told: bool = False
    """Whether an objective has told a critic's scores."""
    pending: dict[str, list[float]] = field(default_factory=dict)
    """Sum and count of curves since the last look, by curve."""
    lowest: dict[str, float] = field(default_factory=dict)
    """The smallest value of curves since the last look, by curve."""
    first: dict[str, float] = field(default_factory=dict)
    """The losses of critics at the first log step, by player."""
    streaks: dict[str, list[float]] = field(default_factory=dict)
    """Looks in a row that were bad, and what was measured at the first of them, by kind and subject."""
    least: dict[str, float] = field(default_factory=dict)
    """The smallest value so far of what should not grow, by curve."""
    said: dict[str, int] = field(default_factory=dict)
    """The steps of the warnings that were given, by kind and subject."""

    def take(self) -> dict[str, Any]:
        """Everything that differs from the beginning, by name."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name))}

    def put(self, values: Mapping[str, Any]) -> None:
        """Takes over what `take` gave."""
        new = Memory(**{each.name: values[each.name] for each in fields(self) if each.name in values})
        for each in fields(self):
            setattr(self, each.name, getattr(new, each.name))

    def add(self, values: Mapping[str, float]) -> None:
        """Adds a point of each curve to the means at the next look."""
        for name, value in values.items():
            total, count = self.pending.get(name, (0.0, 0.0))
            self.pending[name] = [total + value, count + 1]
            self.lowest[name] = min(value, self.lowest.get(name, value))

    def means(self) -> dict[str, float]:
        """The means of all curves since the last look."""
        return {name: total / count for name, (total, count) in self.pending.items()}

    def begin(self, step: int) -> None:
        """Forgets the curves, after a look at this step."""
        self.looked = step
        self.pending.clear()
        self.lowest.clear()
