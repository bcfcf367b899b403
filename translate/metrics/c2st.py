"""The classifier two-sample test: can anybody learn to tell outputs from real images?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field, PositiveInt
from torch import Tensor

from translate.contracts import Config, EvaluationContext, Metric
from translate.errors import DataError
from translate.metrics.classifier import train_classifier

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
      itself away.
    - Protocol: outputs and references as two sets, at 64 x 64 pixels and below, the larger set cut to the smaller one;
      on the CPU, the same each time. `c2st/real` is the same between training images and references, of the same
      number, in the outputs' place: what real images reach. A classifier of another size scores differently.
    - Source: Lopez-Paz, Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017; the classifier is ours.
    """

    name = "c2st"
    paired = False

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return self._accuracy(outputs, references, min(len(outputs), len(references)))

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        if context is None:
            return {}
        real = context.training_images(context.target_side)
        return {"c2st/real": self._accuracy(real, references, min(len(outputs), len(references), len(real)))}

    def _accuracy(self, ours: Sequence[Tensor], theirs: Sequence[Tensor], count: int) -> float:
        """The accuracy between the first `count` images of two sets. Errors: DataError."""
        if count < LEAST:
            raise DataError(f"c2st divides each set into two parts and needs {LEAST} images of each, not {count}")
        c = self.config
        kinds = [[images[n] for n in range(count)] for images in (ours, theirs)]
        return train_classifier(kinds, width=c.width, epochs=c.epochs, seed=c.seed, held_out=c.held_out, least=LEAST)[1]
