"""Scores of the hole alone: over the whole image, what was never missing would count as right."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from translate import DataError, EvaluationContext, Metric, NoOptions


class _Hole(Metric[NoOptions]):
    """Reads the masks that the holes were made with: the direction's second input."""

    needs_context = True

    def differences(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None
    ) -> Iterator[Tensor]:
        """Output minus reference in the hole of each image: C x pixels."""
        assert context is not None, "needs_context"
        masks = context.exemplars
        if not len(outputs) == len(references) == len(masks):
            raise DataError(f"{self.name}: {len(outputs)} outputs, {len(references)} references, {len(masks)} masks")
        for n in range(len(outputs)):
            hole = masks[n][0] > 0.5
            yield (outputs[n] - references[n])[:, hole].double()


class HoleL1(_Hole):
    """Mean absolute difference in the hole, in per cent of the range; the mean over images (Pathak et al., table 1)."""

    name = "hole-l1"
    unit = "%, hole"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        found = [100 * float(d.abs().mean()) for d in self.differences(outputs, references, context)]
        return math.fsum(found) / len(found)


class HolePSNR(_Hole):
    """10 log10(1 / MSE) of the hole, then the mean over images."""

    name = "hole-psnr"
    better = "higher"
    unit = "dB, hole"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        errors = [float(d.square().mean()) for d in self.differences(outputs, references, context)]
        found = [-10 * math.log10(error) if error > 0 else math.inf for error in errors]
        return math.fsum(found) / len(found) if all(map(math.isfinite, found)) else math.inf
