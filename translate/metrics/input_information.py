"""Does an input of a direction say what is seen in its outputs? A classifier of real images reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from translate.contracts import DataSpec, EvaluationContext, Metric
from translate.errors import DataError
from translate.metrics.wanted_class import ClassifierConfig, ClassifierOfSide


class InputInformationConfig(ClassifierConfig):
    """Options of `input-information`, most of which are those of its classifier."""

    input: str = "code"
    """The input of the direction, a class, that is compared with what is seen in the outputs."""


class InputInformation(Metric[InputInformationConfig]):
    """The information, in nats, that an input of the direction gives of a class that is seen in its outputs.

    - Formula: mutual information sum p(c, y) log(p(c, y) / (p(c) p(y))) of the table of inputs c and classes y, less
      its bias (|c| - 1) (|y| - 1) / (2 N) by chance (Miller 1955), at least 0. 0: the input says nothing of the class;
      log of the number of classes: it says all. `input-information/most` is the entropy of the inputs, above which it
      cannot be.
    - Protocol: the classes of a side, as a small convolutional network sees them that is trained on the real training
      images at 64 x 64 pixels and below, on the CPU; needs an evaluated model whose direction has the input.
    - Source: the question of InfoGAN (Chen et al., NIPS 2016, section 7.2), which looks at pictures; the score is ours.
    """

    name = "input-information"
    better = "higher"
    unit = "nats"
    paired = False
    needs_context = True
    small = {"input": "class"}

    def __init__(self, config: InputInformationConfig, spec: DataSpec | None = None) -> None:
        super().__init__(config, spec)
        self.classifier = ClassifierOfSide(self.name, config, spec)

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        assert context is not None, "needs_context"
        seen = self.classifier.trained(context)[0].classify(outputs)
        return information(contingency(self._given(context), seen))

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        assert context is not None, "needs_context"
        given = self._given(context)
        return {"input-information/most": float(entropy(contingency(given, given).sum(1)))}

    def _given(self, context: EvaluationContext) -> list[int]:
        """The input of each output. Errors: DataError where the direction has none of that name."""
        if self.config.input not in context.values:
            there = ", ".join(context.values) or "none"
            raise DataError(f"input-information: the direction has no input {self.config.input!r}; there is {there}")
        return [int(value) for value in context.values[self.config.input]]


def contingency(rows: Sequence[int], columns: Sequence[int]) -> np.ndarray[Any, Any]:
    """The table of how often each row value meets each column value."""
    table = np.zeros((max(rows) + 1, max(columns) + 1))
    for row, column in zip(rows, columns, strict=True):
        table[row, column] += 1
    return table


def entropy(counts: np.ndarray[Any, Any]) -> Any:
    """-sum p log p of counts, in nats."""
    p = counts[counts > 0] / counts.sum()
    return -(p * np.log(p)).sum()


def information(table: np.ndarray[Any, Any]) -> float:
    """H(rows) + H(columns) - H(both), less what an independent table of that size has on average; at least 0."""
    rows, columns = table.sum(1), table.sum(0)
    chance = ((rows > 0).sum() - 1) * ((columns > 0).sum() - 1) / (2 * table.sum())
    return max(0.0, float(entropy(rows) + entropy(columns) - entropy(table) - chance))
