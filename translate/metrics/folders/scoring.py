"""The scores of one set of files against another, each beside that of real images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import Tensor

from translate.contracts import EvaluationContext, Metric
from translate.metrics.bootstrap import Drawn
from translate.metrics.images import Images
from translate.metrics.scores import Comparison, Score, score_sets

INDEPENDENT = ("c2st-1nn", "mmd", "c2st")
"""The metrics of sets that have nothing to do with each other: an output that is near its own reference would look like
a copy of it. Of images with partners, the one half of the outputs meets the references of the other half."""
EQUAL = ("c2st-1nn", "c2st")
"""Those that cut the larger set to the smaller one."""

Set = Images | Drawn[Tensor]


@dataclass(frozen=True)
class Scoring:
    """Two sets of files, with the inputs of the outputs and further real images where they are known."""

    ours: Images
    true: Images
    inputs: Images | None
    real: Images | None
    device: str

    def scores(self, metric: Metric[Any]) -> list[Score]:
        """The score with copies of the inputs, real images against real ones, an interval, and its details.

        Errors: DataError for images that cannot be compared.
        """
        if metric.name in INDEPENDENT:
            ours, true = self.independent()
            if metric.name in EQUAL:
                count = min(len(ours), len(true))
                ours, true = first_of(ours, count), first_of(true, count)
            first, *parts = score_sets([metric], ours, true, Comparison(bootstrap=metric.draws), self._context)
        else:
            ours, true = self.ours, self.true
            comparison = Comparison(self.inputs, bootstrap=metric.draws)
            first, *parts = score_sets([metric], ours, true, comparison, self._context)
        if not metric.paired:
            first = self._with_floor(first, metric, ours, true)
        counts = len(ours), len(true)
        return [replace(score, images=counts) for score in (first, *parts)]

    def independent(self) -> tuple[Set, Set]:
        """The two sets without two images of one name: of each name that both have, the one or the other, in turn."""
        shared = sorted(set(self.ours.names) & set(self.true.names))
        if not shared:
            return self.ours, self.true
        dropped = set(shared[1::2]), set(shared[::2])
        ours, true = (
            Drawn(images, [place for place, name in enumerate(images.names) if name not in names])
            for images, names in zip((self.ours, self.true), dropped, strict=True)
        )
        return ours, true

    def _with_floor(self, score: Score, metric: Metric[Any], ours: Set, true: Set) -> Score:
        """The score with that of real images in the outputs' place: others, or the one half of the references against
        the other; and with that of as many outputs against the same references."""
        stand_ins: Set
        against: Set
        pool: Set
        if self.real is not None:
            stand_ins, against, pool = self.real, true, ours
        else:
            stand_ins, against = (Drawn(self.true, range(start, len(self.true), 2)) for start in (0, 1))
            known = set(against.names or ())
            # the partners of these references would be nearer to them than real images are
            places = [place for place, name in enumerate(self.ours.names) if name not in known]
            pool = Drawn(self.ours, places)
        count = min(len(stand_ins), len(pool))
        if min(count, len(against)) < 2:
            return score
        floor = metric.score(spread_over(stand_ins, count), against, self._context)
        same = metric.score(spread_over(pool, count), against, self._context)
        return replace(score, floor=floor, floor_images=count, same_count=same)

    @cached_property
    def _context(self) -> EvaluationContext:
        return EvaluationContext("", "", self.ours.names, [], [], lambda side: [], device=self.device)


def first_of(images: Set, count: int) -> Set:
    """The first images of a set, which shares its decoded files and their features."""
    return images if len(images) == count else Drawn(images, range(count))


def spread_over(images: Set, count: int) -> Set:
    """So many images of a set, evenly from it."""
    if len(images) == count:
        return images
    return Drawn(images, [place * len(images) // count for place in range(count)])
