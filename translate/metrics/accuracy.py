"""Scores of classes: is the class that a model says the right one?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import overload

import torch
from torch import Tensor

from translate.contracts import MISSING, Class, EvaluationContext, Metric, NoOptions
from translate.errors import DataError


class Classes(Sequence[Tensor]):
    """Classes of images, one after the other: indices as tensors, long without axes; `MISSING` where none is known."""

    def __init__(self, read: Callable[[str], int], keys: Sequence[str]) -> None:
        self.read, self.keys = read, keys

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> Classes: ...
    def __getitem__(self, index: int | slice) -> Tensor | Classes:
        if isinstance(index, slice):
            return Classes(self.read, self.keys[index])
        return torch.tensor(self.read(self.keys[index]))


class Accuracy(Metric[NoOptions]):
    """The share of images whose class is said right.

    - Formula: right / all. `accuracy/NAME` is the share among images of one class. The best constant says the most
      frequent class each time.
    - Protocol: for directions whose output is a class, against the side of classes that they imitate; images without a
      class count in nothing.
    - Source: as everywhere; Hoffman et al., "CyCADA", ICML 2018, reports it on the images of the other domain.
    """

    name = "accuracy"
    ends = (0.0, 1.0)
    reads = "classes"
    better = "higher"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        pairs = _known(outputs, references)
        if not pairs:
            raise DataError("accuracy: none of these images has a class to compare with")
        return sum(output == right for output, right in pairs) / len(pairs)

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        side = context.spec.sides.get(context.target_side) if context is not None and context.spec else None
        if not isinstance(side, Class):
            return {}
        parts: dict[str, float] = {}
        pairs = _known(outputs, references)
        for number, name in enumerate(side.names):
            of_class = [output == number for output, right in pairs if right == number]
            parts[f"accuracy/{name}"] = sum(of_class) / len(of_class) if of_class else math.nan
        return parts

    def best_constant(self, references: Sequence[Tensor]) -> float | None:
        counts = Counter(right for _, right in _known(references, references))
        return max(counts.values()) / counts.total() if counts else None


def _known(outputs: Sequence[Tensor], references: Sequence[Tensor]) -> list[tuple[int, int]]:
    """(said, right) of the images that have a class. Errors: DataError for two numbers of images."""
    if len(outputs) != len(references):
        raise DataError(f"accuracy compares pairs: there are {len(outputs)} outputs and {len(references)} references")
    pairs = [(int(outputs[number]), int(references[number])) for number in range(len(outputs))]
    return [(said, right) for said, right in pairs if right != MISSING]
