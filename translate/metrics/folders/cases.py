"""The images of a paired evaluation one by one, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from translate.contracts import Metric
from translate.metrics.bootstrap import Drawn
from translate.text import json_number


@dataclass(frozen=True)
class Case:
    """An output with its reference and its own score by `metric`."""

    name: str
    metric: str
    score: float
    output: Path
    reference: Path

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name, "metric": self.metric, "score": json_number(self.score)}


def cases(
    metrics: Sequence[Metric[Any]],
    names: Sequence[str],
    outputs: Sequence[Tensor],
    references: Sequence[Tensor],
    output_paths: Mapping[str, Path],
    reference_paths: Mapping[str, Path],
) -> list[Case]:
    """The images by the first metric that is a mean of images, the worst first; none without such a metric that
    looks at nothing else."""
    metric = next((metric for metric in metrics if metric.mean_of_images and not metric.needs_context), None)
    if metric is None:
        return []
    found: list[Case] = []
    for place, name in enumerate(names):
        score = metric.score(Drawn(outputs, [place]), Drawn(references, [place]), None)
        found.append(Case(name, metric.name, score, output_paths[name], reference_paths[name]))
    return sorted(found, key=lambda case: case.score, reverse=metric.better == "lower")
