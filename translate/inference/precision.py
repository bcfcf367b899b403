"""Whether half the bits do: bfloat16 is for images that hardly differ from those in float32."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from translate.contracts import Console
from translate.data.image import Image, read
from translate.device import precision
from translate.errors import TranslateError
from translate.inference.plan import Plan
from translate.inference.samples import distance

if TYPE_CHECKING:
    from translate.inference.translator import Translator

PROBED = 4
"""How many images are translated in both."""
ALLOWED = 1 / 255
"""The largest mean difference, of values in [0, 1]: a step of 8 bits. Of label maps: the share of pixels."""


def probe_precision(
    translator: Translator, work: Plan, console: Console, direction: str | None, others: Mapping[str, Image]
) -> Literal["fp32", "bf16"]:
    """`bf16` where the device gains by it and the first images come out as in `fp32`, else that; says why.

    Compared are the outputs as files would hold them, without dropout, whose draws may depend on the precision.
    """
    if not translator.nets or precision("auto", str(translator.device)) == "fp32":
        who = translator.device if translator.nets else "an exported model"
        console.say(f"precision: fp32, since {who} gains nothing by bf16")
        return "fp32"
    differences: list[float] = []
    with translator.without_dropout():
        for item in work.items:
            if len(differences) == PROBED:
                break
            with suppress(TranslateError):  # the conversion will tell
                image, made = read(item.source), []
                given = {**others, **{name: read(path) for name, path in item.others.items()}}
                for tried in ("fp32", "bf16"):
                    translator.precision = tried
                    made.append(translator.translate_image(image, direction, given))
                differences.append(distance(*made))
    if not differences:
        return "fp32"
    mean = sum(differences) / len(differences)
    chosen: Literal["fp32", "bf16"] = "bf16" if mean <= ALLOWED else "fp32"
    console.say(
        f"precision: {chosen}, since bf16 differs from fp32 by {255 * mean:.2f}/255 on average "
        f"({len(differences)} images, at most 1/255 is allowed)"
    )
    return chosen
