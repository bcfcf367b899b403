"""Whether a critic always wins, so that its generator has nothing to learn from it.

Critics of logarithms, squares and hinges have a loss that ends: where nothing of it is left, the generator's slope is
small or says one thing of all images. A loss without an end, as that of wgan, has no such sign, and a good critic of
wgan tells real from fake for a long time. There a critic wins where it tells all of them apart and the gap between the
scores does not close meanwhile, or where the gap grows and grows.

A generator whose loss is not of the scores, but of the critic's features as in semi-supervised learning, still learns
from a critic that tells images apart. There a critic wins where nothing of its loss is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from translate.training.health.critics import ACCURACY, GAP, SATURATION, SEPARATION

WINS, SATURATED = 0.995, 0.9
"""Mean accuracy and saturation of a critic that always wins: a healthy one loses now and then."""
APART, LEARNT = 0.995, 0.85
"""Mean separation of a critic that tells all images apart, and the saturation from which on that counts."""
AHEAD, GROWN = 0.9, 1.5
"""Mean separation, and growth of the gap from look to look, of a critic that runs away."""


@dataclass(frozen=True)
class Victory:
    """What a look says of critics: whether they win, whether that is `sure`, and in words by what.

    `left` is what shows whether the generator catches up: the part of the critic's loss that is left, which gets
    `better` as it grows, or the gap, which gets better as it closes; `limit` is where it would be well.
    """

    bad: bool
    sure: bool
    text: str
    left: float
    limit: float
    better: Literal["higher", "lower"]


def victory(means: Mapping[str, float], gap_before: float, answered: bool = True) -> Victory | None:
    """Judges the means of a critic's curves since the last look, where the gap was `gap_before` (0: unknown); None
    where nothing is known. `answered`: the generator has a loss of the critic's scores."""
    separation = means.get(SEPARATION, 0.0)
    if SATURATION in means:
        saturation = means[SATURATION]
        sure = saturation > SATURATED and means.get(ACCURACY, 1.0) > WINS
        left = max(0.0, 1 - saturation)
        told = [f"{means[ACCURACY]:.1%} of its answers are right"] if ACCURACY in means else []
        text = ", and ".join([*told, f"its loss is {left:.1%} of that of a guess"])
        bad = sure or (answered and separation > APART and saturation > LEARNT)
        return Victory(bad, sure, text, left, 1 - SATURATED, "higher")
    if GAP not in means:
        return None
    runs_away = separation > AHEAD and 0 < GROWN * gap_before < means[GAP]
    text = f"{separation:.1%} of real and fake images are told apart, and the gap between their scores does not close"
    return Victory(separation > APART or runs_away, False, text, means[GAP], 0.0, "lower")
