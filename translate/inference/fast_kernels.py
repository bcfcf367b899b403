"""Networks as a device computes them fastest: copies that share with the original all that need not differ.

In bf16 and fp16 the weights of convolutions are kept in that type, where autocast would cast them anew for every image
(a U-Net of 54 million weights spends more time on that than on an image), and in channels-last order, in which the
kernels of these types work. Norms keep float32, and their sums; on a CPU the convolutions that take or make images are
as good as float32, too (`fast/low_layers.py`). Batch norms of running statistics become part of convolutions.

In float32 on a CPU without AVX512, convolutions of stride 1 go through NNPACK's Winograd and Fourier kernels, which
multiply two to five times less than the direct ones. Their rounding differs by about 1e-5 of the largest value.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function

from translate.contracts import Nets
from translate.inference.fast.image_dropout import image_dropout
from translate.inference.fast.low_layers import low_layer, low_or_exact
from translate.inference.fast.norms import fast_norm, folded
from translate.networks.blocks import Residual

LOW = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""The types of the precisions below `fp32`."""

CHANNELS, ROOM = 16, 1 << 23
"""NNPACK pays from so many channels on, for images of at most so many values: it keeps about two further copies."""

_WITH_WEIGHTS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def optimized(nets: Mapping[str, nn.Module], device: torch.device, precision: str) -> Nets:
    """The networks for use under this precision (and, below `fp32`, under autocast): see above."""
    cpu = device.type == "cpu"
    nnpack = cpu and _nnpack_pays()
    if nnpack and precision == "fp32":
        torch.set_num_threads(torch.get_num_threads())  # tells NNPACK's threads, too, which else are one for each core

    def change(layer: nn.Module, sums: bool) -> nn.Module:
        if type(layer) is nn.Dropout and layer.training and layer.p > 0:
            return image_dropout(layer)
        if cpu and type(layer) is nn.InstanceNorm2d:
            return fast_norm(layer, low=precision in LOW, exact=sums)
        if precision not in LOW:
            return _fast(layer) if nnpack and type(layer) is nn.Conv2d else layer
        if cpu and type(layer) in (nn.Conv2d, nn.ConvTranspose2d):
            return low_or_exact(cast(nn.Conv2d | nn.ConvTranspose2d, layer), LOW[precision])
        return low_layer(layer, LOW[precision]) if type(layer) in _WITH_WEIGHTS else layer

    return Nets({name: _changed(net, partial(change, sums=_sums(net))) for name, net in nets.items()})


def _nnpack_pays() -> bool:
    """NNPACK's kernels use AVX2. Direct ones of twice the width are as fast on one core, and faster on several."""
    wider = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return not wider and torch.backends.nnpack.is_available()  # type: ignore[no-untyped-call]


def _sums(net: nn.Module) -> bool:
    """Tells whether a network adds up what its blocks give."""
    return any(isinstance(layer, Residual) for layer in net.modules())


def _changed(net: nn.Module, change: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """A copy in which layers are changed; layers without any inside are the same objects."""
    changed = {id(layer): change(merged) for layer, merged in folded(net)}
    for layer in net.modules():
        other = layer if id(layer) in changed else change(layer)
        if other is not layer:
            changed[id(layer)] = other
    return changed.get(id(net)) or _copied(net, changed)


def without_dropout(net: nn.Module, layers: Collection[nn.Module]) -> nn.Module:
    """A copy in which these dropout layers of the network are off; everything else is the same objects."""
    off = {id(layer): _off(layer) for layer in net.modules() if layer in layers}
    return _copied(net, off) if off else net


def _off(layer: nn.Module) -> nn.Module:
    return copy.copy(layer).eval()


def _copied(net: nn.Module, changed: Mapping[int, nn.Module]) -> nn.Module:
    """A copy with other layers in the place of those of these ids. Tensors, and layers without any of these inside,
    are the same objects."""
    shared = {id(m): m for m in net.modules() if not any(id(inner) in changed for inner in m.modules())}
    tensors = {id(value): value for value in (*net.parameters(), *net.buffers())}
    made: nn.Module = copy.deepcopy(net, {**tensors, **shared, **changed})
    return made


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
    # Of one image, so that the kernel, and with it the last bits, are the same in any batch.
    values = input.shape[2:].numel() * max(input.shape[1], weight.shape[0])
    if input.dtype != torch.float32 or input.device.type != "cpu" or values > ROOM:
        return F.conv2d(input, weight, bias, padding=padding)
    try:  # image by image: for several it takes other kernels, which gain less
        made = [torch._nnpack_spatial_convolution(image, weight, bias, padding, 1) for image in torch.split(input, 1)]
        return made[0] if len(made) == 1 else torch.cat(made)
    except RuntimeError:  # it refuses sizes and machines without saying why
        return F.conv2d(input, weight, bias, padding=padding)
