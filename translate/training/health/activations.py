"""Layers whose outputs say nothing any more, or have grown beyond measure, seen during one step of a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_RECTIFIERS = {"relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "elu", "elu_", "selu", "gelu", "silu", "prelu"}
"""Functions, also as modules, after which a channel that is always zero is dead."""
_PRODUCTS = {"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear"}
_FEW = 16
"""Values of a channel below which nothing is said of it: one image may well leave a feature of one pixel untouched."""
_NOTHING = 1e-6
"""Largest absolute value of a channel that gives no signal."""


@dataclass(frozen=True)
class Layers:
    """What was seen of one network: `dead` is the largest share of channels without a signal that any rectified layer
    has, `largest` the largest root mean square of any layer's output."""

    dead: float
    largest: float


class Activations(TorchFunctionMode):
    """While it is entered, what networks compute is looked at; no value and no random number changes.

    `nets` are the networks by name: calls of parts of one alone are left out. Numbers stay on the device until `read`.
    """

    def __init__(self, nets: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self._nets = nets
        self._inside: list[str] = []
        self._hooks: list[Any] = []
        self._seen: dict[str, list[Tensor]] = {}

    def __enter__(self) -> Activations:
        for name, net in self._nets.items():
            self._hooks += [
                net.register_forward_pre_hook(self._entered(name)),
                net.register_forward_hook(self._left, always_call=True),
            ]
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._inside = [], []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if self._inside and (name in _RECTIFIERS or name in _PRODUCTS) and isinstance(output, Tensor):
            self._note(output.detach(), name in _RECTIFIERS)
        return output

    def read(self) -> dict[str, Layers]:
        """What was seen, by network: one transfer for all."""
        if not self._seen:
            return {}
        rows = {name: torch.stack(each) for name, each in self._seen.items()}
        values = torch.cat(list(rows.values())).tolist()  # waits for the device
        layers, at = {}, 0
        for name, each in rows.items():
            part = values[at : at + len(each)]
            at += len(each)
            layers[name] = Layers(*_worst(part))
        return layers

    def _note(self, output: Tensor, rectified: bool) -> None:
        """Keeps the share of channels that give nothing (-1: not known) and the root mean square."""
        if output.ndim < 2 or not output.is_floating_point():
            return
        with torch.no_grad():
            values = output.float()
            square = values.square().mean().sqrt()
            dead = torch.full_like(square, -1)
            others = [dim for dim in range(values.ndim) if dim != 1]
            if rectified and values.shape[1] > 1 and values.numel() // values.shape[1] >= _FEW:
                dead = (values.abs().amax(others) <= _NOTHING).float().mean()
            self._seen.setdefault(self._inside[-1], []).append(torch.stack((dead, square)))

    def _entered(self, name: str) -> Callable[..., None]:
        def hook(net: nn.Module, args: Any) -> None:
            self._inside.append(name)

        return hook

    def _left(self, net: nn.Module, args: Any, output: Any) -> None:
        if self._inside:
            self._inside.pop()


def _worst(rows: Sequence[Sequence[float]]) -> tuple[float, float]:
    return max(0.0, *(dead for dead, _ in rows)), max(largest for _, largest in rows)
