"""What the nearest neighbours of vectors say: precision and recall, density and coverage, copies, who is who."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from translate.errors import DataError
from translate.metrics.distances.kernels import Significance

ROWS = 1024
"""Rows of a matrix of distances that are computed at once."""


@dataclass(frozen=True)
class Support:
    """How two sets share their support, each figure from 0 to 1, density alone from 0 to more than 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def support(real: Tensor, fake: Tensor, k: int = 5) -> Support:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020), N x D and M x D.

    A real vector's ball reaches to its k-th neighbour among real ones, itself left out; precision is the share of fakes
    within a ball, recall the same with the sets in each other's place; density counts the balls that a fake lies in, in
    parts of k; coverage is the share of balls that hold a fake. Precision and recall count the border of a ball, as
    their authors do; density and coverage do not, as theirs do not.

    Errors: DataError for sets of at most k vectors.
    """
    if min(len(real), len(fake)) <= k:
        raise DataError(f"balls that reach to neighbour {k} need more than {k} images of each set")
    between = torch.cdist(real.double(), fake.double())
    real_radii, fake_radii = radii(real, k), radii(fake, k)
    within = between < real_radii[:, None]
    return Support(
        precision=_share((between <= real_radii[:, None]).any(0)),
        recall=_share((between <= fake_radii[None]).any(1)),
        density=float(within.double().sum() / (k * len(fake))),
        coverage=_share(within.any(1)),
    )


def coverage_of_equal(n: int, m: int, k: int) -> float:
    """The expected coverage of n vectors by m of the same distribution (Naeem et al. 2020, equation 9)."""
    uncovered = math.prod((n - i) / (n + m - i) for i in range(1, k + 1))
    return 1 - uncovered


def radii(vectors: Tensor, k: int) -> Tensor:
    """The distance of each vector to its k-th nearest other one: N, float64."""
    every = vectors.double()
    parts: list[Tensor] = []
    for start in range(0, len(every), ROWS):
        distances = torch.cdist(every[start : start + ROWS], every)
        distances.diagonal(start).fill_(math.inf)
        parts.append(distances.kthvalue(k, dim=1).values)
    return torch.cat(parts)


def one_neighbour_accuracy(a: Tensor, b: Tensor) -> float:
    """The share of vectors of two sets whose nearest other vector is of their own set (Lopez-Paz and Oquab 2017).

    0.5: the sets are one; 1: they are apart; 0: one is a copy of the other. A tie counts half. Sets of two sizes have
    each its own share, and the score is the mean of the two.
    """
    return float(_accuracies(torch.cat([a, b]), _grouping(len(a), len(b))[None])[0])


def one_neighbour_test(a: Tensor, b: Tensor, permutations: int, seed: int) -> Significance:
    """The permutation test of `one_neighbour_accuracy`: the probability of at least so large a one between equal sets,
    (1 + permutations that reach it) / (1 + permutations)."""
    first = _grouping(len(a), len(b))
    rng = np.random.default_rng(seed)
    others = [first[torch.from_numpy(rng.permutation(len(first)))] for _ in range(permutations)]
    accuracies = _accuracies(torch.cat([a, b]), torch.stack([first, *others]))
    reached = int((accuracies[1:] >= accuracies[0] - 1e-12).sum())
    return Significance(float(accuracies[0]), (1 + reached) / (1 + permutations))


def _grouping(n: int, m: int) -> Tensor:
    return torch.arange(n + m) < n


def _accuracies(vectors: Tensor, groupings: Tensor) -> Tensor:
    """The accuracy for each row of `groupings`, which marks the vectors of the first set."""
    if min(int(groupings[0].sum()), int((~groupings[0]).sum())) < 2:
        raise DataError("neighbours need at least 2 images of each set")
    first = groupings.double()
    for_first = torch.cat([first @ votes.T for votes in _votes(vectors.double())], 1)
    own = torch.where(groupings, for_first, 1 - for_first)
    shares = [(own * group).sum(1) / group.sum(1) for group in (first, 1 - first)]
    return (shares[0] + shares[1]) / 2


def _votes(vectors: Tensor) -> Iterator[Tensor]:
    """Who is nearest to whom, by blocks of rows: 1 for the nearest other vector; equally near ones share it."""
    for start in range(0, len(vectors), ROWS):
        distances = torch.cdist(vectors[start : start + ROWS], vectors)
        distances.diagonal(start).fill_(math.inf)
        nearest_ones = (distances == distances.min(1, keepdim=True).values).double()
        yield nearest_ones / nearest_ones.sum(1, keepdim=True)


def copies(fake: Tensor, training: Tensor, real: Tensor) -> float:
    """The share of fakes that lie nearer to a training vector than real unseen ones do, up to the nearest hundredth.

    A fake counts as a copy where its distance to the training set is below the 1 % quantile of the distances of `real`
    vectors that the model never saw. About 0.01 is what real vectors reach.
    """
    threshold = nearest(real, training).quantile(0.01)
    return _share(nearest(fake, training) < threshold)


def nearest(vectors: Tensor, others: Tensor) -> Tensor:
    """The distance of each vector to the nearest of others: N, float64."""
    parts = [torch.cdist(part.double(), others.double()).min(1).values for part in torch.split(vectors, ROWS)]
    return torch.cat(parts)


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())
