"""Whether the disk has room for what a training will leave, before its first step."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from translate.contracts import Console
from translate.errors import StageError
from translate.storage import checkpoint
from translate.training.config import KeepConfig
from translate.training.length import Length
from translate.training.players import Player
from translate.training.saving.registry import taken
from translate.training.saving.state import TrainingState

TIGHT = 0.8
"""Share of the free room from which on a training is warned that it gets tight."""


@dataclass(frozen=True)
class Need:
    """The room that a training takes: `count` checkpoints of `checkpoint` bytes that are not there yet, one of them
    while it is written, and a model of `bundle` bytes."""

    checkpoint: int
    count: int
    bundle: int

    @property
    def bytes(self) -> int:
        return self.checkpoint * self.count + self.bundle


def need_of(state: TrainingState, length: Length, keep: KeepConfig, there: int) -> Need:
    """The need of a training that goes on from `state`, of whose checkpoints so many are `there`.

    Its size is that of the weights, their averages, buffers and what optimizers keep; images in pools, which come with
    the steps, are not in it.
    """
    saved = sum(value.nbytes for _, value in taken(state) if isinstance(value, Tensor))
    saved += sum(map(_optimizer_bytes, state.engine.players.values()))
    kept = keep.last + len(keep.metrics())
    if length.keep_every:
        kept += length.total // length.keep_every
    used = {net for direction in state.engine.method.directions.values() for net in direction.nets}
    nets = [net for name, net in state.engine.nets.items() if keep.critics or name in used]
    bundle = sum(value.nbytes for net in nets for value in net.state_dict().values())
    return Need(saved, max(1, kept + 1 - there), bundle)


def _optimizer_bytes(player: Player) -> int:
    """Bytes that an optimizer will keep of its parameters, where it has not begun yet."""
    if player.optimizer.state:
        return 0
    return round(_slots(player.optimizer) * sum(param.nbytes for param in player.params))


def _slots(optimizer: torch.optim.Optimizer) -> float:
    """Tensors of the size of a parameter that an optimizer keeps of it, as one of the same kind shows in a step."""
    param = torch.zeros(4, 4, requires_grad=True)
    param.grad = torch.zeros(4, 4)
    try:
        twin = type(optimizer)([param], **optimizer.defaults)
        twin.step()
        values = twin.state[param].values()
    except (TypeError, ValueError, RuntimeError, NotImplementedError):  # one that wants more, such as a closure
        return 2.0
    return sum(value.numel() for value in values if isinstance(value, Tensor) and value.ndim) / param.numel()


def check_room(folder: Path, need: Need, console: Console) -> None:
    """Compares the need of a training with the free room in the file system of its `folder`.

    Errors: StageError where it does not suffice; a warning where little would be left.
    """
    free = shutil.disk_usage(folder).free
    figures = (
        f"about {_size(need.bytes)} are needed ({need.count} checkpoints of {_size(need.checkpoint)}, one of them "
        f"while it is written, and a model of {_size(need.bundle)}), and {_size(free)} are free in {folder}"
    )
    ways = "make room there, let fewer checkpoints stay (`keep: {last: 1}`, `keep.every`), or run where there is more"
    if need.bytes > free:
        raise StageError(f"no room for this training: {figures}: {ways}")
    if need.bytes > TIGHT * free:
        console.warn(f"little room: {figures}")


def room_for(folder: Path, state: TrainingState, length: Length, keep: KeepConfig, console: Console) -> None:
    """Checks the room for a training in `folder`, in the process that writes. Errors: StageError."""
    world = state.engine.world
    there = len(checkpoint.steps(folder / checkpoint.FOLDER))
    need = need_of(state, length, keep, there)
    world.decided(lambda: check_room(folder, need, console))


def _size(count: int) -> str:
    """A number of bytes in words: `12.3 GB`, `0.4 MB`."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
