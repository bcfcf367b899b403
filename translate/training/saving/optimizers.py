"""The state of an optimizer as tensors and plain numbers by name, and the way back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from translate.errors import ContractError
from translate.training.players import Player

_GROUP = "group"
_HOLDS = "a checkpoint holds tensors, finite numbers, booleans, texts and None alone, and a training could not go on"


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What an optimizer keeps: tensors and plain numbers by `INDEX/SLOT` of its parameters, and, as `group/NAME`, those
    of its group that it has changed itself (the engine sets the learning rate).

    Errors: ContractError for what a checkpoint cannot hold.
    """
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for index, values in optimizer.state_dict()["state"].items():
        if not isinstance(index, int) or not isinstance(values, Mapping):
            raise ContractError(f"{_name(optimizer)} keeps {index!r} in its state, which is of no parameter: {_HOLDS}")
        for slot, value in values.items():
            if isinstance(value, Tensor) and value.layout == torch.strided:
                tensors[f"{index}/{slot}"] = value
            elif _plain(value):
                numbers[f"{index}/{slot}"] = value
            else:
                raise ContractError(f"{_name(optimizer)} keeps {slot!r} of a parameter as {_kind(value)}: {_HOLDS}")
    for key, value in optimizer.param_groups[0].items():
        if key in ("params", "lr", "initial_lr") or not _changed(value, optimizer.defaults.get(key)):
            continue
        if not _plain(value):
            raise ContractError(f"{_name(optimizer)} keeps {key!r} in its group as {_kind(value)}: {_HOLDS}")
        numbers[f"{_GROUP}/{key}"] = value
    return tensors, numbers


class MemoryCheck:
    """Looks after each player's first update whether a checkpoint can hold what its optimizer remembers."""

    def __init__(self, players: Mapping[str, Player]) -> None:
        self._waiting = dict(players)
        self._began = {name: (player.done, _counters(player.optimizer)) for name, player in players.items()}

    def look(self) -> None:
        """Errors: ContractError that names the player, the optimizer, the key and the type."""
        moved = [name for name, player in self._waiting.items() if player.done > self._began[name][0]]
        for name in moved:
            optimizer = self._waiting.pop(name).optimizer
            try:
                optimizer_state(optimizer)
            except ContractError as error:
                raise ContractError(f"player {name}: {error}") from error
            _, before = self._began[name]
            for key, value in _counters(optimizer).items():
                if before.get(key) != value:
                    raise ContractError(
                        f"player {name}: {_name(optimizer)} counts in its attribute {key!r} ({_kind(value)}), which no "
                        "checkpoint holds: keep it in its group or in `self.state[parameter]`"
                    )


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
    return isinstance(value, bool | int | str | None) or (isinstance(value, float) and math.isfinite(value))


def _changed(value: Any, default: Any) -> bool:
    """Whether a value of a group is another one than the optimizer was built with."""
    if isinstance(value, Tensor):
        return value is not default or value._version > 0  # in place, which changes the default as well
    return bool(value != default)


def _counters(optimizer: torch.optim.Optimizer) -> dict[str, int | float]:
    """Numbers among the attributes of an optimizer itself; torch's own ones begin with an underscore."""
    return {
        key: value
        for key, value in vars(optimizer).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and not key.startswith("_")
    }


def _name(optimizer: torch.optim.Optimizer) -> str:
    return f"optimizer {type(optimizer).__qualname__}"


def _kind(value: Any) -> str:
    """The type of a value in words."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value:g}"
    return f"{type(value).__name__} of {value.layout}" if isinstance(value, Tensor) else type(value).__name__
