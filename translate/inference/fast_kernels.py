"""Networks as a device computes them fastest: copies that share with the original all that need not differ.

In bf16 and fp16 the weights of convolutions are kept in that type, where autocast would cast them anew for every image
(a U-Net of 54 million weights spends more time on that than on an image), and in channels-last order, in which the
kernels of these types work; they see the very values that autocast would make. Norms keep float32, and their sums.

In float32 on a CPU, convolutions of stride 1 go through NNPACK's Winograd and Fourier kernels, which multiply two to
five times less than the direct ones. Their rounding differs by about 1e-5 of the largest value.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function

from translate.contracts import Nets

LOW = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""The types of the precisions below `fp32`."""

CHANNELS, ROOM = 16, 1 << 23
"""NNPACK pays from so many channels on, for tensors of at most so many values: it keeps about two further copies."""


def optimized(nets: Mapping[str, nn.Module], device: torch.device, precision: str) -> Nets:
    """The networks for use under this precision (and, below `fp32`, under autocast): see above."""
    if precision in LOW:
        kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
        return Nets({name: _with(net, kinds, _low(precision)) for name, net in nets.items()})
    if device.type == "cpu" and torch.backends.nnpack.is_available():  # type: ignore[no-untyped-call]
        torch.set_num_threads(torch.get_num_threads())  # tells NNPACK's threads, too, which else are one for each core
        return Nets({name: _with(net, (nn.Conv2d,), _fast) for name, net in nets.items()})
    return Nets(dict(nets))


def without_dropout(net: nn.Module, layers: Collection[nn.Module]) -> nn.Module:
    """A copy in which these dropout layers of the network are off; everything else is the same objects."""
    off = {id(layer): _off(layer) for layer in net.modules() if layer in layers}
    return _copied(net, off) if off else net


def _off(layer: nn.Module) -> nn.Module:
    return copy.copy(layer).eval()


def _with(net: nn.Module, kinds: tuple[type[nn.Module], ...], change: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """A copy in which layers of exactly these kinds are changed; layers without any inside are the same objects."""
    return _copied(net, {id(layer): change(layer) for layer in net.modules() if type(layer) in kinds})


def _copied(net: nn.Module, changed: Mapping[int, nn.Module]) -> nn.Module:
    """A copy with other layers in the place of those of these ids. Tensors, and layers without any of these inside,
    are the same objects."""
    shared = {id(m): m for m in net.modules() if not any(id(inner) in changed for inner in m.modules())}
    tensors = {id(value): value for value in (*net.parameters(), *net.buffers())}
    made: nn.Module = copy.deepcopy(net, {**tensors, **shared, **changed})
    return made


def _low(precision: str) -> Callable[[nn.Module], nn.Module]:
    def change(layer: nn.Module) -> nn.Module:
        made: Any = copy.deepcopy(layer).requires_grad_(False).to(LOW[precision])
        low: nn.Module = made if isinstance(layer, nn.Linear) else made.to(memory_format=torch.channels_last)
        return low

    return change


def _fast(layer: nn.Module) -> nn.Module:
    assert isinstance(layer, nn.Conv2d)
    kernel, plain = layer.kernel_size, layer.stride == layer.dilation == (1, 1) and layer.groups == 1
    fits = kernel[0] == kernel[1] and 3 <= kernel[0] <= 8 and layer.in_channels >= CHANNELS
    if not plain or not fits or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        return layer
    made = copy.copy(layer)  # of the same tensors
    made.__class__ = FastConv2d
    return made


class FastConv2d(nn.Conv2d):
    """A convolution of stride 1 by `fast_conv2d`."""

    def forward(self, input: Tensor) -> Tensor:
        assert not isinstance(self.padding, str)
        return fast_conv2d(input, self.weight, self.bias, self.padding)


def fast_conv2d(input: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, ...]) -> Tensor:
    """`conv2d` of stride 1, by NNPACK where it can. Recordings see it as one call, as they see `conv2d`."""
    if has_torch_function((input, weight)):
        seen: Tensor = handle_torch_function(fast_conv2d, (input, weight), input, weight, bias, padding)
        return seen
    values = max(input.numel(), input.numel() // input.shape[1] * weight.shape[0])
    if input.dtype != torch.float32 or input.device.type != "cpu" or values > ROOM:
        return F.conv2d(input, weight, bias, padding=padding)
    try:  # image by image: for several it takes other kernels, which gain less
        made = [torch._nnpack_spatial_convolution(image, weight, bias, padding, 1) for image in torch.split(input, 1)]
        return made[0] if len(made) == 1 else torch.cat(made)
    except RuntimeError:  # it refuses sizes and machines without saying why
        return F.conv2d(input, weight, bias, padding=padding)
