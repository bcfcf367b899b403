"""Scores of images that were given an object or an attribute, or lost it: is it there, is it the right one, and has
nothing else changed?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor

from translate import (
    Classifier,
    Config,
    ConfigError,
    DataError,
    DataSpec,
    EvaluationContext,
    Metric,
    mean_score,
    paired_images,
    train_classifier,
)

Share = Annotated[float, Field(ge=0, le=1)]
WHOLE: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)


class PlaceConfig(Config):
    """Options of all metrics that look at one place."""

    place: tuple[Share, Share, Share, Share] = WHOLE
    """The place: [top, left, bottom, right] as shares of the height and width, the whole image by default.

    `[0.1, 0.2, 0.4, 0.8]` begins a tenth below the top and ends at four tenths.
    """

    @model_validator(mode="after")
    def _some_place(self) -> PlaceConfig:
        top, left, bottom, right = self.place
        if not (top < bottom and left < right):
            raise ValueError(
                "`place` is [top, left, bottom, right] as shares of the image, such as [0.1, 0.2, 0.4, 0.8]"
            )
        return self

    def window(self, image: Tensor) -> tuple[slice, slice]:
        """Rows and columns of the place in C x H x W; at least one of each."""
        height, width = image.shape[-2:]
        top, left, bottom, right = self.place
        rows, columns = (round(top * height), round(bottom * height)), (round(left * width), round(right * width))
        return slice(rows[0], max(rows[1], rows[0] + 1)), slice(columns[0], max(columns[1], columns[0] + 1))


class PlaceL1Config(PlaceConfig):
    """Options of `place-l1`."""

    outside: bool = False
    """Compares everything but the place: there nothing may change."""


class PlaceL1(Metric[PlaceL1Config]):
    """Mean absolute difference at a place, or everywhere else: an object may change there, the background may not.

    - Formula: mean |output - reference| over the pixels of the place and all channels of an image; then the mean over
      images.
    - Protocol: values in [0, 1], any number of channels, output i against reference i; `place` is rounded to whole
      pixels, one at least. 0 is equal.
    - Source: ours, for objects that are put on and taken off at a known place.
    """

    name = "place-l1"
    mean_of_images = True
    unit = "of 0 to 1"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return mean_score(self._one(a, b) for a, b in paired_images(outputs, references))

    def _one(self, output: Tensor, reference: Tensor) -> float:
        counts = torch.zeros(output.shape[-2:], dtype=torch.bool)
        counts[self.config.window(output)] = True
        counts = ~counts if self.config.outside else counts
        if not counts.any():
            raise DataError("place-l1: nothing is outside of the place; give a smaller `place`")
        return float((output - reference).abs()[:, counts].double().mean())


class ColourfulConfig(PlaceConfig):
    """Options of `colourful-place`."""

    threshold: Share = 0.38
    """The mean chroma (the largest minus the smallest of R, G and B, 0 to 1) above which a place is colourful.

    0.38 lies between heads with and without the hats of `generated-hats`.
    """
    absent: bool = False
    """Counts the images without anything colourful at the place: is the hat off?"""


class ColourfulPlace(Metric[ColourfulConfig]):
    """The share of outputs with something colourful at a place, or with nothing colourful there: is the hat on, or off?

    - Formula: an image counts where the mean over the place of max(R, G, B) - min(R, G, B) is above `threshold`
      (`absent`: where it is not).
    - Protocol: outputs alone, RGB in [0, 1]; references are not looked at. 1 is all of them.
    - Source: ours, for `generated-hats`, whatever hat it is.
    """

    name = "colourful-place"
    mean_of_images = True
    better = "higher"
    paired = False

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        colourful = 0
        for number in range(len(outputs)):
            image = outputs[number]
            if image.shape[0] != 3:
                raise DataError(f"colourful-place looks at colour images, and one has {image.shape[0]} channels")
            at = image[(slice(None), *self.config.window(image))]
            colourful += float((at.amax(0) - at.amin(0)).mean()) > self.config.threshold
        return (len(outputs) - colourful if self.config.absent else colourful) / len(outputs)


class RetrievalConfig(PlaceConfig):
    """Options of `exemplar-retrieval`."""

    candidates: Annotated[int, Field(ge=2)] = 50
    """How many exemplars an output is compared with, its own among them; guessing scores 1 / candidates."""


class ExemplarRetrieval(Metric[RetrievalConfig]):
    """The share of outputs that look more like their own exemplar than like any other: does its object arrive?

    - Formula: an output is right where its mean absolute difference at the place from what its own exemplar lets expect
      is below those of all other candidates. Guessing scores 1 / candidates.
    - Protocol: needs the exemplars of an evaluated model; values in [0, 1], all images of one size. Where true pairs
      tell what the object is (the pixels that differ), an output is compared with its own input wearing the objects of
      the candidates; else with the exemplars themselves. Candidates are the exemplars of the next outputs in order, but
      for those of the same object, which share a folder of keys.
    - Source: ours; nearest-neighbour retrieval as in instance recognition.
    """

    name = "exemplar-retrieval"
    better = "higher"
    paired = False
    needs_context = True

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        assert context is not None, "needs_context"
        hits = 0
        for number in range(len(outputs)):
            output, original = self._place(outputs[number]), self._place(context.inputs[number])
            candidates = (number, *self._others(context.keys, number))
            distances = [self._distance(output, original, candidate, context) for candidate in candidates]
            hits += distances[0] < min(distances[1:])
        return hits / len(outputs)

    def _distance(self, output: Tensor, original: Tensor, number: int, context: EvaluationContext) -> float:
        """From an output to what it would be with the exemplar of output `number`."""
        expected = self._place(context.exemplars[number])
        if expected.shape != output.shape:
            raise DataError("exemplar-retrieval compares pixels: all images need one size; add a `resize`")
        if context.counterparts is not None:
            changed = (expected != self._place(context.counterparts[number])).any(0)
            expected = expected.where(changed, original)
        return float((output - expected).abs().mean())

    def _place(self, image: Tensor) -> Tensor:
        return image[(slice(None), *self.config.window(image))]

    def _others(self, keys: Sequence[str], number: int) -> list[int]:
        """The outputs with other objects whose exemplars are the wrong answers for output `number`."""
        folders = [key.rpartition("/")[0] for key in keys]
        apart = [k % len(keys) for k in range(number + 1, number + len(keys))]
        others = [k for k in apart if not folders[k] or folders[k] != folders[number]]
        if not others:
            raise DataError("exemplar-retrieval needs at least two images with different exemplars")
        return others[: self.config.candidates - 1]


class AttributeConfig(Config):
    """Options of `attribute-accuracy`, which are those of its classifier."""

    width: PositiveInt = 12
    """Channels after the classifier's first convolution; the last one has four times as many."""
    epochs: PositiveInt = 10
    """How often the classifier sees every training image. More may be needed where its own accuracy is low."""
    seed: int = 0
    """The seed of its weights, of the order of images, and of which images are held out."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """The share of each side's training images that it is not trained on but tested on: its own accuracy."""


