"""Convolutions of few places with many weights, as products of matrices in float32.

In the middle of a U-Net an image has a few pixels and a layer has millions of weights: the time goes into reading
these, casting them, and bringing them into the order of a kernel, there and back. A product of matrices reads them as
they lie, and writes their gradient as it has to lie. It multiplies in float32, whatever the type of the images, as long
as reading takes longer than multiplying, and from `MANY` places on in the type of autocast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

PLACES, WEIGHTS = 256, 1 << 20
"""At most so many places of all images together, and at least so many weights."""
PLACES_IN_LOW = 2048
"""At most so many places in the type of autocast, of kernels whose places overlap no more than those of a U-Net."""
OVERLAP = 4
"""Places that a pixel belongs to, with 4 x 4 kernels of stride 2."""
MANY = 128
"""Places from which on multiplying takes longer than reading."""


@dataclass(frozen=True)
class Geometry:
    """Size, stride and padding of a kernel, by height and width."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]

    def places(self, size: tuple[int, int]) -> tuple[int, int]:
        """The places of the kernel on an image of this size."""
        height, width = ((size[i] + 2 * self.padding[i] - self.kernel[i]) // self.stride[i] + 1 for i in range(2))
        return height, width


def patches(x: Tensor, geometry: Geometry, kind: torch.dtype, last: bool) -> Tensor:
    """The pixels under a kernel at each of its places, N x C x H x W to places x (C * kernel), in type `kind`.

    `last`: channels come last in a row, as in a weight that lies channels-last.
    """
    (top, left), (height, width) = geometry.padding, geometry.kernel
    padded = F.pad(x.to(kind), (left, left, top, top)).permute(0, 2, 3, 1)
    under = padded.unfold(1, height, geometry.stride[0]).unfold(2, width, geometry.stride[1])
    if last:
        under = under.permute(0, 1, 2, 4, 5, 3)
    return under.reshape(-1, x.shape[1] * height * width)


def spread(rows: Tensor, geometry: Geometry, count: int, size: tuple[int, int], last: bool) -> Tensor:
    """The adjoint of `patches`: adds up what belongs to each pixel of `count` images of this size."""
    (top, left), (height, width) = geometry.padding, geometry.kernel
    down, right = geometry.places(size)
    channels = rows.shape[1] // (height * width)
    inner = (height, width, channels) if last else (channels, height, width)
    each = rows.float().reshape(count, down, right, *inner)
    image = each.new_zeros(count, size[0] + 2 * top, size[1] + 2 * left, channels)
    for i in range(height):
        for j in range(width):
            part = each[:, :, :, i, j] if last else each[..., i, j]
            # a place and its neighbour lie one stride apart
            image[:, i : i + down * geometry.stride[0] : geometry.stride[0],
                  j : j + right * geometry.stride[1] : geometry.stride[1]] += part  # fmt: skip
    return image[:, top : top + size[0], left : left + size[1]].permute(0, 3, 1, 2)


def as_matrix(weight: Tensor, last: bool) -> Tensor:
    """The weight as its first dimension x the others, without a copy."""
    return (weight.permute(0, 2, 3, 1) if last else weight).reshape(len(weight), -1)


def as_weight(matrix: Tensor, like: Tensor, last: bool) -> Tensor:
    """The opposite of `as_matrix`, without a copy."""
    first, second, height, width = like.shape
    if last:
        return matrix.view(first, height, width, second).permute(0, 3, 1, 2)
    return matrix.view(first, second, height, width)


def as_rows(x: Tensor, kind: torch.dtype) -> Tensor:
    """The channels of each pixel, N x C x H x W to pixels x C, in type `kind`."""
    return x.to(kind).permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def as_images(rows: Tensor, count: int, size: tuple[int, int]) -> Tensor:
    """The opposite of `as_rows`."""
    return rows.view(count, *size, rows.shape[1]).permute(0, 3, 1, 2)


def convolved(x: Tensor, weight: Tensor, geometry: Geometry, last: bool) -> Tensor:
    """The convolution in the type of the weight, without a bias."""
    rows = patches(x, geometry, weight.dtype, last) @ as_matrix(weight, last).t()
    return as_images(rows, len(x), geometry.places((x.shape[2], x.shape[3])))


def transposed(x: Tensor, weight: Tensor, geometry: Geometry, size: tuple[int, int], last: bool) -> Tensor:
    """The transposed convolution to images of this size in the type of the weight, without a bias."""
    return spread(as_rows(x, weight.dtype) @ as_matrix(weight, last), geometry, len(x), size, last)


def weight_gradient(wide: Tensor, narrow: Tensor, weight: Tensor, geometry: Geometry, last: bool) -> Tensor:
    """The gradient of a weight between images with many pixels and those with one for each place of the kernel: input
    and gradient of a convolution, gradient and input of a transposed one."""
    kind = weight.dtype
    return as_weight(as_rows(narrow, kind).t() @ patches(wide, geometry, kind, last), weight, last)


def low_pays(places: int) -> bool:
    """Whether these products are better computed in the low type of autocast."""
    return places >= MANY


def pays(weight: Tensor, places: int, stride: Sequence[int], low: bool) -> bool:
    """Whether a layer has so many weights for so few places that products are faster; `low`: under autocast."""
    if weight.numel() < WEIGHTS or weight.dtype != torch.float32:
        return False
    overlap = weight.shape[2] * weight.shape[3] / (stride[0] * stride[1])
    return places <= (PLACES_IN_LOW if low and overlap <= OVERLAP else PLACES)
