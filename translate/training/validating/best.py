"""The history of a training's validations, and the rules for which of its checkpoints is the best and when it stops."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from translate.models.checkpoint_weights import RAW
from translate.text import json_number
from translate.training.optimization.schedules import improves


@dataclass
class History:
    """The validations of a training and its best one, as checkpoints keep them: every value is JSON.

    An entry of `validations` has `step` and a value by curve. `best` is the best one by the metric that chooses the
    weights of the bundle, with `metric`, `value` and `step`; `others` has those by further metrics. Infinities, such as
    the PSNR of equal images, are text, since JSON has none.
    """

    validations: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] | None = None
    others: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, step: int, scores: Mapping[str, float]) -> None:
        """Adds the scores of one validation, by curve."""
        self.validations.append({"step": step, **{curve: json_number(value) for curve, value in scores.items()}})

    def watch(self, metrics: Sequence[str]) -> None:
        """Forgets the best validations by metrics that nobody watches now; the first one chooses the weights."""
        records = {**self.others, **({self.best["metric"]: self.best} if self.best else {})}
        self.best = records.get(metrics[0]) if metrics else None
        self.others = {metric: records[metric] for metric in metrics[1:] if metric in records}

    def kept(self) -> list[int]:
        """The steps of the best validations."""
        return [entry["step"] for entry in (self.best, *self.others.values()) if entry]

    def validated(self, step: int) -> bool:
        """Tells whether there was a validation at a step."""
        return any(entry["step"] == step for entry in self.validations)

    def scores_at(self, step: int) -> dict[str, float]:
        """The scores by curve of the validation at a step, of the weights that a model has: averages, where there are
        any. Empty where there was none."""
        entry = next((entry for entry in self.validations if entry["step"] == step), {})
        return {c: float(value) for c, value in entry.items() if c != "step" and not c.endswith(RAW)}


@dataclass(frozen=True)
class Watched:
    """A metric of the validations by which something is decided, over the `curves` of all scored directions."""

    metric: str
    curves: Sequence[str]
    better: Literal["higher", "lower"]

    def value(self, scores: Mapping[str, float | str]) -> float | None:
        """The score of one validation, which is that of its worst direction; NaN where one is, None where there is
        none."""
        values = [float(scores[curve]) for curve in self.curves if curve in scores]
        if not values or any(map(math.isnan, values)):
            return math.nan if values else None
        return min(values) if self.better == "higher" else max(values)

    def values(self, history: History) -> list[float]:
        """The scores of all validations so far that had one."""
        values = [self.value({k: v for k, v in entry.items() if k != "step"}) for entry in history.validations]
        return [value for value in values if value is not None]

    def waited(self, history: History, least: float = 0.0) -> int:
        """The number of validations since the last one that improved by more than `least`."""
        best, waited = math.nan, 0
        for value in self.values(history):
            if improves(value, best, self.better, least):
                best, waited = value, 0
            else:
                waited += 1
        return waited

    def improved(self, history: History, step: int, scores: Mapping[str, float], *, first: bool = True) -> bool:
        """Whether these scores are the best so far; if they are, the history has this step as the best by the metric.

        `first` says that the metric chooses the weights of the bundle. Scores that are not a number are never the best.
        """
        value = self.value(scores)
        record = history.best if first else history.others.get(self.metric)
        best = float(record["value"]) if record else math.nan
        if value is None or not improves(value, best, self.better, 0.0):
            return False
        entry = {"metric": self.metric, "value": json_number(value), "step": step}
        if first:
            history.best = entry
        else:
            history.others[self.metric] = entry
        return True
