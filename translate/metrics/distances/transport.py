"""Wasserstein distances of two sets of vectors: sliced, projected, and in all dimensions with their bracket."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from translate.errors import DataError

LARGEST = 2000
"""Vectors of a set in an assignment, whose time grows with their third power."""


def wasserstein_1d(a: Tensor, b: Tensor, power: int = 1) -> Tensor:
    """W_p^p of sets of numbers, by column: N x K against M x K gives K, float64, for p = 1 or 2.

    The integral over (0, 1) of |F^-1 - G^-1|^p, F and G being the sets' distributions, of any two sizes.
    """
    a, b = a.double().sort(0).values, b.double().sort(0).values
    if len(a) != len(b):
        # between two neighbouring steps of either distribution both quantile functions are constant
        n, m = len(a), len(b)
        steps = np.unique(np.concatenate([np.arange(1, n + 1) * m, np.arange(1, m + 1) * n]))
        weights = torch.from_numpy(np.diff(steps, prepend=0) / (n * m))
        a = a[torch.from_numpy((steps - 1) // m)]
        b = b[torch.from_numpy((steps - 1) // n)]
        return (weights[:, None] * (a - b).abs() ** power).sum(0)
    return ((a - b).abs() ** power).mean(0)


def directions(width: int, count: int, seed: int) -> Tensor:
    """`count` unit vectors, uniform on the sphere: D x K, float64."""
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((width, count))
    return torch.from_numpy(drawn / np.linalg.norm(drawn, axis=0))


def sliced(a: Tensor, b: Tensor, projections: int = 512, seed: int = 0, power: int = 1) -> tuple[float, float]:
    """The sliced Wasserstein distance SW_p (Rabin et al. 2011), and the standard error of SW_p^p over projections."""
    thetas = directions(a.shape[1], projections, seed)
    parts = wasserstein_1d(a.double() @ thetas, b.double() @ thetas, power)
    error = float(parts.std() / math.sqrt(projections)) if projections > 1 else math.nan
    return float(parts.mean()) ** (1 / power), error


def assignment(a: Tensor, b: Tensor) -> float:
    """W_1 of two sets of equally many vectors: the least mean distance of a vector and its partner.

    Errors: DataError for sets of two sizes or of more than 2,000 vectors.
    """
    if len(a) != len(b) or not len(a):
        raise DataError(f"an assignment needs two sets of equally many images, not {len(a)} and {len(b)}")
    if len(a) > LARGEST:
        raise DataError(f"an assignment of {len(a)} images takes too long; {LARGEST:,} is the most")
    costs = torch.cdist(a.double(), b.double()).numpy()
    rows, columns = linear_sum_assignment(costs)
    return float(costs[rows, columns].mean())


def projected(a: Tensor, b: Tensor, dims: int, projections: int, seed: int) -> tuple[float, float]:
    """The mean and the largest W_1 of projections on random subspaces of `dims` dimensions.

    A projection brings no two vectors further apart, so that each is a lower bound of the distance of these samples.
    """
    rng = np.random.default_rng(seed)
    values: list[float] = []
    for _ in range(projections):
        basis, _ = np.linalg.qr(rng.standard_normal((a.shape[1], dims)))
        basis_tensor = torch.from_numpy(basis)
        values.append(assignment(a.double() @ basis_tensor, b.double() @ basis_tensor))
    return math.fsum(values) / len(values), max(values)


@dataclass(frozen=True)
class Bracket:
    """Bounds of the true W_1 of two distributions, by what samples of them show."""

    low: float
    high: float


def bracket(a: Tensor, b: Tensor, splits: int, seed: int) -> Bracket:
    """W_n(P, Q) - min(W_n(P, P'), W_n(Q, Q')) <= W(P, Q) <= W_n(P, Q), in the mean over halves of the sets.

    W_n is the distance of two samples of n vectors, P' an independent half of P. The upper bound holds since W is
    convex, the lower one by the triangle inequality. Between equal distributions the lower bound is near 0.

    Errors: DataError for fewer than four vectors in a set.
    """
    n = min(len(a), len(b)) // 2
    if n < 2:
        raise DataError("the bracket divides each set into two and needs at least 4 images of each")
    rng = np.random.default_rng(seed)
    between: list[float] = []
    within: list[tuple[float, float]] = []
    for _ in range(splits):
        x = a[torch.from_numpy(rng.permutation(len(a))[: 2 * n])]
        y = b[torch.from_numpy(rng.permutation(len(b))[: 2 * n])]
        between.append(assignment(x[:n], y[:n]))
        within.append((assignment(x[:n], x[n:]), assignment(y[:n], y[n:])))
    own = [sum(side) / splits for side in zip(*within, strict=True)]
    high = sum(between) / splits
    return Bracket(max(0.0, high - min(own)), high)
