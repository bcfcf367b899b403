"""Metrics of classes: of label maps by their confusion matrix, and of images whose colours stand for classes."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from translate.contracts import IGNORE, Config, DataSpec, EvaluationContext, Metric
from translate.errors import ConfigError, DataError
from translate.metrics.paired import pairs

if TYPE_CHECKING:
    from torch import Tensor

Colour = tuple[int, int, int]


class PaletteConfig(Config):
    """`palette`: colours of the classes, R G B from 0 to 255; default: the palette of the data."""

    palette: tuple[Colour, ...] = Field(default=(), max_length=256)


class PaletteAccuracy(Metric[PaletteConfig]):
    """The share of pixels whose class is right, the class being the nearest colour of the palette (L2 in RGB), as
    pix2pix reads label maps (Isola et al. 2017, photo to labels). Counted over all pixels of the set."""

    name = "palette-accuracy"
    better = "higher"

    def __init__(self, config: PaletteConfig, spec: DataSpec | None = None) -> None:
        super().__init__(config, spec)
        self.palette: Sequence[Colour] = config.palette or (spec.palette if spec else ())
        if len(self.palette) < 2:
            raise ConfigError(
                "palette-accuracy needs a palette, and this data has none; give it as `palette: [[r, g, b], ...]`"
            )

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        right = total = 0
        for output, reference in pairs(outputs, references):
            hits = self.classes(output) == self.classes(reference)
            right, total = right + int(hits.sum()), total + hits.numel()
        return right / total

    def best_constant(self, references: Sequence[Tensor]) -> float | None:
        """The share of the most frequent class."""
        counts = sum(self.classes(image).flatten().bincount(minlength=len(self.palette)) for image in references)
        return None if isinstance(counts, int) else int(counts.max()) / int(counts.sum())

    def classes(self, image: Tensor) -> Tensor:
        """C x H x W in [0, 1] to the index of the nearest palette colour, long H x W; ties go to the first."""
        import torch

        if image.shape[0] != 3:
            raise DataError(f"palette-accuracy compares colour images, and one has {image.shape[0]} channels")
        colours = torch.tensor(self.palette, dtype=torch.float32, device=image.device)
        nearest = torch.cdist(image.mul(255).flatten(1).T, colours, compute_mode="donot_use_mm_for_euclid_dist").argmin(
            1
        )
        return nearest.view(image.shape[1:])


class LabelConfig(Config):
    """`ignore`: the value in references that means no class, not counted. In prepared data it is always 255."""

    ignore: int = Field(default=IGNORE, ge=0, le=255)


class _LabelMetric(Metric[LabelConfig]):
    """What follows from the confusion matrix n of a set: n[i, j] pixels of class i in the truth are j in the output.

    It is summed over all images before anything is divided. Classes are those of the data, else all values from 0 to
    255 (as for two folders of label maps).
    """

    reads = "labels"
    better = "higher"

    def __init__(self, config: LabelConfig, spec: DataSpec | None = None) -> None:
        super().__init__(config, spec)
        self.names = spec.classes if spec and spec.classes else tuple(str(i) for i in range(256))

    @abstractmethod
    def of(self, n: Tensor) -> float:
        """The score of a confusion matrix, classes x classes, float64."""

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return self.of(self.confusion(outputs, references))

    def best_constant(self, references: Sequence[Tensor]) -> float | None:
        """The score of the most frequent class everywhere."""
        import torch

        truth = self.confusion(references, references).diagonal()
        n = torch.zeros(len(truth), len(truth), dtype=torch.float64)
        n[:, int(truth.argmax())] = truth
        return self.of(n)

    def confusion(self, outputs: Sequence[Tensor], references: Sequence[Tensor]) -> Tensor:
        """The confusion matrix of a set of label maps, long H x W; float64, which counts exactly up to 2 ** 53.

        Errors: DataError where counts or sizes differ, or where a value is no class.
        """
        import torch

        classes = len(self.names)
        total = torch.zeros(classes * classes, dtype=torch.float64)
        for output, reference in pairs(outputs, references):
            counted = reference != self.config.ignore
            truth, found = reference[counted], output[counted]
            for what, values in (("a reference", truth), ("an output", found)):
                if values.numel() and int(values.max()) >= classes:
                    raise DataError(f"{what} holds the value {int(values.max())}, and there are {classes} classes")
            total += torch.bincount(truth * classes + found, minlength=classes * classes)
        if not total.any():
            raise DataError(f"there is nothing to score: all pixels of the references are {self.config.ignore}")
        return total.view(classes, classes)


class PixelAccuracy(_LabelMetric):
    """The share of pixels whose class is right, of all pixels of the set."""

    name = "pixel-accuracy"

    def of(self, n: Tensor) -> float:
        return float(n.diagonal().sum() / n.sum())


class ClassAccuracy(_LabelMetric):
    """For each class the share of its pixels that are found; the mean over the classes that occur in the references."""

    name = "class-accuracy"

    def of(self, n: Tensor) -> float:
        return float((n.diagonal() / n.sum(1)).nanmean())


class MeanIoU(_LabelMetric):
    """Intersection over union, |truth and output| / |truth or output|, of each class over the whole set, and the mean.

    Classes that neither truth nor output holds are left out of the mean; the pix2pix authors' script counts them as 0.
    """

    name = "miou"

    def of(self, n: Tensor) -> float:
        return float(_iou(n).nanmean())

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        """The IoU of each class: `iou/NAME`. Without names, of the values that occur."""
        values = _iou(self.confusion(outputs, references)).tolist()
        named = bool(self.spec and self.spec.classes)
        return {f"iou/{name}": v for name, v in zip(self.names, values, strict=True) if named or not math.isnan(v)}


def _iou(n: Tensor) -> Tensor:
    """The IoU of each class; nan where its union is empty."""
    return n.diagonal() / (n.sum(0) + n.sum(1) - n.diagonal())
