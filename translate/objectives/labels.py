"""Losses of label maps: labels are long N x H x W with `IGNORE` where there is no class, logits N x classes x H x W."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate.contracts import IGNORE


def one_hot(label: Tensor, classes: int) -> Tensor:
    """Turns labels, N x H x W, into float32 N x classes x H x W: 1 at the pixel's class, all 0 where it has none."""
    hot = F.one_hot(label.masked_fill(label == IGNORE, classes), classes + 1)
    return hot[..., :-1].movedim(label.ndim, 1).float()


def cross_entropy(logits: Tensor, label: Tensor, weight: Tensor | None = None) -> Tensor:
    """Returns the mean over all pixels that have a class; a scalar, float32; 0 where no pixel has one.

    `weight` has a value for each class, by which its pixels count (default: 1).
    """
    if weight is None:
        weight = torch.ones(logits.shape[1], device=logits.device)
    total = F.cross_entropy(logits.float(), label, weight, ignore_index=IGNORE, reduction="sum")
    counted = (one_hot(label, len(weight)) * weight.view(1, -1, 1, 1)).sum()
    return total / counted.clamp(min=1e-6)


def dice_loss(logits: Tensor, label: Tensor, smooth: float = 1.0, *, present: bool = False) -> Tensor:
    """1 - the mean over classes of (2 sum p g + e) / (sum p + sum g + e), with sums over all pixels of the batch.

    p are the probabilities, g the one-hot labels, both without the pixels that have no class; e is `smooth`. With
    `present` the mean is that of the classes that the batch has: one that it lacks would push down what a network
    thinks of a rare class. The result is a scalar, float32, in [0, 1].
    """
    g = one_hot(label, logits.shape[1])
    p = logits.float().softmax(1) * g.sum(1, keepdim=True)
    both, either = (p * g).sum((0, 2, 3)), (p + g).sum((0, 2, 3))
    likeness = (2 * both + smooth) / (either + smooth)
    if not present:
        return 1 - likeness.mean()
    counted = g.amax((0, 2, 3)) > 0
    # A batch without any class has the loss 0, and no gradient.
    return ((1 - likeness) * counted).sum() / counted.sum().clamp(min=1)


class MedianFrequency(nn.Module):
    """Class weights median(f) / f (Eigen, Fergus 2015), f being the share of pixels of each class seen so far."""

    counts: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("counts", torch.zeros(classes, dtype=torch.float64))

    @torch.no_grad()
    def forward(self, label: Tensor) -> Tensor:
        """Counts the labels of a batch, long N x H x W, and returns a weight for each class, float32.

        The weight of a class that was not met yet is 1.
        """
        self.counts += one_hot(label, len(self.counts)).sum((0, 2, 3))
        met = self.counts > 0
        median = self.counts.masked_fill(~met, torch.nan).nanmedian()
        return (median / self.counts).masked_fill(~met, 1.0).float()
