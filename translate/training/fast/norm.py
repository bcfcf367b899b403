"""The norm of each image by itself, in one pass each way, with sums in float32 whatever the type of the image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from translate.training.fast.function import by_torch, wanted

LAST = torch.channels_last
EVEN = 8
"""Where no such number divides the pixels, torch's group norm of channels-last images takes 30 times as long."""


def image_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """`instance_norm` of N x C x H x W by its own statistics, in the type of `x`."""
    y: Tensor = _ImageNorm.apply(x, weight, bias, eps)  # type: ignore[no-untyped-call]
    return y


def with_dense_gradient(y: Tensor) -> Tensor:
    """The same tensor, whose gradient reaches what made it in its own order in memory, without gaps.

    The gradient of a join of images is a part of another one, in which torch's batch norm walks many times slower.
    """
    if y.requires_grad:
        last = y.is_contiguous(memory_format=LAST) and not y.is_contiguous()
        order = LAST if last else torch.contiguous_format
        y.register_hook(lambda grad: grad.contiguous(memory_format=order))  # type: ignore[no-untyped-call]
    return y


class _ImageNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        count, channels, height, width = x.shape
        # a weight in float32 lets torch keep the statistics in float32, too
        scale = x.new_ones(channels, dtype=torch.float32) if weight is None else weight.float()
        shift = x.new_zeros(channels, dtype=torch.float32) if bias is None else bias.float()
        if x.dtype == torch.float64:
            scale, shift = scale.double(), shift.double()
        if not x.is_contiguous() and not x.is_contiguous(memory_format=LAST):
            x = x.contiguous()
        if x.is_contiguous() or (height * width) % EVEN == 0:
            norm = torch.ops.aten.native_group_norm
            y, mean, deviation = norm(x, scale, shift, count, channels, height * width, channels, eps)
        else:
            y, mean, deviation = _by_single_images(x, scale, shift, eps)
        ctx.save_for_backward(x, weight, bias, scale, mean, deviation)
        ctx.eps = eps
        return y  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        (grad,) = grads
        x, weight, bias, scale, mean, deviation = ctx.saved_tensors
        if torch.is_grad_enabled():
            needs = ctx.needs_input_grad[:3]
            return (*by_torch(_plain(ctx.eps), (x, weight, bias), grad, needs), None)
        affine = weight is not None and (wanted(ctx, 1) or wanted(ctx, 2))
        if x.is_contiguous():
            of_x, of_weight, of_bias = _by_planes(grad.contiguous(), x, scale, mean, deviation, affine)
        else:
            # torch's group norm has no fast backward pass for this order; its batch norm of one image has
            of_x, of_weight, of_bias = _by_images(grad, x, scale, mean, deviation, affine, ctx.eps)
        if not affine:
            of_weight = of_bias = None
        return of_x, of_weight, of_bias, None


def _by_single_images(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The norm as a batch norm of each image, with its means and the inverses of its deviations."""
    norm = torch.ops.aten.native_batch_norm
    parts = [norm(x[i : i + 1], scale, shift, None, None, True, 0.0, eps) for i in range(len(x))]
    images, means, deviations = zip(*parts, strict=True)
    y = images[0] if len(images) == 1 else torch.cat(images)
    return y, torch.stack(means), torch.stack(deviations)


def _plain(eps: float) -> Any:
    """By single operations: torch's own instance norm has wrong gradients where these lie channels-last."""

    def norm(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        values = x if x.dtype == torch.float64 else x.float()
        centred = values - values.mean((2, 3), keepdim=True)
        y = centred * torch.rsqrt(centred.square().mean((2, 3), keepdim=True) + eps)
        if weight is not None:
            y = y * weight[:, None, None]
        return (y if bias is None else y + bias[:, None, None]).to(x.dtype)

    return norm


def _by_planes(
    grad: Tensor, x: Tensor, scale: Tensor, mean: Tensor, deviation: Tensor, affine: bool
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    count, channels, height, width = x.shape
    backward = torch.ops.aten.native_group_norm_backward
    of_x, of_weight, of_bias = backward(
        grad, x, mean, deviation, scale, count, channels, height * width, channels, [True, affine, affine]
    )
    return of_x, of_weight, of_bias


def _by_images(
    grad: Tensor, x: Tensor, scale: Tensor, mean: Tensor, deviation: Tensor, affine: bool, eps: float
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    grad = grad.contiguous(memory_format=LAST)
    parts, of_weight, of_bias = [], torch.zeros_like(scale), torch.zeros_like(scale)
    backward = torch.ops.aten.native_batch_norm_backward
    for place in range(len(x)):
        one, each = slice(place, place + 1), [True, affine, affine]
        statistics = (mean[place], deviation[place])
        part, more, shift = backward(grad[one], x[one], scale, None, None, *statistics, True, eps, each)
        parts.append(part)
        if affine:
            of_weight += more
            of_bias += shift
    return parts[0] if len(parts) == 1 else torch.cat(parts), of_weight, of_bias
