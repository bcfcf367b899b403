"""Optimizer steps that are left out where a number is not finite, on a GPU without waiting to know that."""

from __future__ import annotations

import torch
from torch import Tensor, nn

GPUS = ("cuda", "xpu")
"""Devices whose fused optimizers have a switch, and on which others can count their steps."""

READABLE = ("cpu",)
"""Devices of which a number is read without a wait."""


def step_where(optimizer: torch.optim.Optimizer, fine: Tensor) -> None:
    """Steps the optimizer where `fine`, a bool on the device of its parameters, is true."""
    kind = fine.device.type
    if _has_switch(optimizer, kind):
        # torch's own switch of its fused optimizers: skips the step on the device
        optimizer.found_inf = (~fine).float()  # type: ignore[attr-defined]
        optimizer.grad_scale = None  # type: ignore[attr-defined]
        if not _lacks_momentum(optimizer) or fine:
            optimizer.step()
    elif kind not in READABLE and _can_be_put_back(optimizer):
        _step_and_put_back(optimizer, fine)
    elif fine:  # reads the flag: on a GPU this waits for the backward pass
        optimizer.step()


def reads_flag(optimizer: torch.optim.Optimizer, device: torch.device) -> bool:
    """Whether `step_where` would read its flag now, as for steps that make what an optimizer keeps."""
    if _has_switch(optimizer, device.type):
        return _lacks_momentum(optimizer)
    return device.type in READABLE or not _can_be_put_back(optimizer)


def _has_switch(optimizer: torch.optim.Optimizer, kind: str) -> bool:
    return kind in GPUS and getattr(optimizer, "_step_supports_amp_scaling", False)


def keep_on_device(optimizer: torch.optim.Optimizer, device: str) -> None:
    """Lets an optimizer count its steps on the device, where it can: a count on the CPU cannot be left as it is
    without waiting."""
    if not device.startswith(GPUS):
        return
    for options in (optimizer.defaults, *optimizer.param_groups):
        if "capturable" in options:
            options["capturable"] = True
    # torch warns, once, that such an optimizer is slower outside of a recorded step
    optimizer._warned_capturable_if_run_uncaptured = True


def _tensors(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """The tensors that a step changes."""
    tensors: list[Tensor] = []
    for group in optimizer.param_groups:
        tensors += [param for param in group["params"] if param.grad is not None]
    for param, values in optimizer.state.items():
        if isinstance(param, nn.Parameter) and param.grad is not None:
            tensors += [value for value in values.values() if isinstance(value, Tensor)]
    return tensors


def _lacks_momentum(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the next step of a fused SGD makes its momentum: torch leaves its memory as it is found, and a step that
    is skipped writes nothing there."""
    if not isinstance(optimizer, torch.optim.SGD):
        return False
    for group in optimizer.param_groups:
        moving = [param for param in group["params"] if param.grad is not None]
        if group["momentum"] and not all("momentum_buffer" in optimizer.state.get(param, {}) for param in moving):
            return True
    return False


def _can_be_put_back(optimizer: torch.optim.Optimizer) -> bool:
    """Whether all that a step changes is on the device already: the first step makes what an optimizer keeps, and some
    keep plain numbers."""
    moving = [param for group in optimizer.param_groups for param in group["params"] if param.grad is not None]
    for param in moving:
        values = optimizer.state.get(param)
        if not values or any(not isinstance(v, Tensor) or v.device != param.device for v in values.values()):
            return False
    return bool(moving)


@torch.no_grad()
def _step_and_put_back(optimizer: torch.optim.Optimizer, fine: Tensor) -> None:
    tensors = _tensors(optimizer)
    before = [tensor.clone() for tensor in tensors]
    optimizer.step()
    for tensor, was in zip(tensors, before, strict=True):
        tensor.copy_(torch.where(fine, tensor, was))
