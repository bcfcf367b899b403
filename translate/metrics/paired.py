"""Metrics that compare output i with reference i: L1, PSNR, SSIM. The score of a set is the mean over its images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from translate.contracts import EvaluationContext, Metric, NoOptions
from translate.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = 65535
"""Grey levels of a histogram: fine enough for 8 and for 16 bits, whose values it meets exactly."""


def pairs(outputs: Sequence[Tensor], references: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Both sequences side by side. Errors: DataError when counts or shapes differ, naming the image if known."""
    if len(outputs) != len(references):
        raise DataError(f"{len(outputs)} outputs cannot be compared in pairs with {len(references)} references")
    if not len(outputs):
        raise DataError("there are no images to score")
    names = getattr(outputs, "names", None)
    for i in range(len(outputs)):
        output, reference = outputs[i], references[i]
        if output.shape != reference.shape:
            raise DataError(
                f"image {names[i] if names else i}: the output is {_size(output)}, its reference {_size(reference)}"
            )
        yield output, reference


def mean(values: Iterator[float]) -> float:
    """The mean, by a sum that is exact whatever the order; infinity where a value is."""
    known = list(values)
    return math.fsum(known) / len(known) if all(map(math.isfinite, known)) else sum(known) / len(known)


class L1(Metric[NoOptions]):
    """Mean absolute difference of the values in [0, 1] (times 255 for grey levels of 8 bits)."""

    name = "l1"
    mean_of_images = True
    unit = "of 0 to 1"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return mean(float((a - b).abs().double().mean()) for a, b in pairs(outputs, references))

    def best_constant(self, references: Sequence[Tensor]) -> float | None:
        """L1 of the per-channel median colour, which minimises it. Each image counts alike, whatever its size."""
        import torch

        counts: Tensor | None = None
        for image in references:
            flat = image.flatten(1).mul(LEVELS).round().long()
            new = (
                torch.stack([torch.bincount(channel, minlength=LEVELS + 1) for channel in flat]).double()
                / image.numel()
            )
            counts = new if counts is None else counts + new if counts.shape == new.shape else None
            if counts is None:
                return None
        if counts is None:
            return None
        total = counts.cumsum(1)
        median = (total < total[:, -1:] / 2).sum(1, keepdim=True)
        distance = (torch.arange(LEVELS + 1)[None] - median).abs() / LEVELS
        return float((counts * distance).sum() / len(references))


class PSNR(Metric[NoOptions]):
    """10 log10(1 / MSE) per image, then the mean over images; identical images give infinity."""

    name = "psnr"
    mean_of_images = True
    better = "higher"
    unit = "dB"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return mean(_decibel(float((a - b).double().square().mean())) for a, b in pairs(outputs, references))

    def best_constant(self, references: Sequence[Tensor]) -> float | None:
        """PSNR of the mean colour of all references, which has the least squared error (not quite the best PSNR)."""
        import torch

        images = [(image.double().mean((1, 2)), image.double().square().mean((1, 2))) for image in references]
        if len({len(first) for first, _ in images}) != 1:
            return None
        first, second = (torch.stack(moments) for moments in zip(*images, strict=True))
        colour = first.mean(0)
        errors = (second - 2 * colour * first + colour.square()).mean(1).clamp(min=0)
        return mean(_decibel(float(error)) for error in errors)


class SSIM(Metric[NoOptions]):
    """Structural similarity (Wang et al. 2004): 11 x 11 Gaussian of sigma 1.5, K1 = 0.01, K2 = 0.03, only where the
    window lies inside the image; per channel, then the mean. 1 for identical images."""

    name = "ssim"
    mean_of_images = True
    better = "higher"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        from kornia.metrics import ssim

        def one(a: Tensor, b: Tensor) -> float:
            if min(a.shape[-2:]) < 11:
                raise DataError(f"ssim needs images of at least 11 pixels a side, and one is {_size(a)}")
            return float(ssim(a[None].double(), b[None].double(), window_size=11, padding="valid").mean())

        return mean(one(a, b) for a, b in pairs(outputs, references))


def _decibel(error: float) -> float:
    return -10 * math.log10(error) if error > 0 else math.inf


def _size(image: Tensor) -> str:
    *channel, height, width = image.shape
    if not channel:
        return f"{width} x {height} pixels"
    channels = channel[0]
    return f"{width} x {height} pixels, {channels} channel{'s' if channels != 1 else ''}"
