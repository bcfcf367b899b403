"""Scores of images that were given an object or an attribute, or lost it: is it there, is it the right one, and has
nothing else changed?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PositiveInt, model_validator

from translate.contracts import SIDES, Config, DataSpec, EvaluationContext, Metric
from translate.errors import ConfigError, DataError
from translate.metrics.paired import mean, pairs

if TYPE_CHECKING:
    from torch import Tensor

    from translate.metrics.classifier import Classifier

Share = Annotated[float, Field(ge=0, le=1)]
WHOLE: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)


class PlaceConfig(Config):
    """`place`: top, left, bottom, right as shares of the image."""

    place: tuple[Share, Share, Share, Share] = WHOLE

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
    """`outside`: everything but the place."""

    outside: bool = False


class PlaceL1(Metric[PlaceL1Config]):
    """Mean absolute difference of the values in [0, 1] at a place, or everywhere else: an object may change there and
    the background may not. The mean over images."""

    name = "place-l1"
    mean_of_images = True
    unit = "of 0 to 1"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return mean(self._one(a, b) for a, b in pairs(outputs, references))

    def _one(self, output: Tensor, reference: Tensor) -> float:
        import torch

        counts = torch.zeros(output.shape[-2:], dtype=torch.bool)
        counts[self.config.window(output)] = True
        counts = ~counts if self.config.outside else counts
        if not counts.any():
            raise DataError("place-l1: nothing is outside of the place; give a smaller `place`")
        return float((output - reference).abs()[:, counts].double().mean())


class ColourfulConfig(PlaceConfig):
    """`threshold` of the mean chroma (the largest minus the smallest of R, G, B, 0 to 1); `absent`: count the images
    that are below it."""

    threshold: Share = 0.38
    absent: bool = False


class ColourfulPlace(Metric[ColourfulConfig]):
    """The share of outputs with something colourful at a place, or with nothing colourful there: whether a generated
    hat is on or off, whatever hat it is."""

    name = "colourful-place"
    mean_of_images = True
    better = "higher"
    paired = False

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        found = 0
        for number in range(len(outputs)):
            image = outputs[number]
            if image.shape[0] != 3:
                raise DataError(f"colourful-place looks at colour images, and one has {image.shape[0]} channels")
            at = image[(slice(None), *self.config.window(image))]
            found += float((at.amax(0) - at.amin(0)).mean()) > self.config.threshold
        return (len(outputs) - found if self.config.absent else found) / len(outputs)


class RetrievalConfig(PlaceConfig):
    """`candidates`: how many exemplars an output is compared with, its own among them."""

    candidates: Annotated[int, Field(ge=2)] = 50


class ExemplarRetrieval(Metric[RetrievalConfig]):
    """The share of outputs that look more like their own exemplar than like any other, at a place (mean absolute
    difference): does the exemplar's object arrive, or just any? Guessing scores 1 / candidates.

    Where true pairs tell what the object is (the pixels that differ), an output is compared with its own input wearing
    the objects of the candidates; else with the exemplars themselves. Candidates are the exemplars of the next outputs
    in order, but for those of the same object, which share a folder of keys.
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
    """The classifier: its `width`, `epochs` and `seed`, and the part of the training images that it is tested on
    (`held_out`)."""

    width: PositiveInt = 12
    epochs: PositiveInt = 10
    seed: int = 0
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1


class AttributeAccuracy(Metric[AttributeConfig]):
    """The share of outputs that a small network, trained on the real training images of both sides, takes for images
    of the side that they imitate. Its own accuracy on real images that it was not trained on stands below the score.
    """

    name = "attribute-accuracy"
    mean_of_images = True
    better = "higher"
    paired = False
    needs_context = True

    def __init__(self, config: AttributeConfig, spec: DataSpec | None = None) -> None:
        super().__init__(config, spec)
        self.sides = SIDES[spec.kind] if spec else ()
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
        from translate.metrics.classifier import train_classifier

        if self._trained is None:
            c = self.config
            images = [context.training_images(side) for side in self.sides]
            self._trained = train_classifier(images, width=c.width, epochs=c.epochs, seed=c.seed, held_out=c.held_out)
        return self._trained
