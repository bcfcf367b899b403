"""The verdict on two sets, in words: can anybody tell them apart, and how sure is that?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from translate.metrics.folders.copies import COPIES
from translate.metrics.folders.leaks import Leak
from translate.metrics.scores import Score

LEVEL = 0.05
"""The probability of chance below which sets count as distinguishable."""
FEWEST = 5
"""The images of each set that a verdict needs."""


@dataclass(frozen=True)
class Verdict:
    """A sentence, and the p-value that it rests on; None where no metric has one."""

    text: str
    p: float | None = None


def verdict(leaks: Sequence[Leak], scores: Sequence[Score], images: int, references: int) -> Verdict:
    """The verdict by the p-values among the scores (`NAME/p`): the least, times their number (Bonferroni)."""
    p_values = {score.metric.removesuffix("/p"): score.value for score in scores if score.metric.endswith("/p")}
    name = min(p_values, key=lambda metric: p_values[metric], default="")
    row = next((score for score in scores if score.metric == name), None)
    if row is not None and row.images:
        images, references = row.images
    if min(images, references) < FEWEST:
        return Verdict(f"no verdict: {images} against {references} images are too few; {FEWEST} of each are the least")
    if not p_values:
        return Verdict("no verdict: none of these metrics says how sure it is; `c2st-1nn` and `mmd` do")
    p = min(1.0, p_values[name] * len(p_values))
    sizes = f"{images} against {references} images"
    copies = next((leak.told for leak in leaks if leak.kind == COPIES), None)
    if copies:
        return Verdict(f"not two independent sets ({sizes}): {copies}", p)
    if p > LEVEL:
        return Verdict(f"not distinguishable by {name} ({sizes}, p = {p:.2g}); more images may still tell", p)
    shown = "" if row is None else f", {name} {row.value:.3g}"
    text = f"distinguishable ({sizes}, p {_bound(p)}{shown})"
    if leaks:
        kinds = ", ".join(leak.kind for leak in leaks)
        text += f"; but differences that have nothing to do with the pictures may be why ({kinds}): mend these first"
    return Verdict(text, p)


def _bound(p: float) -> str:
    """The p-value in words; small ones by a bound of one digit above them."""
    if p >= 0.01:
        return f"= {p:.2g}"
    unit = Decimal(1).scaleb(Decimal(p).adjusted())
    above = (Decimal(p) / unit).to_integral_value(ROUND_FLOOR) + 1
    return f"< {float(above * unit):g}"
