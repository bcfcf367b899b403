"""Norms of single images, and batch norms that become part of the convolution before them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

SMALL = 1 << 21
"""Values of an image up to which a norm gives float32 from what is in a low type: the sums of residual blocks, which
are of this size, keep what bf16 would round off, and it costs little."""


def fast_norm(layer: nn.InstanceNorm2d, low: bool, exact: bool = True) -> nn.Module:
    """A norm of the same tensors that computes faster; `low`: what comes is in a low type and channels-last order.
    `exact`: small images leave a low type, for networks that sum what norms give."""
    if layer.track_running_stats:
        return layer
    fast = copy.copy(layer)
    fast.__class__ = ImageNorm
    if low:
        fast.__class__ = LowImageNorm if exact else LowestImageNorm
    return fast


class ImageNorm(nn.InstanceNorm2d):
    """An instance norm as a group norm of one channel each, which torch computes in half the time."""

    def forward(self, input: Tensor) -> Tensor:
        # One pixel has no statistics: torch's own norm refuses it with a message.
        if input.dim() != 4 or input.shape[2] * input.shape[3] == 1:
            return super().forward(input)
        return F.group_norm(input, self.num_features, self.weight, self.bias, self.eps)


class LowImageNorm(nn.InstanceNorm2d):
    """An instance norm as a batch norm of each image by itself, which keeps channels-last order.

    torch's instance norm brings the values into another order and back, for which it takes most of its time.
    """

    small = SMALL

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 4 or (input.is_meta and len(input) > 1):
            return super().forward(input)
        x = input.float() if input.shape[1:].numel() <= self.small else input
        if len(x) == 1:
            return self._normed(x)
        return torch.cat([self._normed(image) for image in torch.split(x, 1)])

    def _normed(self, image: Tensor) -> Tensor:
        return F.batch_norm(image, None, None, self.weight, self.bias, True, 0.0, self.eps)


class LowestImageNorm(LowImageNorm):
    """The same that stays in the low type. Where a network joins what norms give, as U-Nets do, two types cost time."""

    small = 0


def folded(net: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Pairs (layer, the one in its place) that make batch norms of running statistics part of convolutions.

    A norm y = a x + b of each channel behind a convolution is a convolution of other weights. Only neighbours in a
    plain `nn.Sequential` count, where nobody else sees what is between them.
    """
    uses: dict[int, int] = {}
    stacks = [module for module in net.modules() if type(module) is nn.Sequential]
    for module in net.modules():
        for child in module.children():
            uses[id(child)] = uses.get(id(child), 0) + 1
    for stack in stacks:
        for convolution, norm in pairwise(stack):
            if type(convolution) not in (nn.Conv2d, nn.ConvTranspose2d) or type(norm) is not nn.BatchNorm2d:
                continue
            shared = uses[id(convolution)] > 1 or uses[id(norm)] > 1
            hooked = convolution._forward_hooks or norm._forward_hooks or norm._forward_pre_hooks
            if shared or hooked or norm.training or norm.running_mean is None:
                continue
            transposed = isinstance(convolution, nn.ConvTranspose2d)
            yield convolution, fuse_conv_bn_eval(convolution, norm, transpose=transposed)  # type: ignore[type-var]
            yield norm, nn.Identity()
