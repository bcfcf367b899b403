"""Mean and variance of the channels of an image that comes in strips."""

from __future__ import annotations

import torch
from torch import Tensor


class Moments:
    """Merges strips 1 x C x rows x W by the formula of Chan, Golub and LeVeque (1979, equation 2.1), in float64.

    Squares are taken of differences to a strip's own mean, so that a large mean costs no digits. `dtype`: in which a
    norm computes, float32 at least.
    """

    def __init__(self) -> None:
        self.count, self.dtype = 0, torch.float32
        self._mean = self._squares = torch.zeros(1, dtype=torch.float64)

    def add(self, strip: Tensor) -> None:
        """Takes in one strip."""
        count = strip[0, 0].numel()
        self.dtype = torch.promote_types(strip.dtype, torch.float32)
        values = strip[0].flatten(1).to(self.dtype)
        rough = values.mean(1)
        apart = values - rough[:, None]
        left = apart.mean(1).double()
        squares = torch.linalg.vecdot(apart, apart).double() - count * left**2
        self._merge(count, (rough.double() + left).cpu(), squares.cpu())

    def _merge(self, count: int, mean: Tensor, squares: Tensor) -> None:
        total = self.count + count
        apart = mean - self._mean
        self._squares = self._squares + squares + apart**2 * (self.count * count / total)
        self._mean = self._mean + apart * (count / total)
        self.count = total

    def finish(self, group: int = 1) -> tuple[Tensor, Tensor]:
        """Mean and (biased) variance, C values each in float64; those of `group` channels together where asked."""
        mean, variance = (m.expand(m.numel()).reshape(-1, group) for m in (self._mean, self._squares / self.count))
        joint = mean.mean(1, keepdim=True)
        spread = (variance + (mean - joint) ** 2).mean(1, keepdim=True)
        return joint.expand_as(mean).flatten(), spread.expand_as(mean).flatten()
