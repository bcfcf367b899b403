"""Convolutions whose backward passes take the kernels that are fast.

Weights are cast once for all calls before an update. With few channels on one side a kernel's backward pass is many
times slower than its forward pass: there the gradient of the input is a forward convolution with mirrored weights, and
that of a weight with few outputs is the one of a weight with few inputs. Kernels of AVX2 take three times as long for
the gradient of a weight where images lie channels-last: there they get copies that lie contiguous.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate.training.fast import products
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
    order: torch.memory_format,
) -> Tensor:
    """The convolution of a layer, in bf16 under autocast. `dead_bias`: the gradient of the bias is zero.

    What comes out lies in `order`, whatever the order of `x`: images of one pixel lie in both, and from the middle of a
    U-Net on all would lie as they happen to.
    """
    settings = _Settings(
        list(layer.stride),
        list(padding),
        list(layer.dilation),
        layer.transposed,
        list(output_padding),
        layer.groups,
        order,
    )
    y: Tensor = _Convolution.apply(x, layer.weight, layer.bias, settings, low_type(x), dead_bias)  # type: ignore[no-untyped-call]
    return y


class _Settings:
    """The geometry of a convolution, as torch's operators take it."""

    __slots__ = ("dilation", "groups", "order", "output_padding", "padding", "stride", "transposed")

    def __init__(
        self,
        stride: list[int],
        padding: list[int],
        dilation: list[int],
        transposed: bool,
        output_padding: list[int],
        groups: int,
        order: torch.memory_format,
    ) -> None:
        self.order = order
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
        return min(weight.shape[:2]) <= FEW and min(self.reach(weight)) >= 0

    def reach(self, weight: Tensor) -> list[int]:
        """The padding with which a convolution of stride 1 goes back."""
        return [size - 1 - pad for size, pad in zip(weight.shape[2:], self.padding, strict=True)]

    def copies(self, x: Tensor, weight: Tensor) -> bool:
        """Whether the gradient of the weight is better computed of contiguous copies."""
        last = self.order == torch.channels_last and x.dtype == torch.float32
        narrow = torch.backends.cpu.get_cpu_capability() == "AVX2"
        return last and narrow and self.groups == 1 and min(weight.shape[:2]) > FEW

    def geometry(self, weight: Tensor) -> products.Geometry:
        (height, width), (down, right), (top, left) = weight.shape[2:], self.stride, self.padding
        return products.Geometry((height, width), (down, right), (top, left))

    def output_size(self, x: Tensor, weight: Tensor) -> tuple[int, int]:
        """Height and width of what comes out, without dilation."""
        if not self.transposed:
            return self.geometry(weight).places((x.shape[2], x.shape[3]))
        height, width = (
            (x.shape[i + 2] - 1) * self.stride[i] - 2 * self.padding[i] + weight.shape[i + 2] + self.output_padding[i]
            for i in range(2)
        )
        return height, width

    def by_products(self, x: Tensor, weight: Tensor, low: bool) -> bool:
        """Whether products of matrices are faster than a kernel for convolutions."""
        if self.groups > 1 or self.dilation != [1, 1] or x.is_meta:
            return False
        return products.pays(weight, self.places(x, weight), self.stride, low)

    def places(self, x: Tensor, weight: Tensor) -> int:
        """The places of the kernel on all images."""
        height, width = x.shape[2:] if self.transposed else self.output_size(x, weight)
        return int(len(x) * height * width)


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
        ctx.save_for_backward(x, weight, bias)  # as it is: a copy would not hang in the graph
        x = x.contiguous(memory_format=settings.order)
        ctx.by_products = settings.by_products(x, weight, low is not None)
        if ctx.by_products:
            lower = low is not None and products.low_pays(settings.places(x, weight))
            ctx.cast = _cast(weight, low, lies_last(weight)) if low is not None and lower else None
            return _product(x, weight if ctx.cast is None else ctx.cast, bias, settings, low)
        if low is None:
            return torch.ops.aten.convolution(x, weight, bias, *settings.all())  # type: ignore[no-any-return]
        ctx.cast = _cast(weight, low, settings.order == torch.channels_last)
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
        x = x.contiguous(memory_format=settings.order)
        needs = [wanted(ctx, place) for place in range(3)]
        sums = needs[2] and not ctx.dead_bias
        if ctx.by_products:
            filters = weight if ctx.cast is None else ctx.cast
            gradients = _product_gradients(grad, x, filters, settings, [needs[0], needs[1], sums])
        else:
            near, filters = (x, weight) if ctx.low is None else (x.to(ctx.low), ctx.cast)
            gradients = _kernel_gradients(grad, near, filters, settings, [needs[0], needs[1], sums])
        if needs[2] and ctx.dead_bias:
            gradients[2] = torch.zeros_like(bias)
        return (*gradients, None, None, None)


