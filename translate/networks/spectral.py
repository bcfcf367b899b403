"""Spectral norm (Miyato et al. 2018): every weight divided by its largest singular value, by torch's parametrization.

A network that has it keeps the weight itself and two singular vectors, which move by one power iteration with each call
in training. For use the quotient is a weight like any other.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

PARTS = "parametrizations.weight."
ORIGINAL = f"{PARTS}original"
"""The name of a weight that is divided, behind that of its layer, in a state dict."""
ITERATIONS = 15
"""Power iterations for new weights, as many as torch makes for the first ones."""


def add_spectral_norm(net: nn.Module) -> int:
    """Gives every convolution and linear layer of a network, itself included, the norm; returns their number."""
    layers = [layer for layer in net.modules() if isinstance(layer, _ConvNd | nn.Linear)]
    for layer in layers:
        if not parametrize.is_parametrized(layer, "weight"):
            spectral_norm(layer)
    return len(layers)


def remove_spectral_norm(net: nn.Module, layers: list[str]) -> None:
    """Replaces the weights of these layers by what they are in evaluation."""
    for name in layers:
        layer = net.get_submodule(name)
        layer.eval()  # in training mode the last look at the weight would move the vectors
        with torch.no_grad():
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def add_as_in(net: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Gives the norm to the layers that have it in a state dict, and not in the network; returns their names."""
    added = []
    for name, layer in list(net.named_modules()):
        divided = f"{_prefix(name)}{ORIGINAL}" in state
        if divided and isinstance(layer, _ConvNd | nn.Linear) and not parametrize.is_parametrized(layer, "weight"):
            with torch.random.fork_rng([]):  # the first vectors are drawn, and replaced by those of the state
                spectral_norm(layer)
            added.append(name)
    return added


def state_for(net: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of the same network with or without the norm, as `net` has it.

    Where it has none the weights are the quotients; where it has one, and the state none, the vectors are found anew.
    What does not fit stays as it is, for whoever loads it.
    """
    result = dict(state)
    for name, layer in net.named_modules():
        prefix = _prefix(name)
        plain, divided = f"{prefix}weight", f"{prefix}{ORIGINAL}"
        if parametrize.is_parametrized(layer, "weight"):
            own = _own(layer, state[plain]) if plain in state else None
            if own is not None:
                del result[plain]
                result.update({prefix + key: value for key, value in own.items()})
        elif divided in state and isinstance(layer, _ConvNd | nn.Linear) and layer.weight.shape == state[divided].shape:
            parts = {key: value for key, value in state.items() if key.startswith(prefix + PARTS)}
            result = {key: value for key, value in result.items() if key not in parts}
            result[plain] = _quotient(layer, {key.removeprefix(prefix): value for key, value in parts.items()})
    return result


def _quotient(layer: nn.Module, parts: Mapping[str, Tensor]) -> Tensor:
    """The weight in evaluation of a layer with these parts."""
    with torch.random.fork_rng([]):  # the first vectors are drawn, and replaced by those of the state
        other = spectral_norm(copy.deepcopy(layer))
    other.load_state_dict(dict(parts), strict=False)
    remove_spectral_norm(other, [""])
    weight: Tensor = other.state_dict()["weight"]
    return weight


def _own(layer: nn.Module, weight: Tensor) -> dict[str, Tensor] | None:
    """The parts of a layer that has the norm for another weight; None for a weight of another shape."""
    other = copy.deepcopy(layer).train()
    original = other.get_parameter(ORIGINAL)
    if original.shape != weight.shape:
        return None
    with torch.no_grad():
        original.copy_(weight)
        for _ in range(ITERATIONS):
            _ = other.weight  # each look is an iteration
    return {key: value for key, value in other.state_dict().items() if key.startswith(PARTS)}


def _prefix(name: str) -> str:
    """What stands before the names of a module's tensors."""
    return f"{name}." if name else ""
