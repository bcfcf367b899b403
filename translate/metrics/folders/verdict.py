"""The verdict on two sets, in words: can anybody tell them apart, and how sure is that?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from translate.metrics.folders.leaks import Leak
from translate.metrics.scores import Score

LEVEL = 0.05
"""The probability of chance below which sets count as distinguishable."""


@dataclass(frozen=True)
class Verdict:
    """A sentence, and the p-value that it rests on; None where no metric has one."""

    text: str
    p: float | None = None


def verdict(leaks: Sequence[Leak], scores: Sequence[Score], images: int, references: int) -> Verdict:
    """The verdict by the p-values among the scores (`NAME/p`): the least, times their number (Bonferroni)."""
    p_values = {score.metric.removesuffix("/p"): score.value for score in scores if score.metric.endswith("/p")}
    if not p_values:
        return Verdict("no verdict: none of these metrics says how sure it is; `c2st-1nn` and `mmd` do")
    name = min(p_values, key=lambda metric: p_values[metric])
    p = min(1.0, p_values[name] * len(p_values))
    sizes = f"{images} against {references} images"
    if p > LEVEL:
        return Verdict(f"not distinguishable by {name} ({sizes}, p = {p:.2g}); more images may still tell", p)
    value = next((score.value for score in scores if score.metric == name), None)
    shown = "" if value is None else f", {name} {value:.3g}"
    text = f"distinguishable ({sizes}, p {_bound(p)}{shown})"
    if leaks:
        kinds = ", ".join(leak.kind for leak in leaks)
        text += f"; but differences that have nothing to do with the pictures may be why ({kinds}): mend these first"
    return Verdict(text, p)


def _bound(p: float) -> str:
    return f"< {p:.1g}" if p < 0.01 else f"= {p:.2g}"
