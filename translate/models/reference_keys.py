"""The names that our networks' tensors have in pytorch-CycleGAN-and-pix2pix (Zhu et al.), whose layers they share."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from translate.errors import ConfigError
from translate.networks.patchgan import PatchGAN, PixelGAN
from translate.networks.resnet import ResNet
from translate.networks.unet import UNet


def reference_keys(net: nn.Module) -> dict[str, str]:
    """Our key of the state dict to theirs, in the order that both have. The shapes are equal.

    Errors: ConfigError for what they do not have: other networks, another upsampling than `transposed`, spectral norm.
    """
    if isinstance(net, ResNet):
        convs = _resnet(net.config.blocks, net.config.dropout)
    elif isinstance(net, UNet):
        convs = _unet(net.config.levels)
    elif isinstance(net, PatchGAN):
        convs = ((f"model.{max(0, 3 * n - 1)}", f"model.{3 * n}") for n in range(net.config.layers + 2))
    elif isinstance(net, PixelGAN):
        convs = ((f"net.{n}", f"net.{n + 1}") for n in (0, 2, 5))
    else:
        raise ConfigError(f"{type(net).__name__} has no counterpart in pytorch-CycleGAN-and-pix2pix")
    blurred = getattr(net, "blurred", False)
    if blurred or net.config.spectral or getattr(net.config, "upsample", "transposed") != "transposed":
        raise ConfigError(
            f"{net.name}: only plain weights and transposed convolutions have a counterpart in the reference"
        )
    keys: dict[str, str] = {}
    conv = norm = ""
    for name, layer in net.named_modules():
        tensors = layer.state_dict() if not list(layer.children()) else {}
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            conv, norm = next(convs)
        theirs = norm if isinstance(layer, nn.BatchNorm2d) else conv
        keys |= {f"{name}.{tensor}": f"{theirs}.{tensor}" for tensor in tensors}
    return keys


def _resnet(blocks: int, dropout: bool) -> Iterator[tuple[str, str]]:
    """(convolution, the norm behind it), in order."""
    for n in (1, 4, 7):
        yield f"model.{n}", f"model.{n + 1}"
    for n in range(10, 10 + blocks):
        for m in (1, 6 if dropout else 5):
            yield f"model.{n}.conv_block.{m}", f"model.{n}.conv_block.{m + 1}"
    for n in (10 + blocks, 13 + blocks, 17 + blocks):
        yield f"model.{n}", f"model.{n + 1}"


def _unet(levels: int) -> Iterator[tuple[str, str]]:
    outer = "model.model"
    inner = [f"{outer}.1{'.model.3' * level}.model" for level in range(levels - 1)]
    yield f"{outer}.0", ""
    for block in inner:
        yield f"{block}.1", f"{block}.2"
    for block in reversed(inner):
        n = 3 if block == inner[-1] else 5
        yield f"{block}.{n}", f"{block}.{n + 1}"
    yield f"{outer}.3", ""
