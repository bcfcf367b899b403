"""How clearly a pattern repeats over images: the traces of layers that enlarge."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from torch import Tensor

from translate.contracts import EvaluationContext, Metric, NoOptions
from translate.errors import DataError
from translate.metrics.distances.patterns import LEAST_PERIODS, STRIDES, spectrum, strides_in


class Checkerboard(Metric[NoOptions]):
    """How far the clearest pattern of the outputs is from that of the references; 0 is as clear as theirs.

    - Formula: |c(outputs) - c(references)|. With e(f) the energy |F(f)|^2 of a frequency of an image, mean over
      channels, and n(f) the mean of e over 2 to 6 steps beside f along the axis that has more, both averaged over
      images, c is the largest e(f) / n(f) of all f = (j, k) / s but the mean; s is the largest of 2, 4, 8 and 16 pixels
      that fits four times into the smallest image. `checkerboard/outputs` is c(outputs), `checkerboard/period` the
      period of its frequency in pixels, and `checkerboard/real` is c(references).
    - Protocol: outputs and references as two sets, whole images of at least 8 pixels a side in [0, 1], cut to whole
      periods and faded out towards their border. Without a pattern c lies between 1 and 4, the largest of many ratios,
      and is the lower the more images there are: compare sets of equal numbers.
    - Source: Odena, Dumoulin, Olah, "Deconvolution and Checkerboard Artifacts", Distill 2016, for what is seen; the
      measure is ours.
    """

    name = "checkerboard"
    draws = 30
    halves = True
    ends = (0.0, math.inf)
    paired = False
    least_size = STRIDES[0] * LEAST_PERIODS

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        stride = self._stride(outputs, references)
        return abs(self._clearest(outputs, stride)[0] - self._clearest(references, stride)[0])

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        stride = self._stride(outputs, references)
        ours, period = self._clearest(outputs, stride)
        real, _ = self._clearest(references, stride)
        return {"checkerboard/outputs": ours, "checkerboard/real": real, "checkerboard/period": float(period)}

    def _stride(self, outputs: Sequence[Tensor], references: Sequence[Tensor]) -> int:
        """The largest stride that fits the images of both sets. Errors: DataError where none does."""
        if not len(outputs) or not len(references):
            raise DataError("checkerboard compares two sets of images, and one is empty")
        side = min(min(images[n].shape[-2:]) for images in (outputs, references) for n in range(len(images)))
        fitting = strides_in(side)
        if not fitting:
            raise DataError(f"checkerboard needs images of {self.least_size} pixels a side, and one has {side}")
        return fitting[-1]

    def _clearest(self, images: Sequence[Tensor], stride: int) -> tuple[float, int]:
        """What is c above, and the period of its frequency in pixels."""
        found = spectrum(images, stride)
        assert found is not None  # `stride` fits
        place = int(found.ratios.argmax())
        return float(found.ratios[place]), found.period(place)
