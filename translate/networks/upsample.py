"""How networks double height and width: the transposed convolutions of papers, and what leaves no checkerboard."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from translate.errors import ContractError

Upsample = Literal["transposed", "nearest", "bilinear", "pixel-shuffle"]
"""The type of an option `upsample`, which `doubling` reads: `transposed`, `nearest`, `bilinear` or `pixel-shuffle`."""
_ALIKE = "first_weights_alike"
"""The attribute of a convolution that says how many neighbouring output channels begin alike."""


def doubling(kind: Upsample, transposed: nn.ConvTranspose2d) -> dict[str, nn.Module]:
    """The layers that double height and width, in their order, as entries for `stack`.

    `transposed` is the paper's layer, N x in x H x W to N x out x 2H x 2W, which says the channels and the bias of what
    takes its place. Layers are called `conv` and, unless `kind` is `transposed`, `resample`. `nearest` repeats pixels
    before a 3 x 3 convolution, which leaves no checkerboard (Odena et al. 2016); `bilinear` interpolates before one;
    `pixel-shuffle` is that of `shuffling` by 2. Errors: ContractError for a transposed convolution that does not double
    the size exactly, or that has groups.
    """
    _expect_doubling(transposed)
    if kind == "transposed":
        return {"conv": transposed}
    inputs, outputs, bias = transposed.in_channels, transposed.out_channels, transposed.bias is not None
    if kind in ("nearest", "bilinear"):
        resample = nn.Upsample(scale_factor=2, mode=kind)
        return {"resample": resample, "conv": nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)}
    return shuffling(inputs, outputs, 2, bias=bias)


def shuffling(inputs: int, outputs: int, factor: int, *, bias: bool = True) -> dict[str, nn.Module]:
    """The layers that enlarge by a whole factor with one 3 x 3 convolution, as entries for `stack`: `conv`, `resample`.

    N x inputs x H x W to N x outputs x (factor H) x (factor W): the convolution makes factor^2 channels of each output,
    which are interleaved (Shi et al. 2016). The channels that become one begin with the same weights, torch's own or
    those of `Network.initialise`, so that a fresh network repeats pixels (ICNR, Aitken et al. 2017).
    """
    pixels = factor**2
    conv = nn.Conv2d(inputs, pixels * outputs, 3, padding=1, bias=bias)
    setattr(conv, _ALIKE, pixels)
    with torch.no_grad():
        for values in conv.parameters():
            values.copy_(repeated(values[::pixels], pixels))
    return {"conv": conv, "resample": nn.PixelShuffle(factor)}


def channels_alike(layer: nn.Module) -> int:
    """How many neighbouring output channels of a layer begin with the same weights: factor^2 before the pixel shuffle
    of `shuffling`, 1 elsewhere."""
    count: int = getattr(layer, _ALIKE, 1)
    return count


def repeated(values: Tensor, times: int) -> Tensor:
    """Values or weights with each entry of their first dimension so many times in a row."""
    return values.repeat_interleave(times, 0)


def _expect_doubling(layer: nn.ConvTranspose2d) -> None:
    # n pixels become 2 (n - 1) - 2 padding + kernel + more.
    assert not isinstance(layer.padding, str)
    sides = zip(layer.kernel_size, layer.padding, layer.output_padding, strict=True)
    exact = all(kernel + more == 2 + 2 * padding for kernel, padding, more in sides)
    if not exact or layer.stride != (2, 2) or layer.dilation != (1, 1) or layer.groups != 1:
        raise ContractError(
            f"doubling: {layer} does not make 2 n pixels of n in one group; "
            "take a stride of 2 with a kernel of 4 and a padding of 1"
        )
