"""Scoring sets of images: several metrics at once, with the baselines that a method has to beat."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from translate.contracts import Components, DatasetFacts, EvaluationContext, Metric, MetricUse
from translate.errors import ConfigError, DataError
from translate.metrics.bootstrap import Interval, interval, means_of_draws, resampled, resampled_details, single_scores
from translate.metrics.pairs import mean_score
from translate.text import json_number


@dataclass(frozen=True)
class Score:
    """One metric of a set: its value, that of copying the input, and that of the best single colour (None: unknown).

    `images`: how many outputs and references were compared; None: all. `floor`: the value of real images as
    outputs, of `floor_images` of them; `same_count`: that of as many outputs against the same references. Distances of
    sets shrink when sets grow, so that only these two compare. `rival`: the value of other outputs of the same inputs.
    `interval` and `difference` (value minus rival's) are 95 % intervals over images. `protocol` says what the metric
    looks at (see `Metric.protocol`).
    """

    metric: str
    better: str
    unit: str
    value: float
    copy: float | None = None
    constant: float | None = None
    floor: float | None = None
    floor_images: int | None = None
    same_count: float | None = None
    images: tuple[int, int] | None = None
    interval: Interval | None = None
    protocol: str = ""
    rival: float | None = None
    difference: Interval | None = None

    @property
    def copy_ratio(self) -> float | None:
        """value / copy: how much of the copied input's error is left; None where that says nothing."""
        return ratio(self.value, self.copy)

    @property
    def constant_ratio(self) -> float | None:
        """value / constant, as `copy_ratio`."""
        return ratio(self.value, self.constant)

    def to_json(self) -> dict[str, Any]:
        """Plain data; numbers that JSON lacks become the text `inf`, `-inf` or `nan`."""
        values = {
            "metric": self.metric,
            "better": self.better,
            "unit": self.unit,
            "score": self.value,
            "copy": self.copy,
            "copy_ratio": self.copy_ratio,
            "constant": self.constant,
            "constant_ratio": self.constant_ratio,
            "floor": self.floor,
            "floor_images": self.floor_images,
            "same_count": self.same_count,
            "images": self.images,
            "interval": self.interval,
            "protocol": self.protocol,
            "rival": self.rival,
            "difference": self.difference,
        }
        return {key: json_number(value) for key, value in values.items()}


@dataclass(frozen=True)
class Comparison:
    """The competitors of a set of outputs, besides its references.

    `inputs`: the translated images, in the outputs' place where their shape allows it. `constant`: also the best
    single-coloured image, where the metric knows one. `rival`: other outputs of the same inputs, in the same order.
    `bootstrap`: how many sets are drawn for 95 % intervals; 0 for none.
    """

    inputs: Sequence[Tensor] | None = None
    constant: bool = True
    rival: Sequence[Tensor] | None = None
    bootstrap: int = 0


def ratio(value: float, base: float | None) -> float | None:
    """value / base; None where that says nothing: base is not above zero, or one of them is infinite."""
    if base is None or base <= 0 or not (math.isfinite(base) and math.isfinite(value)):
        return None
    return value / base


def named(metrics: Sequence[Metric[Any]]) -> dict[str, Metric[Any]]:
    """Metrics by name; a name that comes again gets a number: `swd`, `swd-2`."""
    metrics_by_name: dict[str, Metric[Any]] = {}
    for metric in metrics:
        again = sum(type(metric).name == type(other).name for other in metrics_by_name.values())
        metrics_by_name[f"{metric.name}-{again + 1}" if again else metric.name] = metric
    return metrics_by_name


def evaluate_sets(
    metrics: Sequence[Metric[Any]],
    outputs: Sequence[Tensor],
    references: Sequence[Tensor],
    context: EvaluationContext | None = None,
) -> dict[str, float]:
    """The metrics of a set of images C x H x W in [0, 1], by name. Errors: DataError (shapes, counts)."""
    return {name: metric.score(outputs, references, context) for name, metric in named(metrics).items()}


def score_sets(
    metrics: Sequence[Metric[Any]],
    outputs: Sequence[Tensor],
    references: Sequence[Tensor],
    comparison: Comparison | None = None,
    context: EvaluationContext | None = None,
) -> list[Score]:
    """The scores of a set of images C x H x W in [0, 1] beside those of what it competes with.

    What a metric tells in `details` stands below its own row. A metric that needs the context of all images together
    has no intervals and no rival. Errors: DataError (shapes, counts).
    """
    comparison = comparison or Comparison()
    scores: list[Score] = []
    for name, metric in named(metrics).items():
        # the intervals of a mean need the scores of single images, which give the mean as well
        singles: list[float] = []
        if metric.mean_of_images and comparison.bootstrap:
            singles = single_scores(metric, outputs, references, context)
        if singles and not any(map(math.isnan, singles)):
            value = mean_score(singles)
        else:
            value = metric.score(outputs, references, context)
        score = Score(name, metric.better, metric.unit, value, protocol=metric.protocol())
        score = _with_baselines(score, metric, references, comparison, context)
        if metric.mean_of_images or not metric.needs_context:
            own = means_of_draws(singles, comparison.bootstrap) if singles else []
            if comparison.bootstrap and not singles:
                own = resampled(metric, outputs, references, comparison.bootstrap, context=context)
            score = _with_rival(score, metric, own, references, comparison, context)
        scores += [score, *_parts(metric, outputs, references, comparison.bootstrap, context)]
    return scores


def _parts(
    metric: Metric[Any],
    outputs: Sequence[Tensor],
    references: Sequence[Tensor],
    times: int,
    context: EvaluationContext | None,
) -> list[Score]:
    """The details of a score, with intervals where the metric has ends for them."""
    drawn = resampled_details(metric, outputs, references, times, context=context) if times else {}
    rows: list[Score] = []
    for part, value in metric.details(outputs, references, context).items():
        score = Score(part, metric.better, metric.unit, value)
        if part in drawn:
            ends = metric.detail_ends[part.removeprefix(f"{metric.name}/")]
            score = replace(score, interval=interval(drawn[part], value, ends))
        rows.append(score)
    return rows


@dataclass(frozen=True)
class Outputs:
    """The part of what is known of outputs before they exist that decides which metrics can score them."""

    form: str = "images"
    """The form of the outputs, as `Metric.reads`."""
    context: bool = False
    """True where inputs and training images of the outputs are known."""
    unpaired: str | None = None
    """The reason why no output has a partner among the references, as half a sentence; empty where each has one, and
    None where the pairs of the split tell."""


def metric_problems(
    uses: Sequence[MetricUse],
    data: DatasetFacts,
    split: str | None,
    registry: Components,
    outputs: Outputs | None = None,
) -> Iterator[tuple[int, str]]:
    """The metrics that outputs for data of these facts cannot be scored with: their index, and why."""
    spec, outputs = data.spec(), outputs or Outputs()
    unpaired = outputs.unpaired
    if unpaired is None:
        unpaired = "" if split is None or split in data.pairs else f"split {split!r} of this data has none"
    built: dict[int, Metric[Any]] = {}
    for i, use in enumerate(uses):
        try:
            built[i] = registry.build(use, spec=spec)
        except ConfigError as error:
            yield i, str(error)
    for i, metric in built.items():
        use = uses[i]
        if metric.needs_context and not outputs.context:
            yield i, f"{use.uses} looks at inputs and training images, which are not known for images of another split"
        elif metric.reads != outputs.form:
            yield i, f"{use.uses} compares {metric.reads}, and the outputs here are {_FORMS[outputs.form]}"
        elif metric.paired and unpaired:
            yield i, f"{use.uses} compares pairs, and {unpaired}; use swd"
        # nothing is downloaded beside a name that is to be mended
        elif len(built) == len(uses) and (problem := _missing(metric)):
            yield i, f"{use.uses}: {problem}"


def _missing(metric: Metric[Any]) -> str | None:
    """What the metric needs and cannot get."""
    try:
        metric.fetch()
    except (ConfigError, DataError) as error:
        return str(error)
    return None


_FORMS = {"images": "images", "labels": "label maps; use miou", "classes": "classes; use accuracy"}
"""Words for the forms of outputs."""


def table(scores: Sequence[Score]) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of numbers and text; baselines that no metric has are left out."""
    columns: list[tuple[str, list[Any]]] = [
        ("metric", [f"{s.metric} ({s.unit})" if s.unit else s.metric for s in scores]),
        ("better", [s.better for s in scores]),
        ("score", [s.value for s in scores]),
    ]
    for title, cells in (
        ("95 %", [_between(s.interval) for s in scores]),
        ("real against real", [s.floor for s in scores]),
        ("score of as many", [s.same_count for s in scores]),
        ("images", [s.floor_images for s in scores]),
        ("rival", [s.rival for s in scores]),
        ("score - rival, 95 %", [_between(s.difference) for s in scores]),
    ):
        if any(cell is not None for cell in cells):
            columns.append((title, list(cells)))
    for title, base in (("copy input", "copy"), ("best constant", "constant")):
        if any(getattr(s, base) is not None for s in scores):
            columns.append((title, [getattr(s, base) for s in scores]))
            columns.append((f"score / {base}", [getattr(s, f"{base}_ratio") for s in scores]))
    titles, cells_by_column = zip(*columns, strict=True)
    return list(titles), [list(row) for row in zip(*cells_by_column, strict=True)]


def _between(interval: Interval | None) -> str | None:
    return None if interval is None else f"{interval[0]:.4g} to {interval[1]:.4g}"


def _with_baselines(
    score: Score,
    metric: Metric[Any],
    references: Sequence[Tensor],
    comparison: Comparison,
    context: EvaluationContext | None,
) -> Score:
    """The score with the values of the copied inputs and of the best constant image."""
    if comparison.inputs is not None and _alike(metric, comparison.inputs, references):
        score = replace(score, copy=metric.score(comparison.inputs, references, context))
    if comparison.constant:
        score = replace(score, constant=metric.best_constant(references))
    return score


def _with_rival(
    score: Score,
    metric: Metric[Any],
    own: Sequence[float],
    references: Sequence[Tensor],
    comparison: Comparison,
    context: EvaluationContext | None,
) -> Score:
    """The score with intervals and with the rival's value; `own` are the scores of the draws for intervals."""
    rival, times = comparison.rival, comparison.bootstrap
    if rival is not None:
        score = replace(score, rival=metric.score(rival, references, context))
    if not times:
        return score
    if not own:
        return score
    score = replace(score, interval=interval(own, score.value, metric.ends))
    if rival is None or score.rival is None:
        return score
    # Both sets are scored on the same draws, so that what they have in common cancels out of the differences.
    others = resampled(metric, rival, references, times, context=context)
    if not others:
        return score
    differences = [a - b for a, b in zip(own, others, strict=True)]
    return replace(score, difference=interval(differences, score.value - score.rival))


def _alike(metric: Metric[Any], inputs: Sequence[Tensor], references: Sequence[Tensor]) -> bool:
    """True when the inputs could stand for outputs: same channels and, for metrics of pairs, same size."""
    a, b = tuple(inputs[0].shape), tuple(references[0].shape)
    return a == b if metric.paired else a[0] == b[0]
