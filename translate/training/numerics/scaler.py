"""Scaling of losses in fp16, whose smallest number is 6e-8: most gradients of a deep network are smaller than that.

The loss is multiplied by a large factor before it is differentiated, and the gradients are divided by it (Micikevicius
et al. 2018, Mixed Precision Training, section 3.2). The factor is as large as it can be: it is halved when a gradient
overflows, which costs that update, and doubled after many that did not. All of it are tensors on the device, and
nothing is read from there.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

START, SMALLEST, LARGEST = 2.0**16, 1.0, 2.0**24
"""The factor at the start, and its bounds. All are powers of two, by which floating point numbers divide exactly."""
GROWS_AFTER = 2000
"""Updates in a row without an overflow after which the factor is doubled."""


class LossScale:
    """The factor of one player's losses, and the updates without an overflow since it last changed."""

    def __init__(self, device: torch.device) -> None:
        self.factor = torch.full((), START, dtype=torch.float32, device=device)
        self.fine = torch.zeros((), dtype=torch.int32, device=device)

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss as it is to be differentiated."""
        return loss * self.factor

    def unscale(self, grads: list[Tensor]) -> None:
        """Divides the gradients, which lie in float32, by the factor, in place."""
        torch._foreach_mul_(grads, self.factor.reciprocal())

    def can_fall(self) -> Tensor:
        """Whether an overflow may still be the fault of the factor."""
        return self.factor > SMALLEST

    def update(self, fine: Tensor) -> None:
        """Takes note of an update whose numbers all were finite, or which was left out."""
        self.fine.add_(1).mul_(fine)
        grows = self.fine >= GROWS_AFTER
        self.fine.mul_(~grows)
        # 1/2, 1 or 2, by arithmetic: torch.where would copy the numbers to the device, and wait for it
        self.factor.mul_(0.5 + 0.5 * fine + grows * 1.0).clamp_(SMALLEST, LARGEST)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {"factor": self.factor, "fine": self.fine}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes over what a checkpoint kept; one of another precision has nothing."""
        for name, mine in self.state().items():
            if name in state:
                mine.copy_(state[name])
