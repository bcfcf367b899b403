"""The outputs of a network's layers on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from translate.errors import ConfigError
from translate.text import suggest


class _Enough(Exception):  # noqa: N818 (no error)
    """Ends a forward pass once all layers that were asked for have an output."""


def features_of(net: nn.Module, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
    """Returns the outputs of some layers for these images, N x C x H x W, in the order of `layers`; differentiable.

    A layer goes by its path in `net.named_modules()`: `down.0.conv`, `blocks.4`; the empty path is the network itself,
    so that one call gives its output, too. The network stops after the last layer asked for. A layer that is called
    several times gives its last output; one before a layer that works in place (ReLU) gives what that one leaves. Works
    on any network, compiled in place or not (it runs uncompiled here).

    Errors: ConfigError for a layer that the network does not have, or does not call.
    """
    within = [name for name in dict.fromkeys(layers) if name]
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(layer: nn.Module, inputs: Any, output: Tensor) -> None:
            outputs[name] = output
            if len(outputs) == len(within) and "" not in layers:
                raise _Enough

        return hook

    handles = []
    try:
        for name in within:
            handles.append(_layer(net, name).register_forward_hook(keep(name)))
        outputs[""] = net.forward(images)
    except _Enough:
        pass
    finally:
        for handle in handles:
            handle.remove()
    if silent := [name for name in within if name not in outputs]:
        raise ConfigError(f"{_title(net)} does not call its layer {silent[0]!r}, which has no output then")
    return [outputs[name] for name in layers]


def _layer(net: nn.Module, name: str) -> nn.Module:
    try:
        return net.get_submodule(name)
    except AttributeError:
        known = [path for path, _ in net.named_modules() if path]
        hint = suggest(name, known) or f"; the first ones are {', '.join(known[:8])}"
        raise ConfigError(f"{_title(net)} has no layer {name!r}{hint}") from None


def _title(net: nn.Module) -> str:
    return f"network {getattr(net, 'name', '') or type(net).__name__}"
