"""Scores of the hole alone: over the whole image, what was never missing would count as right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from translate import DataError, EvaluationContext, Metric, NoOptions, decibel, mean_score


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
    """Mean absolute difference in the hole alone, in per cent: what was never missing does not count.

    - Formula: 100 mean |output - reference| over the pixels of the hole and all channels; then the mean over images.
    - Protocol: needs the masks of an evaluated model; values in [0, 1]. 0 is equal.
    - Source: Pathak et al., "Context Encoders", CVPR 2016, table 1.
    """

    name = "hole-l1"
    unit = "%, hole"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return mean_score(100 * float(d.abs().mean()) for d in self.differences(outputs, references, context))


class HolePSNR(_Hole):
    """PSNR of the hole alone, in decibels.

    - Formula: 10 log10(1 / MSE) with the MSE over the pixels of the hole and all channels; then the mean over images.
    - Protocol: needs the masks of an evaluated model; values in [0, 1]. Equal holes give infinity.
    - Source: Pathak et al., "Context Encoders", CVPR 2016, table 1.
    """

    name = "hole-psnr"
    better = "higher"
    unit = "dB, hole"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return mean_score(decibel(float(d.square().mean())) for d in self.differences(outputs, references, context))
