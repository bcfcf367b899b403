"""Mean and variance of the channels of an image that comes in strips."""

from __future__ import annotations

import torch
from torch import Tensor


class ChannelStatistics:
    """Merges strips 1 x C x rows x W by the formula of Chan, Golub and LeVeque (1979, equation 2.1), in float64.

    Squares are taken of differences to a strip's own mean, so that a large mean costs no digits. `count` is the number
    of pixels so far, and `dtype` the type that a norm of these strips computes in, float32 at least.
    """

    def __init__(self) -> None:
        self.count, self.dtype = 0, torch.float32
        self._mean = self._squares = torch.zeros(1, dtype=torch.float64)

    def add(self, strip: Tensor) -> None:
        """Takes in one strip."""
        count = strip[0, 0].numel()
        self.dtype = torch.promote_types(strip.dtype, torch.float32)
        values = strip[0].flatten(1).to(self.dtype)
        # The mean in float32 is a little off; the mean of the differences to it tells by how much.
        rough_mean = values.mean(1)
        deviations = values - rough_mean[:, None]
        rough_squares = torch.linalg.vecdot(deviations, deviations)
        # Sync point: on a GPU this waits for the strip. The sums are kept on the CPU, where float64 is fast enough, and
        # there at all: Metal has none.
        rough_mean, correction, squares = torch.stack((rough_mean, deviations.mean(1), rough_squares)).cpu().double()
        # sum (x - mean)^2 = sum (x - rough)^2 - n (mean - rough)^2
        self._merge(count, rough_mean + correction, squares - count * correction**2)

    def _merge(self, count: int, mean: Tensor, squares: Tensor) -> None:
        total = self.count + count
        difference = mean - self._mean
        # S = S1 + S2 + (m2 - m1)^2 n1 n2 / n, and m = m1 + (m2 - m1) n2 / n
        self._squares = self._squares + squares + difference**2 * (self.count * count / total)
        self._mean = self._mean + difference * (count / total)
        self.count = total

    def finish(self, group: int = 1) -> tuple[Tensor, Tensor]:
        """Returns mean and (biased) variance of each channel, C values each, float64, on the CPU.

        With `group`, each channel gets those of its `group` neighbouring channels together. Strips may be added
        afterwards.
        """
        mean, variance = self._mean.reshape(-1, group), (self._squares / self.count).reshape(-1, group)
        group_mean = mean.mean(1, keepdim=True)
        # The variance of a group is the mean of its channels' variances and the variance of their means.
        group_variance = (variance + (mean - group_mean) ** 2).mean(1, keepdim=True)
        return group_mean.expand_as(mean).flatten(), group_variance.expand_as(mean).flatten()
