"""What a hole shows before a network fills it: one colour, or a smooth continuation of what lies around."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

RADII = (16, 6, 2)
"""Half of the windows in pixels, from the widest on. Farther than the first one lies the mean of all that is known."""
TRUST = 0.03
"""The share of known pixels in a window at which its mean counts as much as that of the wider window."""


def covered(images: Tensor, mask: Tensor) -> Tensor:
    """The images with their holes in the mean colour of what is known of each: nothing of the target is left there.

    Images N x C x H x W; the mask N x 1 x H x W, 1 in the hole, else 0.
    """
    known = 1 - mask
    mean = (images * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
    return torch.where(mask > 0, mean, images)


def continued(images: Tensor, mask: Tensor) -> Tensor:
    """The images with their holes in the weighted means of known pixels around each pixel, the nearer the more.

    It is a normalised convolution (Knutsson and Westin, CVPR 1993) with ever smaller windows: a mean over the known
    pixels of a window takes the place of that of the wider one, in so far as there are any. Shapes as in `covered`.
    """
    known, filled = 1 - mask, covered(images, mask)
    for radius in RADII:
        sums = _smoothed(torch.cat((images * known, known), 1), radius)
        filled = (sums[:, :-1] + TRUST * filled) / (sums[:, -1:] + TRUST)
    return torch.where(mask > 0, filled, images)


def _smoothed(values: Tensor, radius: int) -> Tensor:
    """Means over squares of 2 radius + 1 pixels; outside of the image lies 0."""
    rows = F.avg_pool2d(values, (2 * radius + 1, 1), 1, (radius, 0))
    return F.avg_pool2d(rows, (1, 2 * radius + 1), 1, (0, radius))
