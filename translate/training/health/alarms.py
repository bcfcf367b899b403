"""Warnings: a failure is told once, when several looks in a row have seen it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from translate.contracts import Console, Tracker
from translate.training.health.memory import Memory

PATIENCE = 3
"""Looks in a row that have to be bad: one may be chance, and two the beginning of a training."""
BETTER, PART = 1.25, 0.2
"""A measure that has improved since the first bad look by this factor, and by this part of the limit, is no failure
yet: the training is at work."""

ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "critic-wins": "try `critic_augment: {}`, `spectral_norm` for the critic, or a smaller `lr` for its player",
        "vanished-gradient": "look at its losses and their weights, or raise its `lr`",
        "exploding-gradient": "try `clip: 1`, or a smaller `lr`",
        "gradient-ratio": "try other weights under `losses`, or `clip: 1`",
        "oscillation": "try a smaller `lr`, `betas: [0.5, 0.999]` or `[0, 0.9]`, a gradient penalty, or `ema: 0.999`",
        "collapse": "try a smaller `lr`, another `objective`, `critic_augment: {}`, or more and other images",
        "input-ignored": "try a larger weight of a loss that compares with the input, or a smaller one of the critic's",
        "colour-drift": "try a larger weight of a loss that holds colours (`l1`, `identity`), or a smaller `lr`",
        "inverted-colours": "try a larger weight of a loss that holds colours (`l1`, `identity`), or another seed",
        "dead-activations": "try a smaller `lr`, other initial weights (seed), a norm, or leaky activations",
        "exploding-activations": "try a norm, `spectral_norm`, a smaller `lr`, or `clip: 1`",
        "checkerboard": "try a generator that enlarges by resizing and a convolution, or train longer",
        "slow-data": "try more `workers`, fewer or cheaper transforms under `augment`, or smaller prepared images",
    }
)
"""What to try, by the kind of failure; docs/training.md says more."""


class Alarms:
    """Gives each warning once, to the terminal and as a tag, and remembers it."""

    def __init__(self, memory: Memory, console: Console, tracker: Tracker) -> None:
        self.memory, self.console, self.tracker = memory, console, tracker

    def judge(
        self,
        step: int,
        kind: str,
        subject: str,
        text: str,
        *,
        bad: bool,
        patience: int = PATIENCE,
        measure: float = 0.0,
        limit: float = 0.0,
        better: Literal["higher", "lower"] | None = None,
    ) -> None:
        """Notes at a look whether something is bad, and warns when it was so for `patience` looks in a row.

        With `better` a streak begins anew where `measure`, whose `limit` is where it is no longer bad, has become
        clearly better: what improves is let alone.
        """
        key = f"{kind}/{subject}" if subject else kind
        streaks = self.memory.streaks
        if not bad:
            streaks.pop(key, None)
            return
        count, first = streaks.get(key, (0, measure))
        if better is not None and count and _improved(first, measure, better, PART * limit):
            count, first = 0, measure
        streaks[key] = [count + 1, first]
        if count + 1 >= patience:
            self.tell(step, kind, subject, text)

    def tell(self, step: int, kind: str, subject: str, text: str) -> None:
        """Warns, unless it has been told already."""
        key = f"{kind}/{subject}" if subject else kind
        if key in self.memory.said:
            return
        self.memory.said[key] = step
        self.console.warn(f"step {step}: {text}; {ADVICE[kind]}")
        self.tracker.tags({f"health/{key}": f"step {step}: {text}", "health": ", ".join(self.memory.said)})


def _improved(first: float, measure: float, better: Literal["higher", "lower"], least: float) -> bool:
    low, high = (first, measure) if better == "higher" else (measure, first)
    return high > BETTER * low and high - low > least
