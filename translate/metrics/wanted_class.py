"""Is an output of the class that was asked for? A classifier of real images decides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field, PositiveInt
from torch import Tensor

from translate.contracts import MISSING, Class, Config, DataSpec, EvaluationContext, Metric
from translate.errors import ConfigError, DataError
from translate.metrics.classifier import Classifier, train_classifier
from translate.text import suggest


class ClassifierConfig(Config):
    """Options of metrics that see images through a classifier of real ones."""

    side: str = "class"
    """The side of classes that images are told apart by."""
    width: PositiveInt = 12
    """Channels after the classifier's first convolution; the last one has four times as many."""
    epochs: PositiveInt = 10
    """How often the classifier sees every training image. More may be needed where its own accuracy is low."""
    seed: int = 0
    """The seed of its weights, of the order of images, and of which images are held out."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """The share of each class's training images that it is not trained on but tested on: its own accuracy."""


class ClassifierOfSide:
    """The classifier of the classes of a side, by `names`, trained on real images when it is first asked."""

    def __init__(self, metric: str, config: ClassifierConfig, spec: DataSpec | None) -> None:
        self.metric, self.config = metric, config
        self.names = _names(metric, config, spec) if spec else ()
        self._trained: tuple[Classifier, float] | None = None

    def trained(self, context: EvaluationContext) -> tuple[Classifier, float]:
        """The classifier and its accuracy on held-out images. It is trained once: training images stay the same.

        It runs on the CPU whatever the device, so that a score does not depend on the machine. Errors: DataError.
        """
        if self._trained is None:
            c, images = self.config, context.training_images(context.target_side)
            kinds: list[list[Tensor]] = [[] for _ in self.names]
            for number, index in enumerate(context.training_values(c.side)):
                if index != MISSING:
                    kinds[int(index)].append(images[number])
            for name, kind in zip(self.names, kinds, strict=True):
                if len(kind) < 4:
                    message = f"{self.metric} learns what {name!r} looks like from at least 4 training images"
                    raise DataError(message)
            self._trained = train_classifier(kinds, width=c.width, epochs=c.epochs, seed=c.seed, held_out=c.held_out)
        return self._trained


class WantedClassConfig(ClassifierConfig):
    """Options of `wanted-class`, most of which are those of its classifier.

    The input of the direction that has the name of the side says which class was asked for.
    """

    wanted: str | None = None
    """The class that all outputs were asked for, by name, where no input says it: that of the direction `to_blond`."""


class WantedClass(Metric[WantedClassConfig]):
    """The share of outputs that a classifier takes for images of the class that was asked for.

    - Formula: right / all, by a small convolutional network that is trained on the real training images of all classes
      at 64 x 64 pixels and below. `wanted-class/own` is its accuracy on real images that it was not trained on, and
      `wanted-class/NAME` the share among outputs that were asked for one class.
    - Protocol: needs the training images of an evaluated model and their classes; on the CPU, the same each time.
    - Source: Choi et al., "StarGAN", CVPR 2018, section 5.3, and Odena et al., "Conditional Image Synthesis with
      Auxiliary Classifier GANs", ICML 2017, section 4.1; this classifier is ours, since theirs know their data alone.
    """

    name = "wanted-class"
    ends = (0.0, 1.0)
    better = "higher"
    paired = False
    needs_context = True

    def __init__(self, config: WantedClassConfig, spec: DataSpec | None = None) -> None:
        super().__init__(config, spec)
        self.classifier = ClassifierOfSide(self.name, config, spec)
        self.names = self.classifier.names
        if config.wanted is not None and spec is not None and config.wanted not in self.names:
            near = suggest(config.wanted, self.names) or f"; there are {', '.join(self.names)}"
            raise ConfigError(f"wanted-class: no class is called {config.wanted!r}{near}")

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        assert context is not None, "needs_context"
        return _share(self._hits(outputs, context))

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        assert context is not None, "needs_context"
        parts = {"wanted-class/own": self.classifier.trained(context)[1]}
        hits, wanted = self._hits(outputs, context), self._wanted(len(outputs), context)
        for number, name in enumerate(self.names):
            asked = [hit for hit, index in zip(hits, wanted, strict=True) if index == number]
            parts[f"wanted-class/{name}"] = _share(asked)
        return parts

    def _hits(self, outputs: Sequence[Tensor], context: EvaluationContext) -> list[bool]:
        """Whether each output is taken for what was asked for."""
        wanted = self._wanted(len(outputs), context)
        classes = self.classifier.trained(context)[0].classify(outputs)
        return [index == asked for index, asked in zip(classes, wanted, strict=True)]

    def _wanted(self, count: int, context: EvaluationContext) -> list[int]:
        """The class that was asked for, for each output. Errors: DataError where nobody says it."""
        c = self.config
        if c.wanted is not None:
            return [self.names.index(c.wanted)] * count
        if c.side not in context.values:
            raise DataError(
                f"wanted-class does not know which class was asked for: the direction has no input {c.side!r}; "
                "say `wanted: NAME`"
            )
        return [int(index) for index in context.values[c.side]]


def _names(metric: str, config: ClassifierConfig, spec: DataSpec) -> tuple[str, ...]:
    """The names of the classes. Errors: ConfigError for data without them."""
    side = spec.sides.get(config.side)
    if not isinstance(side, Class):
        there = [name for name, each in spec.sides.items() if isinstance(each, Class)]
        raise ConfigError(f"{metric} needs a side of classes {config.side!r}; there are {', '.join(there) or 'none'}")
    return side.names


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else math.nan
