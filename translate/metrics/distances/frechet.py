"""The Fréchet distance of two Gaussians, fitted to two sets of vectors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from translate.errors import DataError


@dataclass
class Moments:
    """The mean and the covariance of vectors, gathered batch by batch in float64.

    `count` vectors have been seen; `mean` is D, `scatter` is the D x D sum of products of differences from the mean.
    """

    count: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def empty(cls, width: int) -> Moments:
        """The moments of no vector of `width` numbers."""
        return cls(0, torch.zeros(width, dtype=torch.float64), torch.zeros(width, width, dtype=torch.float64))

    def add(self, vectors: Tensor) -> None:
        """Adds vectors N x D, in the way of Chan, Golub and LeVeque 1979, which loses no digits to a large mean."""
        x = vectors.double().cpu()
        fresh = x.mean(0)
        centred = x - fresh
        total = self.count + len(x)
        shift = fresh - self.mean
        self.scatter += centred.T @ centred + torch.outer(shift, shift) * (self.count * len(x) / total)
        self.mean = self.mean + shift * (len(x) / total)
        self.count = total

    @property
    def covariance(self) -> Tensor:
        """The unbiased covariance, D x D. Errors: DataError for fewer than two vectors."""
        if self.count < 2:
            raise DataError("a covariance needs at least 2 images of each set")
        return self.scatter / (self.count - 1)


def moments_of(vectors: Tensor) -> Moments:
    """The moments of vectors N x D."""
    moments = Moments.empty(vectors.shape[1])
    moments.add(vectors)
    return moments


def frechet_distance(a: Moments, b: Moments) -> float:
    """|m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), at least 0 (Dowson and Landau 1982; Heusel et al. 2017).

    The trace of the root is the sum of the roots of the eigenvalues of A S_b A, with A = S_a^(1/2): a symmetric matrix,
    whose eigenvalues are real also where the covariances have no full rank.
    """
    root = _root(a.covariance)
    eigenvalues = torch.linalg.eigvalsh(root @ b.covariance @ root).clamp(min=0)
    trace = a.covariance.trace() + b.covariance.trace() - 2 * eigenvalues.sqrt().sum()
    return max(0.0, float((a.mean - b.mean).square().sum() + trace))


def _root(matrix: Tensor) -> Tensor:
    """The symmetric root of a symmetric positive matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    return torch.mm(vectors * values.clamp(min=0).sqrt(), vectors.T)
