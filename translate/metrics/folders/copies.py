"""Images of two sets that are copies of one another, by their nearest neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from translate.metrics.distances.neighbours import ROWS
from translate.metrics.features.spaces import RandomConvolutions, shared
from translate.metrics.folders.leaks import Leak
from translate.metrics.scores import Score

COPIES = "copies"
"""The kind of the leak."""
NAMED = 3
"""Pairs that the leak names at most."""


def copies_leak(scores: Sequence[Score], ours: Sequence[Tensor], true: Sequence[Tensor]) -> Leak | None:
    """The leak between two sets whose images have their nearest neighbour in the other set more often than chance has
    it: 1-NN accuracy more than three deviations of a coin below 0.5. Names the nearest pairs; `ours` and `true` have
    `names`. None where no score is that accuracy, or where it is high enough."""
    accuracy = next((score.value for score in scores if score.metric == "c2st-1nn"), None)
    if accuracy is None or accuracy > 0.5 - 1.5 / math.sqrt(min(len(ours), len(true))):
        return None
    pairs = [f"{_name(ours, a)!r} and {_name(true, b)!r}" for a, b in nearest_pairs(ours, true)[:NAMED]]
    told = f"images of A and B are copies of one another, or nearly (1-NN accuracy {accuracy:.2g}), such as "
    return Leak(COPIES, told + "; ".join(pairs))


def nearest_pairs(ours: Sequence[Tensor], true: Sequence[Tensor]) -> list[tuple[int, int]]:
    """Each image of the first set with the nearest one of the other, the nearest pair first; by random convolutions."""
    space = shared(RandomConvolutions, 0)
    a, b = space.vectors(ours).double(), space.vectors(true).double()
    nearest = [torch.cdist(part, b).min(1) for part in torch.split(a, ROWS)]
    distances = torch.cat([found.values for found in nearest])
    partners = torch.cat([found.indices for found in nearest])
    return [(place, int(partners[place])) for place in distances.argsort(stable=True).tolist()]


def _name(images: Sequence[Tensor], place: int) -> str:
    names = getattr(images, "names", None)
    return str(names[place] if names else place)
