"""Convolutions for bf16 and fp16 on a CPU: exact at both ends of a network, where images come in and go out.

A number of bf16 has 8 bits of precision, as many as a pixel. Rounding the pixels themselves, and the values that become
pixels, makes a large part of the difference to float32, and these layers are a small part of the work.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from translate.inference.fast.image_by_image import image_by_image

FEW = 4
"""Images have at most so many channels."""

LAST = torch.channels_last
"""The order in memory in which convolutions of these types are fastest."""


def low_layer(layer: nn.Module, low: torch.dtype) -> nn.Module:
    """A convolution or linear layer whose weights are kept in a low type, where autocast would cast them each time."""
    lowered = copy.deepcopy(layer).requires_grad_(False).to(low)
    return lowered if isinstance(layer, nn.Linear) else lowered.to(memory_format=LAST)  # type: ignore[call-overload]


def low_or_exact(layer: nn.Conv2d | nn.ConvTranspose2d, low: torch.dtype) -> nn.Module:
    """A convolution in a low type: in float32 where it makes images, split in three parts where it takes them."""
    if layer.groups > 1:
        return low_layer(layer, low)
    if layer.out_channels <= FEW:
        return ExactConvolution(layer)
    if isinstance(layer, nn.Conv2d) and layer.in_channels <= FEW:
        return SplitConvolution(layer, low)
    lowered = low_layer(layer, low)
    return image_by_image(lowered) if isinstance(lowered, nn.ConvTranspose2d) else lowered


class ExactConvolution(nn.Module):
    """A convolution in float32, whatever autocast says."""

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        self.layer = copy.deepcopy(layer).requires_grad_(False).to(memory_format=LAST)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            if x.is_meta:  # where calls are listed, one stands for all images
                y: Tensor = self.layer(x.float())
                return y
            # The kernels of float32 are others for a batch, down to the last bits.
            outputs = [self.layer(image) for image in torch.split(x.float(), 1)]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


class SplitConvolution(nn.Module):
    """A convolution of a low type that sees 16 bits of its input and of its weights.

    With x = x0 + x1 and w = w0 + w1, where x0 and w0 are rounded to the low type and x1 and w1 are what that left out,
    w x is about w0 x0 + w0 x1 + w1 x0: one convolution of three times the channels, summed in float32. Kernels fill up
    a few channels to 16 or 32 in any case, so that it takes no longer.
    """

    def __init__(self, layer: nn.Conv2d, low: torch.dtype) -> None:
        super().__init__()
        self.low = low
        weight = layer.weight.detach()
        coarse = weight.to(low).float()
        tripled = copy.deepcopy(layer).requires_grad_(False)
        tripled.in_channels = 3 * layer.in_channels
        tripled.weight = nn.Parameter(torch.cat((coarse, coarse, weight - coarse), 1), requires_grad=False)
        self.layer = low_layer(tripled, low)

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        coarse = x.to(self.low)
        if x.is_meta:  # where calls are listed, weights of a low type stand there in float32; autocast does the rest
            coarse = coarse.float()
        fine = x - coarse if x.is_meta else (x - coarse).to(self.low)
        y: Tensor = self.layer(torch.cat((coarse, fine, coarse), 1).contiguous(memory_format=LAST))
        return y
