"""Chooses bf16 or fp32 by comparing a few images in both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np

from translate.contracts import Console
from translate.device import Precision, precision
from translate.errors import TranslateError
from translate.imaging.image import distance
from translate.imaging.io import Image
from translate.inference.translator import Translator

PROBED = 4
"""How many images are translated in both."""
ALLOWED = 1 / 255
"""The largest mean difference, of values in [0, 1]: a step of 8 bits. Of label maps: the share of pixels."""


def with_probed_precision(
    translator: Translator,
    samples: Iterable[tuple[Image, Mapping[str, Any]]],
    console: Console,
    direction: str | None = None,
) -> Translator:
    """The translator in `bf16` where the device gains by it and the first images come out as in `fp32`, else in that.

    Says why where there was a choice. A model that draws stays in `fp32`, in which an image has the same answers to a
    seed wherever it is asked, and so does one whose outputs have more than 8 bits, which bf16 cannot tell apart.

    `samples`: images, each with its further inputs, of which the first `PROBED` that can be translated count. Compared
    are the outputs as files would hold them.
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
    exact = list(islice(_translated(in_fp32, samples, direction), PROBED))
    if any(output.pixels.dtype != np.uint8 for *_, output in exact):
        console.say("precision: fp32, since outputs have more than 8 bits")
        return in_fp32
    again = [(image, others) for image, others, _ in exact]
    low = list(_translated(in_bf16, again, direction))
    differences = [distance(a, b) for (*_, a), (*_, b) in zip(exact, low, strict=False)]
    if not differences or len(low) < len(exact):
        console.say("precision: fp32, since no image could be compared with bf16")
        return in_fp32
    mean = sum(differences) / len(differences)
    chosen: Precision = "bf16" if mean <= ALLOWED else "fp32"
    console.say(
        f"precision: {chosen}, since bf16 differs from fp32 by {255 * mean:.2f}/255 on average "
        f"({len(differences)} images, at most 1/255 is allowed)"
    )
    return in_bf16 if chosen == "bf16" else in_fp32


def _translated(
    translator: Translator, samples: Iterable[tuple[Image, Mapping[str, Any]]], direction: str | None
) -> Iterator[tuple[Image, Mapping[str, Any], Image]]:
    """The samples with what comes out; without those that cannot be translated, of which the conversion will tell."""
    for image, others in samples:
        with suppress(TranslateError):
            yield image, others, translator.translate_image(image, direction, others)
