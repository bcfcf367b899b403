"""What the nearest neighbours of vectors say: precision and recall, density and coverage, copies, who is who."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from translate.errors import DataError


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
    distances = torch.cdist(vectors.double(), vectors.double())
    distances.fill_diagonal_(math.inf)
    return distances.kthvalue(k, dim=1).values


def one_neighbour_accuracy(a: Tensor, b: Tensor) -> float:
    """The share of vectors of two sets whose nearest other vector is of their own set (Lopez-Paz and Oquab 2017).

    0.5: the sets are one; 1: they are apart; 0: one is a copy of the other. A tie counts half. Sets of two sizes have
    each its own share, and the score is the mean of the two.
    """
    if min(len(a), len(b)) < 2:
        raise DataError("neighbours need at least 2 images of each set")
    own_a, own_b = radii(a, 1), radii(b, 1)
    between = torch.cdist(a.double(), b.double())
    return (_nearer(own_a, between.min(1).values) + _nearer(own_b, between.min(0).values)) / 2


def _nearer(own: Tensor, other: Tensor) -> float:
    wins = (own < other).double() + 0.5 * (own == other).double()
    return float(wins.mean())


def copies(fake: Tensor, training: Tensor, real: Tensor) -> float:
    """The share of fakes that lie nearer to a training vector than real unseen ones do, up to the nearest hundredth.

    A fake counts as a copy where its distance to the training set is below the 1 % quantile of the distances of `real`
    vectors that the model never saw. About 0.01 is what real vectors reach.
    """
    threshold = nearest(real, training).quantile(0.01)
    return _share(nearest(fake, training) < threshold)


def nearest(vectors: Tensor, others: Tensor) -> Tensor:
    """The distance of each vector to the nearest of others: N, float64."""
    parts = [torch.cdist(part.double(), others.double()).min(1).values for part in torch.split(vectors, 1024)]
    return torch.cat(parts)


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())
