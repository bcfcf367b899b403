"""Functions with a backward pass of their own, which can be differentiated again as torch's are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def wanted(ctx: Any, place: int) -> bool:
    """Whether the backward pass that runs needs the gradient of an input: `backward(inputs=)` leaves others out."""
    if not ctx.needs_input_grad[place]:
        return False
    node = ctx.next_functions[place][0]
    try:
        return bool(torch._C._will_engine_execute_node(node))
    except RuntimeError:  # `autograd.grad` does not say it of weights
        return True


def by_torch(
    plain: Callable[..., Tensor],
    inputs: Sequence[Tensor | None],
    grad: Tensor,
    needs: Sequence[bool],
    low: torch.dtype | None = None,
) -> list[Tensor | None]:
    """The gradients of `plain(*inputs)` as torch computes them, which can be differentiated once more.

    For backward passes with `create_graph`, as penalties of a critic's slope have them. `low`: the type of the
    autocast that the forward pass ran under.
    """
    asked = [value for value, need in zip(inputs, needs, strict=True) if need and value is not None]
    with torch.enable_grad(), torch.autocast(grad.device.type, low, enabled=low is not None):
        output = plain(*inputs)
    gradients = iter(torch.autograd.grad(output, asked, grad.to(output.dtype), create_graph=True, allow_unused=True))
    return [next(gradients) if need and value is not None else None for value, need in zip(inputs, needs, strict=True)]
