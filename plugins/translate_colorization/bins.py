"""Colours as classes: a grid over the ab plane, soft encoding, rebalancing and the annealed mean.

Zhang, Isola, Efros, "Colorful Image Colorization", ECCV 2016, sections 2.1 to 2.3.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from translate import to_lab

STEP, NEIGHBOURS, SIGMA, MIX, MEMORY, TEMPERATURE = 10.0, 10, 5.0, 0.5, 0.999, 0.38
"""Grid size; neighbours of the soft encoding (the code has 10, the paper says 5) and its width; how much of the uniform
distribution the prior gets (lambda), how slowly it forgets; T of the annealed mean."""


@lru_cache(maxsize=1)
def ab_bins() -> Tensor:
    """The centres of all bins that some colour of sRGB falls into: Q x 2 (the authors' own list has 313)."""
    with torch.device("cpu"):  # kept for all callers, also for one that builds networks elsewhere
        levels = torch.linspace(-1, 1, 52)
        colours = torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, 1, -1)
        ab = to_lab(colours)[1][0, :, 0].T
        bins: Tensor = (ab / STEP).round().unique(dim=0)  # type: ignore[no-untyped-call]
        return bins * STEP


def soft_encode(ab: Tensor, bins: Tensor) -> tuple[Tensor, Tensor]:
    """N x 2 x H x W to the nearest bins of each pixel and their shares, each N x H x W x 10; the nearest is first."""
    flat = ab.permute(0, 2, 3, 1)
    distance, index = torch.cdist(flat.flatten(0, 2), bins).topk(NEIGHBOURS, largest=False)
    share = (-distance.square() / (2 * SIGMA**2)).softmax(1)
    return index.view(*flat.shape[:3], -1), share.view(*flat.shape[:3], -1)


def annealed_mean(logits: Tensor, bins: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """N x Q x H x W to ab, N x 2 x H x W: the mean of the distribution sharpened by T (equation 5)."""
    share = (logits.float() / temperature).softmax(1)
    return torch.einsum("nqhw,qc->nchw", share, bins)


class Prior(nn.Module):
    """The frequency of each colour in the training images so far, for the weights of rare ones (equation 4)."""

    shares: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("shares", torch.full((count,), 1 / count))

    @torch.no_grad()
    def learn(self, index: Tensor, share: Tensor) -> None:
        """Takes a batch's soft encoding into the running mean."""
        seen = torch.zeros_like(self.shares).index_add_(0, index.flatten(), share.flatten())
        self.shares.mul_(MEMORY).add_((1 - MEMORY) * seen / seen.sum())

    def weights(self) -> Tensor:
        """Q weights, inverse to the shares mixed with the uniform distribution, of mean 1 under the shares."""
        w = 1 / ((1 - MIX) * self.shares + MIX / len(self.shares))
        return w / (self.shares * w).sum()
