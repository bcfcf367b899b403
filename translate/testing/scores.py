"""The conformance of metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

import torch
from torch import Tensor

from translate.contracts import IGNORE, Class, DataSpec, EvaluationContext, Image, Metric, Sides
from translate.errors import ConfigError
from translate.testing.batches import tiny_batch, tiny_spec
from translate.testing.component import ComponentChecks
from translate.testing.report import check

CLASSIFIED = Sides({"image": Image(), "class": Class()}, together=(("image", "class"),))


def assert_metric_conforms(
    cls: type[Metric[Any]], *, options: Mapping[str, Any] | None = None, size: int = 32, count: int = 6
) -> None:
    """Scores `count` generated images of size x size pixels against others and against themselves.

    Errors: AssertionError that names every failed check and what to change.
    """
    MetricChecks(cls, options=options, size=size, count=count).demand()


class Lazy(Sequence[Tensor]):
    """Images as `evaluate` hands them out: each is read when it is asked for, and slices are not."""

    def __init__(self, images: Sequence[Tensor]) -> None:
        self._images = list(images)

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Tensor]: ...
    def __getitem__(self, index: int | slice) -> Tensor | Sequence[Tensor]:
        if isinstance(index, slice):
            raise TypeError("the images of a metric are read one by one; iterate instead of slicing")
        return self._images[index].clone()


class MetricChecks(ComponentChecks):
    """A metric scores outputs against references, knows which end is better, and keeps nothing between sets."""

    kind = "metrics"

    def __init__(self, cls: type[Metric[Any]], *, size: int = 32, count: int = 6, **common: Any) -> None:
        super().__init__(cls, **common)
        self.size, self.count = max(size, cls.least_size), count

    def images(self, seed: int, shade: float = 1.0) -> Lazy:
        """A set of images in [0, 1], of label maps whose first row is `IGNORE`, or of classes."""
        if self.cls.reads == "classes":
            draw = torch.Generator().manual_seed(seed)
            return Lazy(torch.randint(0, 4, (self.count,), generator=draw).unbind())
        if self.cls.reads == "labels":
            return Lazy(tiny_batch("labelled", size=self.size, count=self.count, seed=seed)["label"].unbind())
        noise = tiny_batch("single", size=self.size, count=self.count, seed=seed)["image"]
        return Lazy(((noise + 1) / 2 * shade).mul(255).round().div(255).unbind())

    def outputs(self, seed: int, shade: float = 1.0) -> Lazy:
        """As `images`; a method gives every pixel a class."""
        maps = self.images(seed, shade)
        return Lazy([torch.where(m == IGNORE, 0, m) for m in maps]) if self.cls.reads == "labels" else maps

    def scored(self, outputs: Lazy, references: Lazy) -> tuple[Any, Any]:
        """(score, details) by a new instance, as each evaluation makes one."""
        metric = self.cls(self.config(), self.spec())
        context = self.context(len(outputs), self.spec()) if self.cls.needs_context else None
        torch.manual_seed(len(outputs))
        return metric.score(outputs, references, context), metric.details(outputs, references, context)

    def spec(self) -> DataSpec:
        """Data with labels; or with two sides and a palette, so that any metric of images finds what it asks for; or,
        where the metric does not take that, with images of two classes."""
        labelled = tiny_spec("labelled", size=self.size)
        if self.cls.reads == "labels":
            return labelled
        two_sides = replace(tiny_spec("attribute", size=self.size), classes=labelled.classes, palette=labelled.palette)
        try:
            self.cls(self.config(), two_sides)
        except ConfigError:
            return tiny_spec(CLASSIFIED, size=self.size, classes=2)
        return two_sides

    def context(self, count: int, spec: DataSpec) -> EvaluationContext:
        """The context that `evaluate` would give a metric for `count` outputs: two for each input.

        Images of classes: those of the second are half as bright, and every output was asked for the first.
        """
        images = list(self.images(2))
        inputs = Lazy([images[n // 2] for n in range(count)])
        context = EvaluationContext(
            target_side="with",
            source_side="without",
            keys=[str(n) for n in range(count)],
            inputs=inputs,
            exemplars=inputs,
            training_images=lambda side: self.images(3 + (side == "with")),
            spec=spec,
        )
        if "class" not in spec.sides:
            return context
        return replace(
            context,
            target_side="image",
            source_side="image",
            training_images=lambda side: Lazy([*self.images(3), *self.images(4, 0.5)]),
            values={"class": [0] * count},
            training_values=lambda side: [0] * self.count + [1] * self.count,
        )

    @check("gives a number", "options")
    def number(self) -> Iterator[str]:
        if self.cls.better not in ("higher", "lower"):
            yield f"`better` is {self.cls.better!r}; it is 'higher' or 'lower'"
        if self.cls.reads not in ("images", "labels", "classes"):
            yield f"`reads` is {self.cls.reads!r}; it is 'images', 'labels' or 'classes'"
            return
        score, details = self.scored(self.outputs(1, 0.5), self.images(0))
        if isinstance(score, bool) or not isinstance(score, float | int):
            yield f"score() returns {type(score).__name__}; return a float (`.item()`)"
            return
        if math.isnan(score):
            yield "score() returns nan for images of noise"
        if not isinstance(details, Mapping) or not all(isinstance(v, float | int) for v in details.values()):
            yield "details() returns no mapping of names to floats"
        elif unknown := [name for name in self.cls.detail_ends if f"{self.cls.name}/{name}" not in details]:
            yield f"`detail_ends` has ends for {unknown[0]!r}, and details() tells no {self.cls.name}/{unknown[0]}"

    @check("takes a context", "number")
    def takes_context(self) -> Iterator[str]:
        """Evaluations of a model hand one to every metric, also to those that do without."""
        outputs, references = self.outputs(1, 0.5), self.images(0)
        metric = self.cls(self.config(), self.spec())
        score = metric.score(outputs, references, self.context(len(outputs), self.spec()))
        if not isinstance(score, float | int) or math.isnan(score):
            yield f"score() gives {score!r} when it gets a context; return a number whatever is in it"

    @check("gives the same number each time", "number")
    def again(self) -> Iterator[str]:
        sets = self.outputs(1, 0.5), self.images(0)
        first, second = (self.scored(*sets)[0] for _ in range(2))
        if not _same(first, second):
            yield f"score() gives {first} and then {second}; draw from a generator seeded by a constant"

    @check("knows which end is better", "number")
    def better(self) -> Iterator[str]:
        worse = self.scored(self.outputs(1, 0.5), self.images(0))[0]
        best = self.scored(self.outputs(0), self.images(0))[0]
        if (best < worse) if self.cls.better == "higher" else (best > worse):
            yield (
                f"outputs equal to the references score {best:.4g}, others {worse:.4g}, but `better` is "
                f"{self.cls.better!r}; say the other end, or turn the sign"
            )
        elif best == worse:
            yield f"outputs equal to the references score {best:.4g}, as others do; the metric does not see the images"

    @check("leaves the images alone", "number")
    def untouched(self) -> Iterator[str]:
        copies = [image.clone() for image in self.images(0)]

        class Held(Lazy):
            def __getitem__(self, index: Any) -> Any:
                return self._images[index]

        outputs, references = Held(list(self.outputs(1))), Held(copies)
        self.scored(outputs, references)
        if not all(torch.equal(a, b) for a, b in zip(references, self.images(0), strict=True)):
            yield "score() changes images in place; work on a copy"

    @check("compares sets of two sizes", "number")
    def two_sizes(self) -> Iterator[str]:
        fewer = Lazy(list(self.images(0))[:-1])
        score = self.scored(self.outputs(1), fewer)[0]
        if math.isnan(score):
            yield "score() returns nan for sets of two sizes"

    def applies(self, name: str) -> bool:
        if name == "better":  # what needs a context judges noise by other things than the references
            return not getattr(self.cls, "needs_context", False)
        return name != "two_sizes" or not getattr(self.cls, "paired", True)


def _same(first: float, second: float) -> bool:
    return first == second or (math.isnan(first) and math.isnan(second))
