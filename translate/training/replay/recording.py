"""What differs from one replay of a step to the next: its number and the learning rates, as tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from translate.distributed.world import World
from translate.training.extra_losses import BoundLoss
from translate.training.meters import Meters
from translate.training.numerics.scaler import LossScale
from translate.training.players import Player
from translate.training.speed.clock import Clock


class Game(Protocol):
    """What a recording needs of the engine whose step it is."""

    device: torch.device
    nets: Any
    scales: dict[str, LossScale]
    players: dict[str, Player]
    meters: Meters
    clock: Clock
    world: World
    extra: list[BoundLoss]
    critic_augment: Any
    rng: torch.Generator
    index: int
    recording: Any

    def play(self, batches: Sequence[Mapping[str, Tensor]], step: Any, epoch: int) -> None:
        """The work of a step."""


TURNS = 64
"""Updates of a step that can be recorded."""


class NotRecordable(Exception):  # noqa: N818 (a reason to compute steps as they come)
    """Why a step cannot be recorded."""


class Recording:
    """The number of the step, and the rate of each update in the order of the step."""

    def __init__(self, device: torch.device, wide: torch.dtype) -> None:
        # Made before anything is recorded: a tensor of zeros that is made in a recording is zeroed by each replay.
        self.index = torch.zeros((), dtype=torch.long, device=device)
        # kernels of fused optimizers read a rate in float32; the curves get it in full
        self._rates = torch.zeros(TURNS, dtype=torch.float32, device=device).unbind()
        self._shown = torch.zeros(TURNS, dtype=wide, device=device).unbind()
        self.turns: list[tuple[Player, Tensor, Tensor]] = []

    def rate(self, player: Player) -> Tensor:
        """The rate of the player's next update, which its optimizer takes from there at each replay."""
        if len(self.turns) == TURNS:
            raise NotRecordable(f"it has more than {TURNS} updates")
        rate, shown = self._rates[len(self.turns)], self._shown[len(self.turns)]
        for group in player.optimizer.param_groups:
            group["lr"] = rate
        self.turns.append((player, rate, shown))
        return shown

    def set(self, index: int, epoch: int) -> None:
        """Prepares the step `index`, and counts the updates that it makes."""
        # filled, not copied: a copy of a number from the CPU waits for the GPU
        self.index.fill_(index)
        for player, rate, shown in self.turns:
            value = player.rate(index, epoch)
            rate.fill_(value)
            shown.fill_(value)
            player.done += 1


class Still:
    """The `Step` of a recording: what differs from step to step cannot be asked for, since it would stay for ever."""

    def __init__(self, rng: torch.Generator) -> None:
        self.rng = rng

    def __getattr__(self, name: str) -> Any:
        raise NotRecordable(f"its method reads step.{name}")
