"""Random changes of what critics see, image by image and differentiable to any order: colour, translation, cutout.

They are those of Zhao et al. 2020, Differentiable Augmentation for Data-Efficient GAN Training, section 4, with the
ranges of the authors' code. An image is changed by the row of random numbers that it gets, so that several calls with
the same rows change images alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

POLICY = ("colour", "translation", "cutout")
"""The changes, in the order in which they are made."""
NUMBERS = len(POLICY) + 7
"""Random numbers of an image: whether each change is made, and its extents."""
SHIFT = 1 / 8
"""The largest translation, as a share of the side."""
CUT = 1 / 2
"""The side of the hole, as a share of the image's."""


def augment(images: Tensor, numbers: Tensor, p: Tensor, policy: Sequence[str], parts: Sequence[int]) -> Tensor:
    """The images N x C x H x W with each change of the policy made in a share `p` of them.

    `numbers` are N x `NUMBERS` draws from [0, 1), `p` is a number on the device. `parts` are the channels of the
    pictures of which an image consists, one behind the other: colour is changed within each, in all alike.
    """
    makes, extents = numbers[:, : len(POLICY)] < p, numbers[:, len(POLICY) :]
    dtype, images = images.dtype, images.float()  # the mean of an image in bf16 would have 8 bits
    for place, name in enumerate(POLICY):
        if name in policy:
            changed = _CHANGES[name](images, extents, parts)
            # chosen, not mixed: an image that is left alone keeps its bits
            images = torch.where(makes[:, place, None, None, None], changed, images)
    return images.to(dtype)


def colour(images: Tensor, extents: Tensor, parts: Sequence[int]) -> Tensor:
    """Brightness + U(-0.5, 0.5), then saturation * U(0, 2), then contrast * U(0.5, 1.5)."""
    brighter, richer, stronger = extents[:, 0:3, None, None, None].unbind(1)
    pictures = []
    for picture in torch.split(images + (brighter - 0.5), list(parts), 1):
        grey = picture.mean(1, keepdim=True)
        saturated = (picture - grey) * (2 * richer) + grey
        mean = saturated.mean((1, 2, 3), keepdim=True)
        pictures.append((saturated - mean) * (stronger + 0.5) + mean)
    return torch.cat(pictures, 1)


def translation(images: Tensor, extents: Tensor, parts: Sequence[int]) -> Tensor:
    """Moves by whole pixels, up to an eighth of each side; zeros come in, which are grey in [-1, 1]."""
    down, right = (
        _whole(extents[:, column], -round_half_up(side * SHIFT), round_half_up(side * SHIFT))
        for column, side in ((3, images.shape[-2]), (4, images.shape[-1]))
    )
    return _move(images, down, right)


def cutout(images: Tensor, extents: Tensor, parts: Sequence[int]) -> Tensor:
    """Puts zeros into a rectangle of half the sides, whose middle lies anywhere."""
    rows, columns = (
        _inside(extents[:, column], side, images.device)
        for column, side in ((5, images.shape[-2]), (6, images.shape[-1]))
    )
    hole = rows[:, None, :, None] & columns[:, None, None, :]
    return images.masked_fill(hole, 0.0)


_CHANGES = {"colour": colour, "translation": translation, "cutout": cutout}


class _Move(torch.autograd.Function):
    """A translation by whole pixels, whose derivative is the translation back.

    Autograd's own derivative of `gather` adds in any order on a GPU; this one only moves, and it has a derivative too,
    which penalties of the critic's slope need.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, down: Tensor, right: Tensor) -> Tensor:
        ctx.save_for_backward(down, right)
        return _moved(_moved(images, down, 2), right, 3)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        down, right = ctx.saved_tensors
        return _move(slopes[0], -down, -right), None, None


def _move(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    moved: Tensor = _Move.apply(images, down, right)  # type: ignore[no-untyped-call]
    return moved


def _moved(images: Tensor, by: Tensor, dim: int) -> Tensor:
    """Images moved along one dimension, each by its own number of pixels, with zeros behind."""
    side = images.shape[dim]
    source = torch.arange(side, device=images.device) - by[:, None]
    outside = (source < 0) | (source >= side)
    shape = [len(images), 1, 1, 1]
    shape[dim] = side
    index = source.clamp(0, side - 1).view(shape).expand_as(images)
    return images.gather(dim, index).masked_fill(outside.view(shape), 0.0)


def _inside(extent: Tensor, side: int, device: torch.device) -> Tensor:
    """Which places along a side, N x side, lie in the hole."""
    length = max(1, round_half_up(side * CUT))
    first = _whole(extent, 0, side - length % 2) - length // 2
    places = torch.arange(side, device=device) - first[:, None]
    return (places >= 0) & (places < length)


def _whole(extent: Tensor, low: int, high: int) -> Tensor:
    """Whole numbers from `low` to `high`, both included, all as likely, from numbers in [0, 1)."""
    return (extent * (high - low + 1)).floor().long().clamp(max=high - low) + low


def round_half_up(value: float) -> int:
    """The nearest whole number, halves up, as in the authors' code."""
    return int(value + 0.5)
