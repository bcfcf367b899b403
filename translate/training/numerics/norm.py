"""The norm of a gradient, in one pass over its memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def total_norm(grads: Sequence[Tensor]) -> Tensor:
    """The Euclidean norm of all tensors together, a scalar on their device; infinite or not a number where one is.

    As `torch.nn.utils.get_total_norm`, up to the order of sums. On a processor torch's norm takes twice as long as a
    product of a vector with itself, which is limited by memory alone: 25 against 12 ms for the weights of a U-Net.
    """
    if grads[0].device.type != "cpu":
        return torch.nn.utils.get_total_norm(grads)
    squares = [torch.dot(line, line) for line in map(_as_it_lies, grads)]
    return torch.stack(squares).sum().sqrt()


def _as_it_lies(grad: Tensor) -> Tensor:
    """The elements in a line, in the order of memory where it is one of the usual two."""
    if grad.dim() == 4 and not grad.is_contiguous() and grad.is_contiguous(memory_format=torch.channels_last):
        grad = grad.permute(0, 2, 3, 1)
    return grad.reshape(-1)