def _kernel_gradients(
    grad: Tensor, x: Tensor, weight: Tensor, settings: _Settings, needs: list[bool]
) -> list[Tensor | None]:
    """The gradients of input, weight and bias by torch's kernels."""
    grad = grad.contiguous(memory_format=settings.order)
    of_x = of_weight = of_bias = None
    mirrors = settings.mirrors(weight)
    if needs[0] and mirrors:
        mirrored = weight.transpose(0, 1).flip(2, 3).contiguous(memory_format=settings.order)
        of_x = F.conv2d(grad, mirrored, padding=settings.reach(weight)).contiguous(memory_format=settings.order)
    if needs[1] and mirrors and len(weight) <= FEW:
        of_weight = _of_few_outputs(grad, x, weight, settings.reach(weight), settings.order)
    elif needs[1] and settings.copies(x, weight):
        of_weight = _of_copies(grad, x, weight, settings)
    rest = [needs[0] and of_x is None, needs[1] and of_weight is None, needs[2]]
    if any(rest):
        outputs = weight.shape[1] * settings.groups if settings.transposed else len(weight)
        backward = torch.ops.aten.convolution_backward
        by_kernel = backward(grad, x, weight, [outputs], *settings.all(), rest)
        of_x, of_weight, of_bias = (
            a if b is None else b for a, b in zip(by_kernel, (of_x, of_weight, None), strict=True)
        )
    return [of_x, of_weight, of_bias]


def _of_few_outputs(grad: Tensor, x: Tensor, weight: Tensor, reach: list[int], order: torch.memory_format) -> Tensor:
    """The gradient of a weight with few outputs: that of a convolution from `grad` to `x`, with both ends mirrored.

    The sum of grad[p] x[p + u] over all places p is that of x[q] grad[q - u], and kernels want few inputs.
    """
    wide = F.pad(grad, (reach[1], reach[1], reach[0], reach[0]))
    like = weight.transpose(0, 1).contiguous(memory_format=order)
    ones, zeros = [1, 1], [0, 0]
    backward = torch.ops.aten.convolution_backward
    _, of_weight, _ = backward(x, wide, like, None, ones, zeros, ones, False, zeros, 1, [False, True, False])
    return of_weight.flip(2, 3).transpose(0, 1)  # type: ignore[no-any-return]


def _of_copies(grad: Tensor, x: Tensor, weight: Tensor, settings: _Settings) -> Tensor:
    """The gradient of the weight of a convolution of channels-last images, of contiguous copies."""
    backward = torch.ops.aten.convolution_backward
    needs = [False, True, False]
    _, of_weight, _ = backward(_copied(grad), _copied(x), weight.contiguous(), None, *settings.all(), needs)
    return of_weight.contiguous(memory_format=settings.order)  # type: ignore[no-any-return]


def _copied(images: Tensor) -> Tensor:
    """A contiguous copy of channels-last images, as matrices of pixels and channels: torch transposes matrices up to
    five times as fast as images."""
    count, channels, height, width = images.shape
    copies = images.new_empty(count, channels, height * width)
    for copy, image in zip(copies, images, strict=True):
        copy.copy_(image.permute(1, 2, 0).reshape(height * width, channels).t())
    return copies.view(images.shape)


def _product(x: Tensor, weight: Tensor, bias: Tensor | None, settings: _Settings, low: torch.dtype | None) -> Tensor:
    """The convolution by products of matrices."""
    geometry, last = settings.geometry(weight), lies_last(weight)
    with torch.autocast(x.device.type, enabled=False):
        if settings.transposed:
            y = products.transposed(x, weight, geometry, settings.output_size(x, weight), last)
        else:
            y = products.convolved(x, weight, geometry, last)
        if bias is not None:
            y = y + bias[:, None, None]
    # `data`: torch lets nobody change in place what is a view of something made in here
    return y.to(low or x.dtype).contiguous(memory_format=settings.order).data


def _product_gradients(
    grad: Tensor, x: Tensor, weight: Tensor, settings: _Settings, needs: list[bool]
) -> list[Tensor | None]:
    """The gradients of input, weight and bias by products of matrices."""
    geometry, last = settings.geometry(weight), lies_last(weight)
    of_x = of_weight = of_bias = None
    if needs[0]:
        if settings.transposed:
            of_x = products.convolved(grad, weight, geometry, last)
        else:
            of_x = products.transposed(grad, weight, geometry, (x.shape[2], x.shape[3]), last)
        of_x = of_x.to(x.dtype).contiguous(memory_format=settings.order)
    if needs[1]:
        wide, narrow = (grad, x) if settings.transposed else (x, grad)
        of_weight = products.weight_gradient(wide, narrow, weight, geometry, last)
    if needs[2]:
        of_bias = grad.float().sum((0, 2, 3))
    return [of_x, of_weight, of_bias]


def lies_last(values: Tensor) -> bool:
    """Whether a tensor lies channels-last; one that lies in both orders does not."""
    return values.is_contiguous(memory_format=torch.channels_last) and not values.is_contiguous()


def _cast(weight: Tensor, low: torch.dtype, last: bool) -> Tensor:
    """The weight in a low type, channels-last if `last`."""
    key = (id(weight), low, last)
    version, cast = _casts.get(key, (-1, weight))
    if version != weight._version:
        order = torch.channels_last if last else torch.contiguous_format
        cast = weight.detach().to(low, memory_format=order)
        _casts[key] = (weight._version, cast)
    return cast
