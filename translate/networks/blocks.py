"""The pieces that the networks are made of: torch's own layers, under names."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn

from translate.networks.network import Norm

Output = Literal["tanh", "none"]
Layers = dict[str, nn.Module]


def stack(layers: Layers) -> nn.Sequential:
    """Returns a network that applies layers in order, by the names that they have in the state dict.

    `stack({"conv": conv, **norm_layers("batch", 64), "relu": nn.ReLU()})`
    """
    return nn.Sequential(OrderedDict(layers))


def norm_layers(kind: Norm, channels: int, name: str = "norm") -> Layers:
    """Returns the norm of N x channels x H x W tensors as an entry for `stack`; empty for `none`.

    `batch` has a learned scale and shift and running averages, `instance` has neither.
    """
    if kind == "batch":
        return {name: nn.BatchNorm2d(channels)}
    return {name: nn.InstanceNorm2d(channels)} if kind == "instance" else {}


def has_bias(kind: Norm) -> bool:
    """Says whether a convolution before a norm has a bias: not before batch norm, whose shift does the same."""
    return kind != "batch"


def blur() -> nn.Sequential:
    """Halves height and width (rounded up) by the filter (1 2 1) / 4 in both, mirrored at the border (Zhang 2019)."""
    return nn.Sequential(nn.ReflectionPad2d(1), nn.AvgPool2d(2, stride=1), nn.AvgPool2d(2))


def output(kind: Output) -> Layers:
    """The last activation: `tanh` for images in [-1, 1], `none` for anything else (logits, scores)."""
    return {"tanh": nn.Tanh()} if kind == "tanh" else {}


class Residual(nn.Module):
    """x + branch(x)."""

    def __init__(self, branch: nn.Sequential) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.branch(x)
        return y
