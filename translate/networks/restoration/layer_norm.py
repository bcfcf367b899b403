"""The layer norm of image-shaped tensors (Ba et al. 2016): each pixel by itself, over its channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function


class LayerNorm2d(nn.Module):
    """Normalises the channels of each pixel, then applies a learned scale and shift to each channel.

    N x channels x H x W to the same shape. No statistics reach from one pixel to another, so that batches, crops and
    strips of an image give what the whole gives.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm_2d(x, self.weight, self.bias, self.eps)


def layer_norm_2d(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """(x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance over the channels of each pixel.

    Large images go in strips of rows, for which a network is recorded: this is one call of the recording.
    """
    if has_torch_function((x, weight, bias)):
        recorded: Tensor = handle_torch_function(layer_norm_2d, (x, weight, bias), x, weight, bias, eps)
        return recorded
    # torch normalises over the last axes, and has one fast kernel for it.
    channels_last = x.permute(0, 2, 3, 1)
    return F.layer_norm(channels_last, weight.shape, weight, bias, eps).permute(0, 3, 1, 2)
