"""The history of a training's validations, and the rule for which of its checkpoints is the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from translate.text import json_number


@dataclass
class History:
    """The validations of a training and its best one, as checkpoints keep them: every value is JSON.

    An entry of `validations` has `step` and a value by curve. `best` has `metric`, `value` and `step`. Infinities, such
    as the PSNR of equal images, are text, since JSON has none.
    """

    validations: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] | None = None

    def add(self, step: int, scores: Mapping[str, float]) -> None:
        """Adds the scores of one validation, by curve."""
        self.validations.append({"step": step, **{curve: json_number(value) for curve, value in scores.items()}})

    def forget_best_but(self, metric: str | None) -> None:
        """Forgets the best validation where it is that of another metric: its value compares with nothing now."""
        if self.best is not None and self.best["metric"] != metric:
            self.best = None

    def validated(self, step: int) -> bool:
        """Tells whether there was a validation at a step."""
        return any(entry["step"] == step for entry in self.validations)

    def scores_at(self, step: int) -> dict[str, float]:
        """The scores by curve of the validation at a step; empty where there was none."""
        entry = next((entry for entry in self.validations if entry["step"] == step), {})
        return {curve: float(value) for curve, value in entry.items() if curve != "step"}


@dataclass(frozen=True)
class Best:
    """The rule of `keep.best`: the metric of that name, over the `curves` of all directions that are scored."""

    metric: str
    curves: Sequence[str]
    better: Literal["higher", "lower"]

    def improved(self, history: History, step: int, scores: Mapping[str, float]) -> bool:
        """Whether these scores are the best so far; if they are, `history.best` becomes this step.

        A model is as good as its worst direction. Scores that are not a number are never the best.
        """
        values = [scores[curve] for curve in self.curves if curve in scores]
        if not values or any(map(math.isnan, values)):
            return False
        value = min(values) if self.better == "higher" else max(values)
        if history.best is not None:
            record = float(history.best["value"])
            if not (value > record if self.better == "higher" else value < record):
                return False
        history.best = {"metric": self.metric, "value": json_number(value), "step": step}
        return True
