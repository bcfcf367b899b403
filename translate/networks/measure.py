"""Measures of a network, taken from its layers: parameters and receptive field."""

from __future__ import annotations

import warnings
from math import lcm, prod
from typing import Any, NamedTuple

import torch
from torch import nn

from translate.contracts import Build, DataSpec, Method


def count_parameters(module: nn.Module) -> int:
    """The number of trainable parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def parameters_by_network(method: type[Method[Any]], spec: DataSpec, build: Build) -> dict[str, tuple[str, int]]:
    """The networks of a method under its default options: name -> (what it `uses`, its trainable parameters).

    They are built without memory for their weights. Errors: whatever the method raises for data like `spec`.
    """
    nets = without_memory(method(method.Config(), spec, dict(method.losses)), build)
    return {name: (getattr(type(net), "name", ""), count_parameters(net)) for name, net in nets.items()}


def common_multiple(method: Method[Any], build: Build) -> int:
    """The number of pixels that sides of images have to be multiples of for all networks of a method.

    They are built without memory for their weights. Errors: whatever the method raises for its options and data.
    """
    return lcm(*(int(getattr(net, "multiple", 1)) for net in without_memory(method, build).values()))


def without_memory(method: Method[Any], build: Build) -> dict[str, nn.Module]:
    """The networks of a method on torch's device `meta`: modules and shapes, and no memory for weights.

    Errors: whatever the method raises for its options and data.
    """
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of weights without elements, which are not filled
        return method.networks(build)


def receptive_field(net: nn.Module) -> int:
    """The side, in input pixels, of the largest square that one output pixel sees through the convolutions of `net`.

    Layers count in the order in which they were registered: that must be the longest path, beside which residual and
    skip connections see nothing more. Statistics of norms, which may see all of the image, do not count.
    """
    steps = [_step(layer) for layer in net.modules() if isinstance(layer, _RESAMPLING)]
    period = prod(step.stride for step in steps if step.up)  # outputs of an upsampling see more or less, by their phase
    return max(_width(steps, position) for position in range(period))


class _Step(NamedTuple):
    up: bool
    stride: int
    extent: int  # of the kernel, minus one


_RESAMPLING = nn.Conv2d | nn.ConvTranspose2d | nn.AvgPool2d | nn.Upsample | nn.PixelShuffle


def _step(layer: nn.Module) -> _Step:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        extent = layer.dilation[0] * (layer.kernel_size[0] - 1)
        return _Step(isinstance(layer, nn.ConvTranspose2d), layer.stride[0], extent)
    if isinstance(layer, nn.AvgPool2d):
        assert isinstance(layer.stride, int) and isinstance(layer.kernel_size, int)
        return _Step(False, layer.stride, layer.kernel_size - 1)
    factor = layer.upscale_factor if isinstance(layer, nn.PixelShuffle) else layer.scale_factor
    assert isinstance(factor, int | float)
    extent = (2 if getattr(layer, "mode", "") == "bilinear" else 1) * int(factor) - 1
    return _Step(True, int(factor), extent)


def _width(steps: list[_Step], position: int) -> int:
    """The width of what the output at `position` sees, followed from the last layer back to the first."""
    low = high = position
    for up, stride, extent in reversed(steps):
        if up:  # output o gets input i where o = i * stride + k, 0 <= k <= extent
            low, high = -((extent - low) // stride), high // stride
        else:
            low, high = low * stride, high * stride + extent
    return high - low + 1
