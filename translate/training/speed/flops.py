"""Floating point operations of a training step: those of its convolutions and matrix products.

A multiplication and an addition are two. A convolution applies its filters at as many places as the smaller of its two
images has, and each of its gradients takes as many operations.
"""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_ATEN = torch.ops.aten


class FlopCount(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, `flops` grows with all that torch computes; no value and no random number changes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        operation = func.overloadpacket
        if operation is _ATEN.convolution:
            self.flops += _convolution(args[0], args[1], output)
        elif operation is _ATEN.convolution_backward:
            grad, x, weight = args[:3]
            of_input, of_weight, _ = args[10]
            self.flops += _convolution(x, weight, grad) * (of_input + of_weight)
        elif operation in flop_registry:
            self.flops += flop_registry[operation](*args, **(kwargs or {}), out_val=output)
        return output


def _convolution(x: Tensor, weight: Tensor, y: Tensor) -> int:
    """Operations of a convolution from `x` to `y`, transposed or not, and of each of its two gradients."""
    places = [min(sizes) for sizes in zip(x.shape[2:], y.shape[2:], strict=True)]
    return 2 * len(x) * prod(places) * weight.numel()
