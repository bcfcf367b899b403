"""Quick layers: the same mathematics as torch's, with fewer and faster passes over memory, for training on processors.

They take the place of torch's layers while a step is computed, and only then: the classes of layers are exchanged,
and exchanged back at its end. So parameters, state dicts, copies, averages and exports never see them. A layer that
somebody has derived or parametrized stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn

from translate.training.fast.convolution import convolution, forget_casts
from translate.training.fast.norm import image_norm
from translate.training.fast.padding import mirrored
from translate.training.fast.variant import Variant


class QuickConv2d(nn.Conv2d):
    """A convolution by `convolution`."""

    dead_bias = False

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 4 or self.padding_mode != "zeros" or isinstance(self.padding, str):
            return super().forward(input)
        # a hook sees what comes out before the norm, and a loss may depend on it
        dead = self.dead_bias and not self._forward_hooks
        return convolution(self, input, self.padding, (0, 0), dead_bias=dead)


class QuickConv2dBeforeNorm(QuickConv2d):
    """A convolution whose bias an instance norm takes away again: its gradient is zero, which nobody has to sum up."""

    dead_bias = True


class QuickConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution by `convolution`."""

    dead_bias = False

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if input.dim() != 4 or output_size is not None:
            return super().forward(input, output_size)
        assert not isinstance(self.padding, str)
        dead = self.dead_bias and not self._forward_hooks
        return convolution(self, input, self.padding, self.output_padding, dead_bias=dead)


class QuickConvTranspose2dBeforeNorm(QuickConvTranspose2d):
    """The same before an instance norm."""

    dead_bias = True


class QuickInstanceNorm2d(nn.InstanceNorm2d):
    """A norm of each image by `image_norm`."""

    def forward(self, input: Tensor) -> Tensor:
        # One pixel has no statistics: torch's own norm refuses it with a message.
        if input.dim() != 4 or self.track_running_stats or input.shape[2] * input.shape[3] == 1:
            return super().forward(input)
        return image_norm(input, self.weight, self.bias, self.eps)


class QuickReflectionPad2d(nn.ReflectionPad2d):
    """A mirrored border by `mirrored`, in the type of the input, where autocast would take float32."""

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 4 or max(*self.padding[:2], 0) >= input.shape[3] or max(self.padding[2:]) >= input.shape[2]:
            return super().forward(input)  # which refuses it with a message
        return mirrored(input, self.padding)


_QUICK: Mapping[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: QuickConv2d,
    nn.ConvTranspose2d: QuickConvTranspose2d,
    nn.InstanceNorm2d: QuickInstanceNorm2d,
    nn.ReflectionPad2d: QuickReflectionPad2d,
}
_BEFORE_NORM: Mapping[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: QuickConv2dBeforeNorm,
    nn.ConvTranspose2d: QuickConvTranspose2dBeforeNorm,
}


class QuickLayers:
    """The exchange of the layers of some networks, or of the `norms` alone."""

    def __init__(self, nets: Iterable[nn.Module], *, norms: bool = False) -> None:
        self._pairs: dict[nn.Module, type[nn.Module]] = {}
        for net in nets:
            for module in net.modules():
                if type(module) is nn.InstanceNorm2d or (type(module) in _QUICK and not norms):
                    self._pairs.setdefault(module, _QUICK[type(module)])
                if type(module) is nn.Sequential and not norms:
                    self._pairs.update(_before_norms(module))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """While it is open the networks compute with quick layers."""
        before = {module: type(module) for module in self._pairs}
        try:
            for module, quick in self._pairs.items():
                module.__class__ = quick
            yield
        finally:
            for module, plain in before.items():
                module.__class__ = plain
            forget_casts()


def _before_norms(stack: nn.Sequential) -> Iterator[tuple[nn.Module, type[nn.Module]]]:
    """The convolutions right before an instance norm."""
    for layer, norm in pairwise(stack):
        removes = type(norm) is nn.InstanceNorm2d and not norm.track_running_stats
        if removes and type(layer) in _BEFORE_NORM:
            yield layer, _BEFORE_NORM[type(layer)]


def layers_of(variant: Variant, nets: Iterable[nn.Module], device: torch.device) -> QuickLayers:
    """The exchange that a variant asks for on a device."""
    if device.type != "cpu":
        return QuickLayers(())
    if variant.layers == "quick":
        return QuickLayers(nets)
    # torch's instance norm of channels-last images has wrong gradients on processors (2.13)
    return QuickLayers(nets if variant.memory_format == "channels_last" else (), norms=True)
