"""What the warnings of a training have seen so far, as checkpoints keep it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    answered: bool = False
    """Whether a generator has had a loss of a critic's scores."""
    pending: dict[str, list[float]] = field(default_factory=dict)
    """Sum and count of what is metered since the last look, by its name; without what the meters still hold."""
    first: dict[str, float] = field(default_factory=dict)
    """The losses of critics in the first steps, by player."""
    gap: float = 0.0
    """The gap between scores at the last look; 0 where there is none."""
    patterns: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """The checkerboards of the last look, by direction and frequency (see `Pattern.shape`)."""
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

    def add(self, sums: Mapping[str, Sequence[float]], sign: int = 1) -> None:
        """Adds sums and counts, or takes them away, to those since the last look."""
        for name, (total, count) in sums.items():
            before = self.pending.get(name, (0.0, 0.0))
            self.pending[name] = [before[0] + sign * total, before[1] + sign * count]

    def means(self) -> dict[str, float]:
        """The means of all that was metered since the last look."""
        return {name: total / count for name, (total, count) in self.pending.items() if count}

    def begin(self, step: int) -> None:
        """Forgets what was metered, after a look at this step."""
        self.looked = step
        self.pending.clear()
