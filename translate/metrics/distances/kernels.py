"""The maximum mean discrepancy of two sets of vectors, its permutation test, and the kernel distance of KID."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from translate.errors import DataError

SCALES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""The bandwidths of a sum of Gaussian kernels, in medians of the distances of two vectors."""
ROWS = 1024
"""Rows of a matrix of kernel values that are computed at once."""


def median_distance(vectors: Tensor) -> float:
    """The median Euclidean distance of two different vectors of N x D; 1 where all are equal."""
    distances = torch.pdist(vectors.double())
    median = float(distances.median()) if len(distances) else 0.0
    return median or 1.0


def gaussian_kernel(a: Tensor, b: Tensor, lengths: Sequence[float]) -> Tensor:
    """The mean over `lengths` l of exp(-|x - y|^2 / (2 l^2)), for all pairs: N x M, float64."""
    squares = squared_distances(a, b)
    kernels = [torch.exp(squares / (-2 * length**2)) for length in lengths]
    return torch.stack(kernels).mean(0)


def polynomial_kernel(a: Tensor, b: Tensor) -> Tensor:
    """(x . y / D + 1)^3 for all pairs: N x M, float64 (Bińkowski et al. 2018, section 4)."""
    return (a.double() @ b.double().T / a.shape[1] + 1) ** 3


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """|x - y|^2 for all pairs: N x M, float64, and exact for equal vectors."""
    return torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist").square()


def mmd_unbiased(within_a: Tensor, within_b: Tensor, between: Tensor) -> float:
    """The unbiased squared discrepancy (Gretton et al. 2012, equation 3) from three matrices of kernel values.

    It may be below 0. Errors: DataError for fewer than two vectors in a set.
    """
    n, m = between.shape
    if min(n, m) < 2:
        raise DataError("a discrepancy needs at least 2 images of each set")
    own = (within_a.sum() - within_a.trace()) / (n * (n - 1))
    other = (within_b.sum() - within_b.trace()) / (m * (m - 1))
    return float(own + other - 2 * between.mean())


@dataclass(frozen=True)
class Significance:
    """What a two-sample test says: the statistic, and the probability of one at least so large between equal sets."""

    statistic: float
    p_value: float


def mmd_test(
    a: Tensor, b: Tensor, permutations: int, seed: int, lengths: Sequence[float] | None = None
) -> Significance:
    """The permutation test of the unbiased squared discrepancy, N x D against M x D (Gretton et al. 2012, section 7).

    Bandwidths are `SCALES` of the median distance of all vectors together, chosen before any permutation. The p-value
    is (1 + the number of permutations with a statistic at least as large) / (1 + permutations), which is exact.
    """
    pooled = torch.cat([a, b]).double()
    n = len(a)
    lengths = lengths or [scale * median_distance(pooled) for scale in SCALES]
    kernel = gaussian_kernel(pooled, pooled, lengths)
    rng = np.random.default_rng(seed)
    groups = np.zeros((permutations + 1, len(pooled)), dtype=bool)
    groups[0, :n] = True
    for row in groups[1:]:
        row[rng.permutation(len(pooled))[:n]] = True
    statistics = _statistics(kernel, torch.from_numpy(groups).double())
    # rounding must not make a permutation that is the grouping itself seem smaller
    reached = int((statistics[1:] >= statistics[0] - 1e-12).sum())
    return Significance(float(statistics[0]), (1 + reached) / (1 + permutations))


def _statistics(kernel: Tensor, groups: Tensor) -> Tensor:
    """The unbiased discrepancies between the vectors that a row of `groups` marks with 1, and the others."""
    n = groups[0].sum()
    m = kernel.shape[0] - n
    if min(float(n), float(m)) < 2:
        raise DataError("a discrepancy needs at least 2 images of each set")
    others = 1 - groups
    diagonal = kernel.diagonal()
    own = ((groups @ kernel) * groups).sum(1) - groups @ diagonal
    other = ((others @ kernel) * others).sum(1) - others @ diagonal
    between = ((groups @ kernel) * others).sum(1)
    return own / (n * (n - 1)) + other / (m * (m - 1)) - 2 * between / (n * m)


