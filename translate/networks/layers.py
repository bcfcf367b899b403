"""Looking inside a network: what its layers put out on the way."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from translate.errors import ConfigError


class _Enough(Exception):  # noqa: N818 (no error)
    """All layers have spoken: the rest of the network need not run."""


def features_of(net: nn.Module, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
    """The outputs of some layers for these images, in the order of `layers`; differentiable.

    A layer goes by its path in `net.named_modules()`: `down.0.conv`, `blocks.4`; the empty path is the network itself,
    so that one call gives its output, too. The network stops after the last layer asked for. A layer that is called
    several times gives its last output; one before a layer that works in place (ReLU) gives what that one leaves. Works
    on any network, compiled in place or not (it runs uncompiled here).

    Errors: ConfigError for a layer that the network does not have, or does not call.
    """
    within = [name for name in dict.fromkeys(layers) if name]
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(layer: nn.Module, inputs: Any, output: Tensor) -> None:
            found[name] = output
            if len(found) == len(within) and "" not in layers:
                raise _Enough

        return hook

    handles = []
    try:
        for name in within:
            handles.append(_layer(net, name).register_forward_hook(keep(name)))
        found[""] = net.forward(images)
    except _Enough:
        pass
    finally:
        for handle in handles:
            handle.remove()
    if silent := [name for name in within if name not in found]:
        raise ConfigError(f"{_title(net)} does not call its layer {silent[0]!r}, which has no output then")
    return [found[name] for name in layers]


def _layer(net: nn.Module, name: str) -> nn.Module:
    try:
        return net.get_submodule(name)
    except AttributeError:
        known = [path for path, _ in net.named_modules() if path]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; the first ones are {', '.join(known[:8])}"
        raise ConfigError(f"{_title(net)} has no layer {name!r}{hint}") from None


def _title(net: nn.Module) -> str:
    return f"network {getattr(net, 'name', '') or type(net).__name__}"
