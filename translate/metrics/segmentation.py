"""Metrics of classes: of label maps by their confusion matrix, and of images whose colours stand for classes."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from pydantic import Field
from torch import Tensor

from translate.contracts import IGNORE, Config, DataSpec, EvaluationContext, Metric
from translate.errors import ConfigError, DataError
from translate.metrics.pairs import paired_images

Colour = tuple[int, int, int]


class PaletteConfig(Config):
    """Options of `palette-accuracy`."""

    palette: tuple[Colour, ...] = Field(default=(), max_length=256)
    """The colours of the classes, R G B from 0 to 255: `[[128, 64, 128], [70, 70, 70]]`. Empty: the palette of the
    data."""


class PaletteAccuracy(Metric[PaletteConfig]):
    """The share of pixels of painted label maps whose class is right, the class being the nearest colour of the
    palette.

    - Formula: right / all over all pixels of the set; nearest by L2 in RGB, ties go to the first colour.
    - Protocol: RGB images in [0, 1], output i against reference i, whole images. 1 is right everywhere; the best
      constant is the most frequent class.
    - Source: how pix2pix reads label maps (Isola et al. 2017, photo to labels).
    """

    name = "palette-accuracy"
    ends = (0.0, 1.0)
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
        for output, reference in paired_images(outputs, references):
            hits = self.classes(output) == self.classes(reference)
            right, total = right + int(hits.sum()), total + hits.numel()
        return right / total

    def best_constant(self, references: Sequence[Tensor]) -> float | None:
        """The share of the most frequent class."""
        counts = sum(self.classes(image).flatten().bincount(minlength=len(self.palette)) for image in references)
        return None if isinstance(counts, int) else int(counts.max()) / int(counts.sum())

    def classes(self, image: Tensor) -> Tensor:
        """C x H x W in [0, 1] to the index of the nearest palette colour, long H x W; ties go to the first."""
        if image.shape[0] != 3:
            raise DataError(f"palette-accuracy compares colour images, and one has {image.shape[0]} channels")
        colours = torch.tensor(self.palette, dtype=torch.float32, device=image.device)
        pixels = image.mul(255).flatten(1).T
        # Without matrix products, whose rounding could turn a tie the other way.
        distances = torch.cdist(pixels, colours, compute_mode="donot_use_mm_for_euclid_dist")
        return distances.argmin(1).view(image.shape[1:])


class LabelConfig(Config):
    """Options of the metrics of label maps."""

    ignore: int = Field(default=IGNORE, ge=0, le=255)
    """The value in references that stands for no class: such pixels are not counted. In prepared data it is 255."""


class _LabelMetric(Metric[LabelConfig]):
    """A score of the confusion matrix n of a set: n[i, j] pixels of class i in the truth are j in the output.

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
        truth = self.confusion(references, references).diagonal()
        n = torch.zeros(len(truth), len(truth), dtype=torch.float64)
        n[:, int(truth.argmax())] = truth
        return self.of(n)

    def confusion(self, outputs: Sequence[Tensor], references: Sequence[Tensor]) -> Tensor:
        """The confusion matrix of a set of label maps, long H x W; float64, which counts exactly up to 2 ** 53.

        Errors: DataError where counts or sizes differ, or where a value is no class.
        """
        classes = len(self.names)
        total = torch.zeros(classes * classes, dtype=torch.float64)
        for output, reference in paired_images(outputs, references):
            counted = reference != self.config.ignore
            truth, predicted = reference[counted], output[counted]
            for what, values in (("a reference", truth), ("an output", predicted)):
                if values.numel() and int(values.max()) >= classes:
                    raise DataError(f"{what} holds the value {int(values.max())}, and there are {classes} classes")
            total += torch.bincount(truth * classes + predicted, minlength=classes * classes)
        if not total.any():
            raise DataError(f"there is nothing to score: all pixels of the references are {self.config.ignore}")
        return total.view(classes, classes)


class PixelAccuracy(_LabelMetric):
    """The share of pixels whose class is right.

    - Formula: sum_i n_ii / sum_ij n_ij of the confusion matrix n of the whole set.
    - Protocol: label maps, pixels without a class in the reference left out; the best constant is the most frequent
      class.
    - Source: Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015, section 5.
    """

    name = "pixel-accuracy"
    ends = (0.0, 1.0)

    def of(self, n: Tensor) -> float:
        return float(n.diagonal().sum() / n.sum())


class ClassAccuracy(_LabelMetric):
    """The mean over classes of the share of a class's pixels that are found: rare classes count like frequent ones.

    - Formula: mean_i n_ii / sum_j n_ij of the confusion matrix n of the whole set, over the classes that occur in the
      references.
    - Protocol: label maps, pixels without a class in the reference left out.
    - Source: Long, Shelhamer, Darrell, CVPR 2015, section 5 (mean accuracy).
    """

    name = "class-accuracy"
    ends = (0.0, 1.0)

    def of(self, n: Tensor) -> float:
        return float((n.diagonal() / n.sum(1)).nanmean())


class MeanIoU(_LabelMetric):
    """Intersection over union, |truth and output| / |truth or output|, of each class over the whole set, and the mean.

    - Formula: mean_i n_ii / (sum_j n_ij + sum_j n_ji - n_ii) of the confusion matrix n; the rows below the score are
      the classes' own.
    - Protocol: label maps, pixels without a class in the reference left out. Classes that neither truth nor output
      holds are left out of the mean; the pix2pix authors' script counts them as 0.
    - Source: Long, Shelhamer, Darrell, CVPR 2015, section 5 (mean IU); the matrix summed as by Cityscapes.
    """

    name = "miou"
    ends = (0.0, 1.0)

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
