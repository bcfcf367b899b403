"""What sets of outputs tell: variety, use of the input, and colours.

Images are C x H x W in [0, 1], vectors any number of values; sets are lists.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 16
"""Pixels of the sides of the small images that sets are compared by."""
_LEVELS = 33
"""Quantiles by which the distributions of colours are compared."""


def small(images: Sequence[Tensor], side: int = SIDE) -> Tensor:
    """A set as rows of numbers: each image at `side` x `side` pixels, channel by channel, N x (C * side * side)."""
    return torch.stack([_small(image.float(), side).flatten() for image in images])


def _small(image: Tensor, side: int) -> Tensor:
    return F.adaptive_avg_pool2d(image.flatten(0, -3)[None], side)[0] if image.ndim >= 3 else image


def diversity(images: Sequence[Tensor], side: int = SIDE) -> float:
    """Mean distance between two of a set, C x H x W each, seen at `side` x `side` pixels."""
    rows = small(images, side)
    count = len(rows)
    return float(torch.cdist(rows, rows).sum()) / max(1, count * (count - 1))


def apart(images: Sequence[Tensor]) -> float:
    """Mean square of the difference between two of a set, per number."""
    rows = small(images)
    # 2 var = E (x - y)^2 for two that are drawn independently
    return float(2 * rows.var(0).mean())


def input_use(inputs: Sequence[Tensor], outputs: Sequence[Tensor], alike: Sequence[Tensor]) -> tuple[float, float]:
    """How much outputs follow their inputs, and how much of their variety that is.

    `alike` are the outputs for the same inputs when all of them get one and the same noise; empty where nothing is
    drawn. The first number is the difference between two of these, as a share of the difference between their inputs:
    0 where the input is ignored. The second is their variety (variance) as a share of that of the outputs.
    """
    between, given = apart(outputs), apart(inputs)
    kept = apart(alike) if alike else between
    return (kept / max(given, 1e-12)) ** 0.5, kept / max(between, 1e-12)


def colour_distance(outputs: Sequence[Tensor], real: Sequence[Tensor], *, paired: bool) -> tuple[float, float]:
    """The largest difference between the mean colours of both sets over all channels, and its standard error."""
    ours, theirs = (torch.stack([image.float().mean((-1, -2)) for image in images]) for images in (outputs, real))
    distance, channel = (ours.mean(0) - theirs.mean(0)).abs().max(0)
    if paired or len(theirs) < 2:  # the same scenes: no chance in it
        return float(distance), 0.0
    error = theirs.std(0)[channel] * (1 / len(ours) + 1 / len(theirs)) ** 0.5
    return float(distance), float(error)


def inversion(outputs: Sequence[Tensor], real: Sequence[Tensor], *, paired: bool) -> tuple[float, float]:
    """How far the outputs are from real images, and how far their negatives are.

    With pairs it is the mean difference of pixels from those of its own image, else that of the sorted values of each
    channel (the Wasserstein distance of colours).
    """
    # what an output is beside its negative shows without its mean: greys are their own negatives
    ours, theirs = (torch.stack([_small(image.float(), SIDE) for image in images]) for images in (outputs, real))
    if paired:
        return float((ours - theirs).abs().mean()), float((1 - ours - theirs).abs().mean())
    levels = torch.linspace(0, 1, _LEVELS)
    colours, wanted = (torch.quantile(each.transpose(0, 1).flatten(1), levels, dim=1) for each in (ours, theirs))
    return float((colours - wanted).abs().mean()), float((1 - colours.flip(0) - wanted).abs().mean())