def kernel_distance(a: Tensor, b: Tensor, subsets: int, size: int, seed: int) -> tuple[float, float]:
    """The kernel distance of KID: the mean and the deviation over `subsets` of the unbiased squared discrepancy under
    the cubic kernel, each between `size` vectors of either set, drawn without replacement.

    Subsets are of `subset_size`. Where both sets have just `size`, all subsets would be the whole sets: one is taken,
    and the deviation is not known (nan). The deviation is no standard error, since subsets overlap.
    """
    if min(len(a), len(b)) < 2:
        raise DataError("a discrepancy needs at least 2 images of each set")
    size = subset_size(len(a), len(b), size)
    if size == len(a) == len(b):
        return mmd_of_all(a, b), math.nan
    rng = np.random.default_rng(seed)
    draws = [(_drawn(rng, len(a), size), _drawn(rng, len(b), size)) for _ in range(subsets)]
    if (len(a) + len(b)) ** 2 <= subsets * (2 * size) ** 2:
        values = _values_of_all(a, b, draws)
    else:  # of very large sets, fewer pairs are looked at when each subset is computed by itself
        values = [
            mmd_unbiased(polynomial_kernel(a[x], a[x]), polynomial_kernel(b[y], b[y]), polynomial_kernel(a[x], b[y]))
            for x, y in draws
        ]
    return float(np.mean(values)), float(np.std(values))


def subset_size(n: int, m: int, size: int) -> int:
    """The vectors in a subset of sets of n and m: `size`, or half of the smaller set where that has fewer."""
    fewest = min(n, m)
    return max(2, fewest // 2) if size > fewest else size


def mmd_of_all(a: Tensor, b: Tensor) -> float:
    """The unbiased squared discrepancy under the cubic kernel, N x D against M x D, by blocks of rows."""
    return _values_of_all(a, b, [(torch.arange(len(a)), torch.arange(len(b)))])[0]


def _drawn(rng: np.random.Generator, count: int, size: int) -> Tensor:
    return torch.from_numpy(rng.choice(count, size, replace=False))


def _values_of_all(a: Tensor, b: Tensor, draws: Sequence[tuple[Tensor, Tensor]]) -> list[float]:
    """The unbiased discrepancies of subsets, by kernel values of all pairs that are computed once.

    With s and t marking a subset of each set with ones, the sums of its kernel values are s K s, t K t and s K t.
    """
    s, t = (torch.zeros(len(vectors), len(draws), dtype=torch.float64) for vectors in (a, b))
    for column, (x, y) in enumerate(draws):
        s[x, column] = 1
        t[y, column] = 1
    own, other = _off_diagonal(a, s), _off_diagonal(b, t)
    between = sum((s[rows] * (polynomial_kernel(a[rows], b) @ t)).sum(0) for rows in _blocks(len(a)))
    n, m = len(draws[0][0]), len(draws[0][1])
    values: Tensor = own / (n * (n - 1)) + other / (m * (m - 1)) - 2 * between / (n * m)
    return [float(value) for value in values]


def _off_diagonal(vectors: Tensor, marks: Tensor) -> Tensor:
    """The sum of kernel values of two different vectors of each subset; `marks` are N x subsets."""
    total = torch.zeros(marks.shape[1], dtype=torch.float64)
    for rows in _blocks(len(vectors)):
        total += (marks[rows] * (polynomial_kernel(vectors[rows], vectors) @ marks)).sum(0)
    diagonal = (vectors.double().square().sum(1) / vectors.shape[1] + 1) ** 3
    return total - diagonal @ marks


def _blocks(count: int) -> list[slice]:
    """Blocks of rows, so that a matrix of all pairs never lies in memory."""
    return [slice(start, start + ROWS) for start in range(0, count, ROWS)]
