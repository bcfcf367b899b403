"""Chooses bf16 or fp32 for images of 8 bits by comparing a few of them in both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np

from translate.contracts import Console
from translate.device import Precision, precision
from translate.errors import TranslateError
from translate.imaging.image import differences
from translate.imaging.io import Header, Image
from translate.inference.translator import Translator

PROBED = 4
"""How many images are translated in both."""
MEAN, LARGEST = 1, 16
"""The largest mean and the largest single difference, in steps of 8 bits, that any of them may have. Of label maps the
share of pixels in 1/255."""


def is_deep(image: Image | Header) -> bool:
    """Tells whether the values of an image are finer than bf16, whose 8 bits of precision hold 8-bit values alone."""
    return image.bits > 8


def with_probed_precision(
    translator: Translator,
    samples: Iterable[tuple[Image, Mapping[str, Any]]],
    console: Console,
    direction: str | None = None,
) -> Translator:
    """The translator in `bf16` where the device gains by it and the first images come out as in `fp32`, else in that.

    Says why where there was a choice. A model that draws stays in `fp32`, in which an image has the same answers to a
    seed wherever it is asked, and so does one whose outputs have more than 8 bits, which bf16 cannot tell apart.

    `samples`: images, each with its further inputs, of which the first `PROBED` of 8 bits that can be translated count:
    deep images are not for `bf16` (`is_deep`), whatever is chosen. Compared are the outputs as files would hold them.
    """
    in_fp32 = translator.with_precision("fp32")
    if not translator.nets or precision("auto", str(translator.device)) == "fp32":
        return in_fp32
    if translator.route(direction).output not in ("image", "labels"):
        return in_fp32  # a class or a vector is no picture, in which small differences do not show
    if translator.draws(direction):
        console.say("precision: fp32, since the model draws: an image has the same answers to a seed everywhere")
        return in_fp32
    in_bf16 = translator.with_precision("bf16")
    shallow = ((image, others) for image, others in samples if not is_deep(image))
    exact = list(islice(_translated(in_fp32, shallow, direction), PROBED))
    if any(output.pixels.dtype != np.uint8 for *_, output in exact):
        console.say("precision: fp32, since outputs have more than 8 bits")
        return in_fp32
    again = [(image, others) for image, others, _ in exact]
    low = list(_translated(in_bf16, again, direction))
    apart = [255 * differences(a, b) for (*_, a), (*_, b) in zip(exact, low, strict=False)]
    if not apart or len(low) < len(exact):
        console.say("precision: fp32, since no image of 8 bits could be compared with bf16")
        return in_fp32
    mean, largest = np.mean([each.mean() for each in apart]), max(each.max() for each in apart)
    labels = translator.route(direction).output == "labels"
    # A single pixel of another class is as far from the right one as any.
    near = max(each.mean() for each in apart) <= MEAN and (labels or largest <= LARGEST)
    chosen: Precision = "bf16" if near else "fp32"
    console.say(
        f"precision: {chosen}, since bf16 differs from fp32 by {mean:.2f}/255 on average "
        f"({len(apart)} images, at most {MEAN}/255 is allowed)"
        + ("" if labels else f" and by {largest:.0f}/255 at most ({LARGEST}/255)")
    )
    return in_bf16 if chosen == "bf16" else in_fp32


def _translated(
    translator: Translator, samples: Iterable[tuple[Image, Mapping[str, Any]]], direction: str | None
) -> Iterator[tuple[Image, Mapping[str, Any], Image]]:
    """The samples with what comes out; without those that cannot be translated, of which the conversion will tell."""
    for image, others in samples:
        with suppress(TranslateError):
            yield image, others, translator.translate_image(image, direction, others)
