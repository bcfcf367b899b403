"""Convolutions whose backward passes take the kernels that are fast.

Weights are cast once for all calls before an update. With few channels on one side a kernel's backward pass is many
times slower than its forward pass: there the gradient of the input is a forward convolution with mirrored weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate.training.fast.casts import low_type
from translate.training.fast.function import by_torch, wanted

FEW = 4
"""Images have at most so many channels."""

_casts: dict[tuple[int, torch.dtype, bool], tuple[int, Tensor]] = {}
"""Weights in a low type, with their versions, for the calls up to the next update."""


def forget_casts() -> None:
    """Forgets cast weights, as autocast does when it ends."""
    _casts.clear()


def convolution(
    layer: nn.Conv2d | nn.ConvTranspose2d,
    x: Tensor,
    padding: tuple[int, ...],
    output_padding: tuple[int, ...],
    *,
    dead_bias: bool,
) -> Tensor:
    """The convolution of a layer, in bf16 under autocast. `dead_bias`: the gradient of the bias is zero."""
    settings = _Settings(
        list(layer.stride), list(padding), list(layer.dilation), layer.transposed, list(output_padding), layer.groups
    )
    y: Tensor = _Convolution.apply(x, layer.weight, layer.bias, settings, low_type(x), dead_bias)  # type: ignore[no-untyped-call]
    return y


class _Settings:
    """The geometry of a convolution, as torch's operators take it."""

    __slots__ = ("dilation", "groups", "output_padding", "padding", "stride", "transposed")

    def __init__(
        self,
        stride: list[int],
        padding: list[int],
        dilation: list[int],
        transposed: bool,
        output_padding: list[int],
        groups: int,
    ) -> None:
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.transposed, self.output_padding, self.groups = transposed, output_padding, groups

    def all(self) -> tuple[Any, ...]:
        return (self.stride, self.padding, self.dilation, self.transposed, self.output_padding, self.groups)

    def plain(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """By torch's own function, which autocast knows."""
        if self.transposed:
            return F.conv_transpose2d(
                x, weight, bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation
            )
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)

    def mirrors(self, weight: Tensor) -> bool:
        """Whether the gradient of the input is better computed as a convolution with mirrored weights."""
        if self.transposed or self.groups > 1 or self.stride != [1, 1] or self.dilation != [1, 1]:
            return False
        reach = [size - 1 - pad for size, pad in zip(weight.shape[2:], self.padding, strict=True)]
        return min(weight.shape[:2]) <= FEW and min(reach) >= 0


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        settings: _Settings,
        low: torch.dtype | None,
        dead_bias: bool,
    ) -> Tensor:
        ctx.settings, ctx.low, ctx.dead_bias = settings, low, dead_bias
        ctx.save_for_backward(x, weight, bias)
        if low is None:
            return torch.ops.aten.convolution(x, weight, bias, *settings.all())  # type: ignore[no-any-return]
        ctx.cast = _cast(weight, low, x)
        small = None if bias is None else bias.to(low)
        y: Tensor = torch.ops.aten.convolution(x.to(low), ctx.cast, small, *settings.all())
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        (grad,) = grads
        x, weight, bias = ctx.saved_tensors
        settings: _Settings = ctx.settings
        if torch.is_grad_enabled():
            needs = ctx.needs_input_grad[:3]
            return (*by_torch(settings.plain, (x, weight, bias), grad, needs, ctx.low), None, None, None)
        need_x, need_weight, need_bias = (wanted(ctx, place) for place in range(3))
        near, filters = (x, weight) if ctx.low is None else (x.to(ctx.low), ctx.cast)
        of_x = None
        if need_x and settings.mirrors(weight):
            reach = [size - 1 - pad for size, pad in zip(weight.shape[2:], settings.padding, strict=True)]
            of_x = F.conv2d(grad, filters.transpose(0, 1).flip(2, 3), padding=reach)
            need_x = False
        sums = need_bias and not ctx.dead_bias
        if need_x or need_weight or sums:
            sizes = None if bias is None else list(bias.shape)
            asked = [need_x, need_weight, sums]
            backward = torch.ops.aten.convolution_backward
            other, of_weight, of_bias = backward(grad, near, filters, sizes, *settings.all(), asked)
            of_x = other if need_x else of_x
        else:
            of_weight = of_bias = None
        if need_bias and ctx.dead_bias:
            of_bias = torch.zeros_like(bias)
        return of_x, of_weight, of_bias, None, None, None


def _cast(weight: Tensor, low: torch.dtype, like: Tensor) -> Tensor:
    """The weight in a low type, in the order in memory of the images that it meets."""
    last = like.is_contiguous(memory_format=torch.channels_last) and not like.is_contiguous()
    key = (id(weight), low, last)
    version, cast = _casts.get(key, (-1, weight))
    if version != weight._version:
        order = torch.channels_last if last else torch.contiguous_format
        cast = weight.detach().to(low, memory_format=order)
        _casts[key] = (weight._version, cast)
    return cast