class AttributeAccuracy(Metric[AttributeConfig]):
    """The share of outputs that a classifier of both sides takes for images of the side that they imitate.

    - Formula: right / all, by a small convolutional network that is trained on the real training images of both sides
      at 64 x 64 pixels and below. Its own accuracy on real images that it was not trained on stands below the score.
    - Protocol: needs the training images of an evaluated model, data with two sides; on the CPU, the same each time.
    - Source: the accuracy of an attribute classifier, as StarGAN (Choi et al., CVPR 2018) and others report it; this
      classifier is ours, since theirs are trained on faces alone.
    """

    name = "attribute-accuracy"
    mean_of_images = True
    better = "higher"
    paired = False
    needs_context = True

    def __init__(self, config: AttributeConfig, spec: DataSpec | None = None) -> None:
        super().__init__(config, spec)
        self.sides = tuple(spec.data) if spec else ()
        if len(self.sides) != 2:
            raise ConfigError("attribute-accuracy tells two sides of data apart, and this data has not two")
        self._trained: tuple[Classifier, float] | None = None

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        assert context is not None, "needs_context"
        classifier, _ = self.trained(context)
        side = self.sides.index(context.target_side)
        return sum(kind == side for kind in classifier.classify(outputs)) / len(outputs)

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        assert context is not None, "needs_context"
        return {"attribute-accuracy/own": self.trained(context)[1]}

    def trained(self, context: EvaluationContext) -> tuple[Classifier, float]:
        """The classifier and its accuracy on held-out images. It is trained once: training images stay the same.

        It runs on the CPU whatever the device, so that a score does not depend on the machine.
        """
        if self._trained is None:
            c = self.config
            images = [context.training_images(side) for side in self.sides]
            self._trained = train_classifier(images, width=c.width, epochs=c.epochs, seed=c.seed, held_out=c.held_out)
        return self._trained
