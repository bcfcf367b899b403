"""Chooses bf16 or fp32 for images of 8 bits by comparing two of them in both.

How the limits were found: an output in bf16 may be half as far from that in fp32 as JPEG at quality 95, which nobody
sees, is from its original. On the 44 test images of monet2photo that is 2.1 of 255 steps on average and 62 somewhere
(medians). Trained generators are 0.1 to 0.2 steps away on average and 2 to 5 at most, and a residual generator of nine
blocks with its initial weights, whose output is noise, 1.0 and 12.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from translate.contracts import Console
from translate.device import precision
from translate.errors import TranslateError
from translate.imaging.image import differences
from translate.imaging.io import Header, Image
from translate.inference.fast.verdicts import Verdict, Verdicts
from translate.inference.translator import Translator

PROBED = 2
"""How many images are translated in both."""
MEAN, LARGEST = 1, 16
"""The largest mean and the largest single difference, in steps of 8 bits, that any of them may have. Of label maps the
share of pixels in 1/255."""
FEW = 16
"""Images below which a trial takes longer than bf16 saves: two images in both, against half the time of each."""

Sample = tuple[Image, Mapping[str, Any]]


@dataclass(frozen=True)
class Choice:
    """A translator in the precision that was chosen, and what it made of the first samples, if there was a trial."""

    translator: Translator
    outputs: Sequence[Image] = ()


def is_deep(image: Image | Header) -> bool:
    """Tells whether the values of an image are finer than bf16, whose 8 bits of precision hold 8-bit values alone."""
    return image.bits > 8


def with_probed_precision(
    translator: Translator, samples: Iterable[Sample], console: Console, direction: str | None = None
) -> Translator:
    """The translator in the precision of `chosen_precision`."""
    return chosen_precision(translator, samples, console, direction).translator


def chosen_precision(
    translator: Translator,
    samples: Iterable[Sample],
    console: Console,
    direction: str | None = None,
    *,
    few: bool = False,
) -> Choice:
    """The translator in `bf16` where the device gains by it and the first images come out as in `fp32`, else in that.

    Says why where there was a choice. A model that draws stays in `fp32`, in which an image has the same answers to a
    seed wherever it is asked, and so does one whose outputs have more than 8 bits, which bf16 cannot tell apart.

    A verdict is kept for the model and the device (`Verdicts`), so that a folder is tried once; `few`: there are so few
    images that a trial would take longer than it saves, and a model that was not tried computes in `fp32`.

    `samples`: images, each with its further inputs, of which the first `PROBED` of 8 bits that can be translated count:
    deep images are not for `bf16` (`is_deep`), whatever is chosen. Compared are the outputs as files would hold them.
    """
    in_fp32 = translator.with_precision("fp32")
    if not translator.nets or precision("auto", str(translator.device)) != "bf16":
        return Choice(in_fp32)
    route = translator.route(direction)
    if route.output not in ("image", "labels"):
        return Choice(in_fp32)  # a class or a vector is no picture, in which small differences do not show
    if translator.draws(direction):
        console.say("precision: fp32, since the model draws: an image has the same answers to a seed everywhere")
        return Choice(in_fp32)
    shallow = ((image, others) for image, others in samples if not is_deep(image))
    first = next(shallow, None)
    if first is None:
        console.say("precision: fp32, since no image of 8 bits could be compared with bf16")
        return Choice(in_fp32)
    height, width = first[0].pixels.shape[:2]
    verdicts = Verdicts(translator, direction, height * width)
    if verdict := verdicts.known():
        _say(console, verdict, route.output, "was found before")
        return Choice(translator.with_precision(verdict.precision))
    if few:
        return Choice(in_fp32)
    return _tried(translator, (first, *islice(shallow, LOOKED_AT)), console, direction, verdicts)


LOOKED_AT = 7
"""Further images that are looked at where the first ones cannot be translated."""


def _tried(
    translator: Translator,
    samples: Sequence[Sample],
    console: Console,
    direction: str | None,
    verdicts: Verdicts,
) -> Choice:
    """Translates the first images in both precisions and compares them."""
    in_fp32, in_bf16 = translator.with_precision("fp32"), translator.with_precision("bf16")
    taken, exact = _translated(in_fp32, samples, direction, PROBED)
    if any(output.pixels.dtype != np.uint8 for output in exact):
        console.say("precision: fp32, since outputs have more than 8 bits")
        return Choice(in_fp32)
    again, low = _translated(in_bf16, taken, direction, PROBED)
    if not exact or len(again) < len(taken):
        console.say("precision: fp32, since no image of 8 bits could be compared with bf16")
        return Choice(in_fp32)
    apart = [255 * differences(a, b) for a, b in zip(exact, low, strict=True)]
    output = translator.route(direction).output
    mean, largest = max(float(each.mean()) for each in apart), max(float(each.max()) for each in apart)
    # A single pixel of another class is as far from the right one as any.
    near = mean <= MEAN and (output == "labels" or largest <= LARGEST)
    average = float(np.mean([each.mean() for each in apart]))
    verdict = Verdict("bf16" if near else "fp32", average, largest, len(apart))
    verdicts.keep(verdict)
    _say(console, verdict, output)
    # Where the first images could be translated, their outputs need not be made again.
    first = all(image is other for (image, _), (other, _) in zip(taken, samples, strict=False))
    used = low if near else exact
    return Choice(in_bf16 if near else in_fp32, used if first else ())


def _say(console: Console, verdict: Verdict, output: str, how: str = "") -> None:
    console.say(
        f"precision: {verdict.precision}{f', as {how}' if how else ''}, since bf16 differs from fp32 by "
        f"{verdict.mean:.2f}/255 on average ({verdict.images} images, at most {MEAN}/255 is allowed)"
        + ("" if output == "labels" else f" and by {verdict.largest:.0f}/255 at most ({LARGEST}/255)")
    )


def _translated(
    translator: Translator, samples: Sequence[Sample], direction: str | None, most: int
) -> tuple[list[Sample], list[Image]]:
    """The first samples that can be translated, and what comes out; of the others the conversion will tell."""
    taken: list[Sample] = []
    outputs: list[Image] = []
    for image, others in samples:
        if len(taken) == most:
            break
        with suppress(TranslateError):
            outputs.append(translator.translate_image(image, direction, others))
            taken.append((image, others))
    return taken, outputs
