"""Metrics: how the outputs of a model are scored, and what a metric may look at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from translate.contracts.data import DataSpec
from translate.contracts.options import C, Configured

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Scene:
    """What was translated, for metrics that look beyond outputs and references.

    `side` is what the outputs imitate, `source` what they were made from, `keys` names them. `inputs` and `exemplars`
    (the second input of the direction) go with the outputs one by one; `plain`
    are the exemplars as they look on the source side, where the split has true pairs. `training(side)` are the real
    images that the model was trained on. All images as in `Metric`.
    """

    side: str
    source: str
    keys: Sequence[str]
    inputs: Sequence[Tensor]
    exemplars: Sequence[Tensor]
    training: Callable[[str], Sequence[Tensor]]
    plain: Sequence[Tensor] | None = None


class Metric(Configured[C], ABC):
    """A score of output images. Images are float32, C x H x W, in [0, 1], already rounded to the file's bit depth; what
    `reads` labels gets maps of class indices instead, long H x W, where `IGNORE` in a reference says: no class."""

    reads: ClassVar[Literal["images", "labels"]] = "images"
    better: ClassVar[Literal["higher", "lower"]] = "lower"
    paired: ClassVar[bool] = True
    """True: output i is compared with reference i. False: two sets are compared, of any two sizes."""
    mean_of_images: ClassVar[bool] = False
    """True: the score of a set is the mean of the scores of its images, which makes intervals cheap."""
    unit: str = ""
    looks: ClassVar[bool] = False
    """True: `look` comes before `score`, which two folders alone (`translate evaluate`) cannot give."""

    def __init__(self, config: C, spec: DataSpec | None = None) -> None:
        self.config = config
        self.spec = spec

    @abstractmethod
    def score(self, outputs: Sequence[Tensor], references: Sequence[Tensor]) -> float:
        """The score of a set. The sequences load lazily: read each item once, in order, where that is possible."""

    def look(self, scene: Scene) -> None:
        """Called before outputs (and baselines) are scored, by `evaluate` once, by `validate` for every direction."""

    def details(self, outputs: Sequence[Tensor], references: Sequence[Tensor]) -> Mapping[str, float]:
        """Parts of the score that tables show below it, by name, such as `iou/car`; read the same way, none by default.

        A part that does not occur in the set is not a number (nan).
        """
        return {}

    def best_constant(self, references: Sequence[Tensor]) -> float | None:
        """The score that the best single-coloured output would reach, the floor of a method; None where it has none."""
        return None
