"""Images side by side, and the numbers that metrics make of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from torch import Tensor

from translate.errors import DataError


class UnlikeImagesError(DataError):
    """Images that a metric cannot compare, since they differ in size or in channels."""


def paired_images(outputs: Sequence[Tensor], references: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields output i with reference i, each C x H x W in [0, 1] (label maps: H x W), read when it is asked for.

    Errors: DataError when counts differ or where there is nothing; UnlikeImagesError when shapes differ, naming the
    image if that is known.
    """
    if len(outputs) != len(references):
        raise DataError(f"{len(outputs)} outputs cannot be compared in pairs with {len(references)} references")
    if not len(outputs):
        raise DataError("there are no images to score")
    names = getattr(outputs, "names", None)
    for i in range(len(outputs)):
        output, reference = outputs[i], references[i]
        if output.shape != reference.shape:
            name = names[i] if names else i
            raise UnlikeImagesError(
                f"image {name}: the output is {size_of(output)}, its reference {size_of(reference)}"
            )
        yield output, reference


def mean_score(values: Iterable[float]) -> float:
    """Returns the mean of the images' scores, of which there is at least one; infinity where a score is.

    The sum is exact, so that the order of the images does not count.
    """
    scores = list(values)
    total = math.fsum(scores) if all(map(math.isfinite, scores)) else sum(scores)
    return total / len(scores)


def decibel(error: float, peak: float = 1.0) -> float:
    """Returns the PSNR, 10 log10(peak^2 / error), of a mean squared error, in dB; infinity where there is no error.

    `peak` is the largest value: 1 for images in [0, 1], 255 for grey levels of 8 bits.
    """
    return -10 * math.log10(error / peak**2) if error > 0 else math.inf


def size_of(image: Tensor) -> str:
    """The size of an image in words: `24 x 16 pixels, 3 channels`."""
    *channel, height, width = image.shape
    if not channel:
        return f"{width} x {height} pixels"
    channels = channel[0]
    return f"{width} x {height} pixels, {channels} channel{'s' if channels != 1 else ''}"
