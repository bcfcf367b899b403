"""Networks that the library spandrel builds: some forty architectures of restoration and super-resolution.

spandrel needs torchvision, a binary that has to fit to torch's exact version, and is no dependency: it is imported
where a file or a model asks for it. It finds an architecture by the names and shapes of tensors, so that those are
what a model of such a network keeps, and no code.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate.errors import ConfigError, DataError

Tensors = Mapping[str, Sequence[str | int]]
"""The type and shape of tensors by name: `["float32", 64, 3, 3, 3]`."""

ADVICE = (
    "`pip install spandrel`, with the package index that torch came from, since it brings torchvision "
    "(see docs/models.md)"
)


class SpandrelNetwork(nn.Module):
    """A network of spandrel, from images in [0, 1] to images in [0, 1], N x C x H x W of any size.

    Images that are smaller than it takes, or no squares where it takes those alone, are mirrored at their border.
    """

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.model = descriptor.model.float().eval()
        self.architecture = str(descriptor.architecture.name)
        self.scale = int(descriptor.scale)
        self.in_channels, self.out_channels = int(descriptor.input_channels), int(descriptor.output_channels)
        sizes = descriptor.size_requirements
        self.multiple = 1  # sizes are made to fit below, as the library does it
        self.divisor, self.minimum, self.square = int(sizes.multiple_of), int(sizes.minimum), bool(sizes.square)
        # What to do with the model's answer where it is no tensor; the public call forbids gradients and clips.
        self._call = getattr(descriptor, "_call_fn", None)

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        rows, columns = self._fitting(height), self._fitting(width)
        if self.square:
            rows = columns = max(rows, columns)
        padded = _mirrored(images, rows - height, columns - width)
        # Some architectures keep a constant of the images' type as a plain attribute, which a trace must not change.
        constants = _plain_tensors(self.model)
        try:
            output: Tensor = self.model(padded) if self._call is None else self._call(self.model, padded)
        finally:
            for layer, name, value in constants:
                setattr(layer, name, value)
        return output[..., : height * self.scale, : width * self.scale]

    def _fitting(self, length: int) -> int:
        return -(-max(length, self.minimum) // self.divisor) * self.divisor


def _plain_tensors(model: nn.Module) -> list[tuple[nn.Module, str, Tensor]]:
    """The tensors of a network that are neither parameters nor buffers: layer, name and value."""
    tensors = []
    for layer in model.modules():
        tensors += [(layer, name, value) for name, value in vars(layer).items() if isinstance(value, Tensor)]
    return tensors


def _mirrored(images: Tensor, rows: int, columns: int) -> Tensor:
    """Images with so many more rows and columns; the last is repeated where there is not enough to mirror."""
    if not rows and not columns:
        return images
    height, width = images.shape[-2:]
    mode = "reflect" if rows < height and columns < width else "replicate"
    return F.pad(images, (0, columns, 0, rows), mode)


def is_installed() -> bool:
    """True where spandrel is there; whether it can be imported is another question."""
    return importlib.util.find_spec("spandrel") is not None


def find_network(tensors: Mapping[str, Tensor]) -> SpandrelNetwork | None:
    """The network of a state dict with its weights; None where spandrel does not know it.

    Errors: ConfigError where spandrel cannot be imported, DataError for a network that takes more than an image.
    """
    try:
        import spandrel
    except ImportError as error:
        raise ConfigError(f"spandrel, of which this network may be, cannot be imported ({error}): {ADVICE}") from None
    try:
        descriptor = spandrel.ModelLoader("cpu").load_from_state_dict(dict(tensors))
    except Exception:  # whatever an architecture says to tensors that only resemble its own
        return None
    if not isinstance(descriptor, spandrel.ImageModelDescriptor):
        raise DataError(f"a network of spandrel ({descriptor.architecture.name}) that takes a mask beside the image")
    return SpandrelNetwork(descriptor)


def describe(net: SpandrelNetwork) -> dict[str, list[str | int]]:
    """What `rebuild` needs: the type and shape of every tensor."""
    return {
        name: [str(value.dtype).removeprefix("torch."), *value.shape] for name, value in net.model.state_dict().items()
    }


def rebuild(tensors: Tensors) -> SpandrelNetwork:
    """The same network without its weights. Errors: ConfigError without spandrel, DataError where it has changed."""
    zeros = {}
    for name, (dtype, *shape) in tensors.items():
        zeros[name] = torch.zeros([int(length) for length in shape], dtype=getattr(torch, str(dtype)))
    net = find_network(zeros)
    if net is None or describe(net) != {name: list(entry) for name, entry in tensors.items()}:
        raise DataError("spandrel, as installed, does not build this network; use the version that imported it")
    return net


def check_rebuilt(net: SpandrelNetwork) -> None:
    """Errors: DataError where the architecture depends on more than the shapes of tensors."""
    again = rebuild(describe(net))
    again.load_state_dict(net.state_dict())
    images = torch.rand(1, net.in_channels, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        difference = float((net(images) - again(images)).abs().max())
    if not difference < 1e-4:
        raise DataError(f"a network of spandrel ({net.architecture}) that the shapes of its tensors do not determine")
