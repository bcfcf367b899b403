"""The classifier two-sample test: can anybody learn to tell outputs from real images?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field, PositiveInt
from scipy.stats import mannwhitneyu
from torch import Tensor

from translate.contracts import Config, EvaluationContext, Metric
from translate.errors import DataError
from translate.metrics.classifier import LEAST_SIDE, Tried, tried_classifier

LEAST = 2
"""Images of each set: one trains the classifier, and one is told from the other set's."""


class C2STConfig(Config):
    """Options of `c2st`, which are those of its classifier."""

    width: PositiveInt = 12
    """Channels after the classifier's first convolution; the last one has four times as many."""
    epochs: PositiveInt = 20
    """How often the classifier sees every image that it is trained on."""
    seed: int = 0
    """The seed of its weights, of the order of images, and of which half it is tested on."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """The share of each set that the classifier is tested on, not trained on."""


class C2ST(Metric[C2STConfig]):
    """The accuracy of a classifier that was trained to tell outputs from real images, on images that it never saw.

    - Formula: equally many outputs and references, divided into two parts at random; a small convolutional network
      learns from the one, and the score is its accuracy on the other. 0.5: it found no difference; 1: any image gives
      itself away. `c2st/p` is the probability that its certainty tells equal sets so well (Mann-Whitney).
    - Protocol: outputs and references as two sets, at 64 x 64 pixels and below, images of several sizes all at 64 x 64;
      the larger set cut to the smaller one; on the CPU, the same each time. `c2st/real` is the same between training
      images and references, of the same number, in the outputs' place: what real images reach. A classifier of another
      size scores differently. An interval, where `bootstrap` asks for one, trains a classifier for each set.
    - Source: Lopez-Paz, Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017; the classifier is ours.
    """

    name = "c2st"
    halves = True  # an image that comes twice would be among those that train and among those that test
    ends = (0.0, 1.0)
    paired = False
    least_size = LEAST_SIDE

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return self._tried(outputs, references, min(len(outputs), len(references))).accuracy

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        count = min(len(outputs), len(references))
        found = {"c2st/p": chance(self._tried(outputs, references, count))}
        real = [] if context is None else context.training_images(context.target_side)
        if len(real):
            found["c2st/real"] = self._tried(real, references, min(count, len(real))).accuracy
        return found

    def _tried(self, ours: Sequence[Tensor], theirs: Sequence[Tensor], count: int) -> Tried:
        """A classifier of the first `count` images of two sets. Errors: DataError."""
        if count < LEAST:
            raise DataError(f"c2st divides each set into two parts and needs {LEAST} images of each, not {count}")
        c = self.config
        kinds = [[images[n] for n in range(count)] for images in (ours, theirs)]
        return tried_classifier(kinds, width=c.width, epochs=c.epochs, seed=c.seed, held_out=c.held_out, least=LEAST)


def chance(tried: Tried) -> float:
    """The probability, between equal sets, that a classifier finds the tested images of the first kind at least so much
    more like the first kind than those of the second: Mann and Whitney's test of its logits."""
    ours, theirs = (logits[:, 0] - logits[:, 1] for logits in tried.logits)
    return float(mannwhitneyu(ours.numpy(), theirs.numpy(), alternative="greater").pvalue)
