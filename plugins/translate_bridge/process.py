"""The Brownian bridge from a target x_0 to its input y as a process in time (Li et al. 2023, section 3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

Time = float | Tensor
"""Time from 0 (the target) to 1 (the input): a number, or a tensor that broadcasts against images."""


@dataclass(frozen=True)
class BrownianBridge:
    """A random walk that is tied down at both ends: x_t ~ N((1 - t) x_0 + t y, d_t), where d_t = 2 s (t - t^2).

    Time is t / T of the paper, so that its m_t is t itself. `scale` is s: the variance in the middle is s / 2. Images
    are N x C x H x W in [-1, 1].
    """

    scale: float = 1.0

    def variance(self, t: Time) -> Time:
        """d_t, which is 0 at both ends."""
        return 2 * self.scale * (t - t * t)

    def mean(self, x_0: Tensor, y: Tensor, t: Time) -> Tensor:
        """The mean of x_t given both ends."""
        return (1 - t) * x_0 + t * y

    def at(self, x_0: Tensor, y: Tensor, t: Time, noise: Tensor) -> Tensor:
        """x_t for standard normal noise of the images' shape."""
        return self.mean(x_0, y, t) + self.variance(t) ** 0.5 * noise

    def step_variance(self, s: float, t: float) -> float:
        """The variance of x_t given x_s and y, for s < t: what a step from s to t adds."""
        a = (1 - t) / (1 - s)
        # Never below 0 but for rounding.
        return max(0.0, float(self.variance(t)) - float(self.variance(s)) * a * a)

    def back(self, x_t: Tensor, x_0: Tensor, y: Tensor, t: float, s: float, eta: float, noise: Tensor) -> Tensor:
        """A draw of x_s given x_t and x_0, for s < t, with as much fresh noise as `eta` says.

        `eta` 1 is the posterior of the process, 0 draws nothing; the marginal distributions are the same for each of
        them.
        """
        d_t, d_s = float(self.variance(t)), float(self.variance(s))
        if d_t == 0:
            # At the end x_t is y itself and tells nothing of the noise: x_s is drawn from its marginal, for any eta.
            return self.at(x_0, y, s, noise)
        v = eta * eta * self.step_variance(s, t) * d_s / d_t
        # The part of the noise of x_t that stays: with v it makes up d_s again.
        rest = math.sqrt(max(0.0, d_s - v) / d_t) * (x_t - self.mean(x_0, y, t))
        return self.mean(x_0, y, s) + rest + math.sqrt(v) * noise

    def walk(
        self,
        y: Tensor,
        predict: Callable[[Tensor, float], Tensor],
        draw: Callable[[], Tensor],
        steps: int,
        eta: float = 1.0,
    ) -> Tensor:
        """Goes from the input y back to a target in `steps` equal steps.

        `predict(x_t, t)` guesses x_0; `draw()` gives standard normal noise of the images' shape. With `eta` 0 only the
        first step draws.
        """
        x = y
        for t, s in pairwise(moments(steps)):
            x_0 = predict(x, t)
            if s == 0:
                return x_0  # d_0 = 0: nothing is drawn
            noise = draw() if eta > 0 or t == 1 else y.new_zeros(())
            x = self.back(x, x_0, y, t, s, eta, noise)
        return x


def moments(steps: int) -> list[float]:
    """The times of a walk from the input, 1, to the target, 0."""
    return [1 - n / steps for n in range(steps)] + [0.0]
