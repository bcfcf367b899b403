"""The networks of ImageNet whose features people's judgements were fitted to: AlexNet and VGG16, five maps each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.errors import DataError
from translate.networks.pretrained import published
from translate.networks.pretrained.published import Published
from translate.storage.untrusted import read_tensors

LEAST = 32
"""Pixels a side from which all five maps have a place."""


@dataclass(frozen=True)
class Layer:
    """A convolution with ReLU: its number in the published file, its shape, and what stands before and after it."""

    number: int
    outputs: int
    kernel: int
    stride: int = 1
    padding: int = 1
    pooled: bool = False
    """Whether the size is halved before it."""
    shown: bool = False
    """Whether its output is one of the five maps."""


@dataclass(frozen=True)
class Architecture:
    """A network as a list of layers, the window of its pooling in pixels, and the file of its weights."""

    name: str
    layers: tuple[Layer, ...]
    window: int
    file: Published


ALEXNET = Architecture(
    "AlexNet",
    (
        Layer(0, 64, 11, stride=4, padding=2, shown=True),
        Layer(3, 192, 5, padding=2, pooled=True, shown=True),
        Layer(6, 384, 3, pooled=True, shown=True),
        Layer(8, 256, 3, shown=True),
        Layer(10, 256, 3, shown=True),
    ),
    window=3,
    file=published.ALEXNET,
)
VGG16 = Architecture(
    "VGG16",
    (
        Layer(0, 64, 3),
        Layer(2, 64, 3, shown=True),
        Layer(5, 128, 3, pooled=True),
        Layer(7, 128, 3, shown=True),
        Layer(10, 256, 3, pooled=True),
        Layer(12, 256, 3),
        Layer(14, 256, 3, shown=True),
        Layer(17, 512, 3, pooled=True),
        Layer(19, 512, 3),
        Layer(21, 512, 3, shown=True),
        Layer(24, 512, 3, pooled=True),
        Layer(26, 512, 3),
        Layer(28, 512, 3, shown=True),
    ),
    window=2,
    file=published.VGG16,
)

Pool = Callable[[Tensor], Tensor]


class Backbone:
    """N x 3 x H x W, normalised as the network's images were, to five maps after ReLU.

    Errors: ConfigError (no file), DataError (another file).
    """

    def __init__(self, architecture: Architecture, weights: Path | None, pool: Pool | None = None) -> None:
        self.architecture = architecture
        self.pool = pool or self._largest
        path = architecture.file.path(weights)
        self.tensors = _checked(read_tensors(path), architecture, path)

    def maps(self, x: Tensor) -> Iterator[Tensor]:
        """The five maps, the first one the largest. Errors: DataError for images that are too small."""
        if min(x.shape[-2:]) < LEAST:
            raise DataError(f"{self.architecture.name} looks at images of at least {LEAST} pixels a side")
        for layer in self.architecture.layers:
            if layer.pooled:
                x = self.pool(x)
            weight, bias = (self.tensors[f"features.{layer.number}.{part}"] for part in ("weight", "bias"))
            x = F.relu(F.conv2d(x, weight.to(x), bias.to(x), layer.stride, layer.padding))
            if layer.shown:
                yield x

    def _largest(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, self.architecture.window, stride=2)


def _checked(tensors: Mapping[str, Tensor], architecture: Architecture, path: Path) -> dict[str, Tensor]:
    """The tensors of the layers. Errors: DataError where one is missing or has another shape."""
    inputs = 3
    found: dict[str, Tensor] = {}
    for layer in architecture.layers:
        expected = {"weight": (layer.outputs, inputs, layer.kernel, layer.kernel), "bias": (layer.outputs,)}
        for part, shape in expected.items():
            key = f"features.{layer.number}.{part}"
            tensor = tensors.get(key, torch.empty(0))
            if tensor.shape != shape:
                raise DataError(f"{path}: not the weights of {architecture.name}: {key} is {tuple(tensor.shape)}")
            found[key] = tensor.float()
        inputs = layer.outputs
    return found
