"""Metrics: how the outputs of a model are scored, and what a metric may look at."""

from __future__ import annotations

import functools
import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from translate.contracts.data import DataSpec
from translate.contracts.options import C, Configured
from translate.errors import ContractError

if TYPE_CHECKING:
    from torch import Tensor


def _no_values(side: str) -> Sequence[Any]:
    raise ContractError(f"the values of side {side!r} are not known here")


@dataclass(frozen=True)
class EvaluationContext:
    """Everything about an evaluation beyond outputs and references. All images are as `Metric` describes them.

    `target_side` is the side of the data that the outputs imitate, `source_side` the one that they were made from;
    `keys` names the outputs. `inputs` are the images that were translated and `exemplars` the second inputs of the
    direction (where it has one input alone: that input), one for each output. `counterparts` are the exemplars as they
    look on the source side, in splits with true pairs, else None. `training_images(side)` gives all real images of a
    side that the model was trained on, and `training_values(side)` the classes (indices) or vectors of such a side, in
    the order of the images that it belongs together with. `values` are the classes and vectors that the direction got
    beside its images, by the name of the input, one for each output. `spec` describes the data. `device` is where
    networks of a metric should run: `cpu`, `cuda:0`; images come on the CPU.
    """

    target_side: str
    source_side: str
    keys: Sequence[str]
    inputs: Sequence[Tensor]
    exemplars: Sequence[Tensor]
    training_images: Callable[[str], Sequence[Tensor]]
    counterparts: Sequence[Tensor] | None = None
    spec: DataSpec | None = None
    device: str = "cpu"
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    training_values: Callable[[str], Sequence[Any]] = _no_values


class Metric(Configured[C], ABC):
    """A score of output images.

    Images are float32, C x H x W, in [0, 1], already rounded to the file's bit depth. A metric that `reads` labels gets
    maps of class indices instead, long H x W, where `IGNORE` in a reference stands for no class; one that reads classes
    gets one index for each image, long without axes, and `MISSING` in a reference where an image has none.

    A metric is scored many times: outputs, the inputs in their place, another model's outputs, sets drawn for
    intervals. Each call of `score` gets everything that it needs, and one call changes nothing for the next.
    """

    reads: ClassVar[Literal["images", "labels", "classes"]] = "images"
    """The form of outputs and references: images, label maps, or the classes of images."""
    better: ClassVar[Literal["higher", "lower"]] = "lower"
    """The good end of the scale."""
    paired: ClassVar[bool] = True
    """True: output i is compared with reference i. False: two sets are compared, of any two sizes."""
    mean_of_images: ClassVar[bool] = False
    """True: the score of a set is the mean of the scores of its images, which makes intervals cheap."""
    draws: ClassVar[int] = 0
    """Sets that are drawn for an interval where nobody says how many; 0: none, since that would take too long."""
    halves: ClassVar[bool] = False
    """True: intervals come from halves of the sets, in which no image is twice, since copies would be neighbours or
    count as equal; False: from sets with images drawn several times."""
    ends: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    """The least and the largest score that can be: intervals lie between them."""
    detail_ends: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """The details that get an interval as the score does, by their names without `NAME/`, with their ends."""
    unit: str = ""
    """Shown behind the name in tables: `dB`, `%`."""
    least_size: ClassVar[int] = 1
    """Pixels that the shorter side of an image needs."""
    needs_context: ClassVar[bool] = False
    """True: `score` cannot do without a context, which `translate evaluate` of two folders does not have."""

    def __init__(self, config: C, spec: DataSpec | None = None) -> None:
        self.config = config
        self.spec = spec

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.mean_of_images and "draws" not in vars(cls):
            cls.draws = 1000  # each image is scored once, whatever the number of draws
        if hasattr(cls, "look") or getattr(cls, "looks", False):
            raise ContractError(
                f"metric {cls.name or cls.__name__}: `look(scene)` and `looks` are gone; say `needs_context = True` "
                "and take the same facts from the argument `context` of score(outputs, references, context)"
            )
        for name in ("score", "details"):
            function = getattr(cls, name)
            if not _takes_context(function):
                setattr(cls, name, _without_context(function))

    @abstractmethod
    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        """The score of a set.

        The sequences load lazily: read each item once, in order, where that is possible. `context` is None where two
        folders are compared without a model; a metric with `needs_context` always gets one. An implementation that has
        no use for it may leave the argument out.

        Errors: DataError for images that cannot be compared.
        """

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        """Parts of the score that tables show below it, by name, such as `iou/car`; none by default.

        The arguments are those of `score`. A part that does not occur in the set is not a number (nan).
        """
        return {}

    def protocol(self) -> str:
        """What a figure depends on beside the images, for whoever compares it with others: what is looked at, and the
        size, the cut and the range of values; by default the point `Protocol` of the class's docstring."""
        text = " ".join((inspect.getdoc(type(self)) or "").split())
        _, found, rest = text.partition("- Protocol: ")
        return rest.partition(" - Source:")[0] if found else ""

    def lighter(self) -> Metric[Any]:
        """The metric that scores the sets of an interval, of which there are many: itself, or a cheaper one of the same
        scale, since only its spread counts."""
        return self

    def fetch(self) -> None:
        """Brings what the metric cannot score without, such as a file of weights, when a pipeline is planned.

        Nothing is missing hours later then. Does nothing by default. Errors: ConfigError, DataError: what to do.
        """

    def best_constant(self, references: Sequence[Tensor]) -> float | None:
        """The score that the best single-coloured output would reach, the floor of a method; None where it has none."""
        return None


def _takes_context(function: Callable[..., Any]) -> bool:
    """Says whether a method can be called with a third argument after `self`, outputs and references."""
    parameters = list(inspect.signature(function, follow_wrapped=False).parameters.values())
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(plain) > 3 or any(p.kind is p.VAR_POSITIONAL for p in parameters)


def _without_context(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method that takes `context` and leaves it out, for an implementation without that argument."""

    @functools.wraps(function)
    def leaves_it_out(self: Any, outputs: Any, references: Any, context: Any = None) -> Any:
        return function(self, outputs, references)

    return leaves_it_out
