"""Gaussian kernels of any width and direction, each image with its own (Wang et al. 2021, section 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def gaussian_kernels(along: Tensor, across: Tensor, angle: Tensor, size: int) -> Tensor:
    """Gauss curves on a grid of pixels, N x size x size, with the sum 1.

    `along` and `across` are the standard deviations in pixels on the two axes (N values each, above 0), `angle` is that
    of the first one to the x axis, in radians. A `size` of 8 deviations loses less than a thousandth of the variance.
    """
    place = torch.arange(size, device=along.device, dtype=along.dtype) - (size - 1) / 2
    y, x = torch.meshgrid(place, place, indexing="ij")
    cosine, sine = angle.cos().view(-1, 1, 1), angle.sin().view(-1, 1, 1)
    u = (cosine * x + sine * y) / along.view(-1, 1, 1)
    v = (cosine * y - sine * x) / across.view(-1, 1, 1)
    # Logarithms first: the softmax has the sum 1 even where a narrow curve leaves nothing but its middle.
    exponents = -(u.square() + v.square()) / 2
    return exponents.flatten(1).softmax(1).view(-1, size, size)


def filtered(images: Tensor, kernels: Tensor) -> Tensor:
    """Each image N x C x H x W under its own kernel, N x k x k of an odd k, the borders mirrored. Returns the size that
    comes in."""
    count, channels, height, width = images.shape
    reach = kernels.shape[-1] // 2
    # A reflection cannot reach farther than the image: small ones repeat their border beyond that.
    inner = [min(reach, width - 1), min(reach, height - 1)]
    padded = F.pad(images, (inner[0], inner[0], inner[1], inner[1]), mode="reflect")
    rest = reach - inner[0], reach - inner[1]
    padded = F.pad(padded, (rest[0], rest[0], rest[1], rest[1]), mode="replicate")
    grouped = padded.reshape(1, count * channels, *padded.shape[-2:])
    weights = kernels.repeat_interleave(channels, 0)[:, None]
    return F.conv2d(grouped, weights, groups=count * channels).reshape(count, channels, height, width)
