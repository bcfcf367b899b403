"""Quick layers: the same mathematics as torch's, with fewer and faster passes over memory, for training on processors.

They take the place of torch's layers while a step is computed, and only then: the classes of layers are exchanged,
and exchanged back at its end. So parameters, state dicts, copies, averages and exports never see them. A layer that
somebody has derived or parametrized stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from translate.training.fast.convolution import convolution, forget_casts
from translate.training.fast.norm import image_norm, with_dense_gradient
from translate.training.fast.padding import mirrored
from translate.training.fast.variant import Variant


class QuickConv2d(nn.Conv2d):
    """A convolution by `convolution`."""

    dead_bias = False
    """Whether an instance norm takes the bias away again: its gradient is zero, which nobody has to sum up."""
    order = torch.contiguous_format

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 4 or self.padding_mode != "zeros" or isinstance(self.padding, str):
            return super().forward(input)
        return convolution(self, input, self.padding, (0, 0), dead_bias=self.dead_bias, order=self.order)


class QuickConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution by `convolution`."""

    dead_bias = False
    order = torch.contiguous_format

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if input.dim() != 4 or output_size is not None:
            return super().forward(input, output_size)
        assert not isinstance(self.padding, str)
        return convolution(self, input, self.padding, self.output_padding, dead_bias=self.dead_bias, order=self.order)


class QuickInstanceNorm2d(nn.InstanceNorm2d):
    """A norm of each image by `image_norm`."""

    def forward(self, input: Tensor) -> Tensor:
        # One pixel has no statistics: torch's own norm refuses it with a message.
        if input.dim() != 4 or self.track_running_stats or input.shape[2] * input.shape[3] == 1:
            return super().forward(input)
        return image_norm(input, self.weight, self.bias, self.eps)


class QuickBatchNorm2d(nn.BatchNorm2d):
    """torch's batch norm, which gets its gradient without gaps."""

    def forward(self, input: Tensor) -> Tensor:
        return with_dense_gradient(super().forward(input))


class QuickReflectionPad2d(nn.ReflectionPad2d):
    """A mirrored border by `mirrored`, in the type of the input, where autocast would take float32."""

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 4 or max(*self.padding[:2], 0) >= input.shape[3] or max(self.padding[2:]) >= input.shape[2]:
            return super().forward(input)  # which refuses it with a message
        return mirrored(input, self.padding)


class QuickConv2dLast(QuickConv2d):
    """A convolution of channels-last images."""

    order = torch.channels_last


class QuickConvTranspose2dLast(QuickConvTranspose2d):
    """A transposed convolution of channels-last images."""

    order = torch.channels_last


_QUICK: Mapping[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm2d: QuickBatchNorm2d,
    nn.InstanceNorm2d: QuickInstanceNorm2d,
    nn.ReflectionPad2d: QuickReflectionPad2d,
}
_CONVOLUTIONS: Mapping[tuple[type[nn.Module], bool], type[nn.Module]] = {
    (nn.Conv2d, False): QuickConv2d,
    (nn.Conv2d, True): QuickConv2dLast,
    (nn.ConvTranspose2d, False): QuickConvTranspose2d,
    (nn.ConvTranspose2d, True): QuickConvTranspose2dLast,
}
"""By the class of a layer, and whether images lie channels-last."""


class QuickSequential(nn.Sequential):
    """A sequence that knows of which biases nothing is left behind the next layer.

    Only here, while it runs itself: who walks through its layers, or takes a slice of them, may have a loss of what is
    between two of them.
    """

    def forward(self, input: Tensor) -> Tensor:
        layers = [*self]
        # Without layers the list of those that follow is the longer one.
        for layer, following in zip(layers, [*layers[1:], None], strict=False):
            if not _is_alone(layer, following):
                input = layer(input)
                continue
            layer.dead_bias = True
            try:
                input = layer(input)
            finally:
                del layer.dead_bias
        return input


def _is_alone(layer: nn.Module, norm: nn.Module | None) -> bool:
    """Whether nobody but an instance norm of each image's own statistics reads what a convolution gives."""
    if not isinstance(layer, (QuickConv2d, QuickConvTranspose2d)) or not isinstance(norm, QuickInstanceNorm2d):
        return False
    # hooks see what is between the two, and a loss may depend on it
    watched = layer._forward_hooks or norm._forward_hooks or norm._forward_pre_hooks
    return not watched and not norm.track_running_stats


class QuickLayers:
    """The exchange of the layers of some networks whose images lie channels-last if `last`; `norms`: of norms alone."""

    def __init__(self, nets: Iterable[nn.Module], *, last: bool = False, norms: bool = False) -> None:
        self._pairs: dict[nn.Module, type[nn.Module]] = {}
        for net in nets:
            for module in net.modules():
                kind = type(module)
                if kind is nn.InstanceNorm2d or (kind in _QUICK and not norms):
                    self._pairs[module] = _QUICK[kind]
                elif kind in (nn.Conv2d, nn.ConvTranspose2d) and not norms:
                    self._pairs[module] = _CONVOLUTIONS[kind, last]
                elif kind is nn.Sequential and not norms:
                    self._pairs[module] = QuickSequential

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


def layers_of(variant: Variant, nets: Iterable[nn.Module], device: torch.device) -> QuickLayers:
    """The exchange that a variant asks for on a device."""
    if device.type != "cpu":
        return QuickLayers(())
    last = variant.memory_format == "channels_last"
    if variant.layers == "quick":
        return QuickLayers(nets, last=last)
    # torch's instance norm of channels-last images has wrong gradients on processors (2.13)
    return QuickLayers(nets if last else (), norms=True)
