"""Bicubic resampling with antialiasing, as super-resolution papers degrade images (MATLAB's `imresize`)."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import torch
from torch import Tensor


def bicubic(images: Tensor, scale: float | Fraction) -> Tensor:
    """Resizes N x C x H x W, of any range, to N x C x ceil(scale H) x ceil(scale W).

    The result is float32 (float64 for float64), and differentiable.

    Keys' cubic of a = -0.5, widened by 1 / scale where the image shrinks; pixel centres at half steps; beyond its
    border the image is mirrored, the border pixel twice. Overshoots are kept: clamp and round where a file would.
    `scale` is taken for the nearest fraction of a denominator up to 100. It computes outside of autocast, since values
    need their precision. Source: Keys 1981. Errors: ValueError for a scale that is not positive.
    """
    factor = Fraction(scale).limit_denominator(100)
    if factor <= 0:
        raise ValueError(f"a scale is positive, not {scale}")
    with torch.autocast(images.device.type, enabled=False):
        values = images.to(torch.promote_types(images.dtype, torch.float32))
        rows, columns = (_weights(length, factor, values.device, values.dtype) for length in values.shape[-2:])
        return rows @ (values @ columns.T)


@lru_cache(maxsize=64)
def _weights(length: int, factor: Fraction, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The weights where they are used: each copy to a GPU would wait for what it does."""
    return _matrix(length, factor.numerator, factor.denominator).to(device, dtype)


@lru_cache(maxsize=64)
def _matrix(length: int, numerator: int, denominator: int) -> Tensor:
    """Weights of `length` pixels for each output pixel: ceil(length * numerator / denominator) x length, float64."""
    scale = numerator / denominator
    outputs = -(-length * numerator // denominator)
    shrink = min(scale, 1.0)
    centre = (torch.arange(outputs, dtype=torch.float64) + 0.5) / scale - 0.5
    reach = 2 / shrink
    taps = int(2 * reach) + 3
    first = torch.floor(centre - reach).long()
    at = first[:, None] + torch.arange(taps)
    weights = cubic((centre[:, None] - at) * shrink)
    weights = weights / weights.sum(1, keepdim=True)
    place = at % (2 * length)
    place = torch.minimum(place, 2 * length - 1 - place)
    return torch.zeros(outputs, length, dtype=torch.float64).scatter_add_(1, place, weights)


def cubic(x: Tensor) -> Tensor:
    """Keys' kernel of a = -0.5 (Keys 1981, eq. 4): 1 at 0, 0 at other whole numbers and from 2 on."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
