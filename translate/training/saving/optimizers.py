"""The state of an optimizer as tensors and plain numbers by name, and the way back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from translate.training.players import Player

_GROUP = "group"


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What an optimizer keeps: tensors and plain numbers by `INDEX/SLOT` of its parameters, and, as `group/NAME`, those
    of its group that it has changed itself (the engine sets the learning rate)."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for index, values in optimizer.state_dict()["state"].items():
        tensors.update({f"{index}/{k}": v for k, v in values.items() if isinstance(v, Tensor)})
        numbers.update({f"{index}/{k}": v for k, v in values.items() if _plain(v)})
    for key, value in optimizer.param_groups[0].items():
        if key not in ("params", "lr", "initial_lr") and _plain(value) and value != optimizer.defaults.get(key):
            numbers[f"{_GROUP}/{key}"] = value
    return tensors, numbers


def restore_optimizer(player: Player, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    """Puts back what `optimizer_state` gave."""
    restore_tensors(player, tensors)
    restore_numbers(player, numbers)


def restore_tensors(player: Player, tensors: Mapping[str, Tensor]) -> None:
    """Replaces all that an optimizer keeps of its parameters by these tensors."""
    by_index: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        index, _, slot = key.partition("/")
        like = player.params[int(index)]
        # fused kernels walk memory in order: a moment has to lie like its parameter (channels-last)
        alike = slot != "step" and value.shape == like.shape and value.dtype == like.dtype
        by_index.setdefault(int(index), {})[slot] = torch.empty_like(like).copy_(value) if alike else value
    optimizer = player.optimizer
    optimizer.load_state_dict({"state": by_index, "param_groups": optimizer.state_dict()["param_groups"]})
    for number, values in by_index.items():
        param = player.params[number]
        slots = optimizer.state[param]
        for slot, value in values.items():
            if slots[slot].dtype != value.dtype:
                # torch makes floats of all that a floating parameter has, of counters and masks too
                slots[slot] = value.to(param.device)


def restore_numbers(player: Player, numbers: Mapping[str, Any]) -> None:
    """Sets the plain numbers of parameters and of the group."""
    for key, value in numbers.items():
        place, _, slot = key.partition("/")
        if place == _GROUP:
            player.optimizer.param_groups[0][slot] = value
        else:
            player.optimizer.state[player.params[int(place)]][slot] = value


def _plain(value: Any) -> bool:
    """Whether a value is one that JSON gives back as it is."""
    return isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))
