"""How many different things a set has been drawn from, by how often two of them are alike."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from translate.errors import DataError
from translate.metrics.distances.neighbours import radii


def alike(vectors: Tensor, threshold: float) -> int:
    """The number of pairs of vectors, of N x D, that are less than `threshold` apart, or equal."""
    distances = torch.pdist(vectors.double())
    return int(((distances < threshold) | (distances == 0)).sum())


def support_size(collisions: int, count: int) -> float:
    """The number of equally likely things that `count` draws with so many `collisions` speak for; infinite without one.

    collisions / C(count, 2) estimates, without bias, the probability that two draws are the same, which is 1 / N for N
    equally likely things, and more for others (the collision test; Goldreich and Ron 2000). Errors: DataError for fewer
    than two draws.
    """
    if count < 2:
        raise DataError("collisions need at least 2 images")
    return math.comb(count, 2) / collisions if collisions else math.inf


def usual_distance(real: Tensor) -> float:
    """The distance below which two vectors count as the same: the 1 % quantile of real ones' nearest neighbours."""
    return float(radii(real, 1).quantile(0.01))
