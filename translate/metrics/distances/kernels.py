"""The maximum mean discrepancy of two sets of vectors, its permutation test, and the kernel distance of KID."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from translate.errors import DataError

SCALES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""The bandwidths of a sum of Gaussian kernels, in medians of the distances of two vectors."""


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

    Where the smaller set has fewer than `size`, half of it is taken: of the whole one all subsets would be the same.
    The deviation is no standard error, since subsets overlap.
    """
    fewest = min(len(a), len(b))
    if size > fewest:
        size = max(2, fewest // 2)
    rng = np.random.default_rng(seed)
    values: list[float] = []
    for _ in range(subsets):
        x = a[torch.from_numpy(rng.choice(len(a), size, replace=False))]
        y = b[torch.from_numpy(rng.choice(len(b), size, replace=False))]
        values.append(mmd_unbiased(polynomial_kernel(x, x), polynomial_kernel(y, y), polynomial_kernel(x, y)))
    return float(np.mean(values)), float(np.std(values))
