"""A player of the game as the engine runs it: its parameters, optimizer, schedule and gradient clipping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from translate.contracts import Components, Optimizer, Schedule
from translate.errors import ContractError
from translate.training.config import TrainConfig


@dataclass
class Player:
    """One side of the game. `epochs` and `updates` are the lengths that schedules run over."""

    name: str
    params: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    lr: float
    schedule: Schedule[Any]
    clip: float | None
    epochs: int
    updates: int
    done: int = 0

    def set_rate(self, epoch: int) -> float:
        """Sets and returns the learning rate for the next update."""
        by_epoch = self.schedule.config.unit == "epochs"
        position, total = (epoch, self.epochs) if by_epoch else (self.done, self.updates)
        rate = self.lr * self.schedule.factor(position, total)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate


def make_players(
    method: str,
    roles: Mapping[str, tuple[str, ...]],
    nets: Mapping[str, nn.Module],
    config: TrainConfig,
    registry: Components,
    total_steps: int,
    fused: bool,
) -> dict[str, Player]:
    """The players of a method with their optimizers. Errors: ContractError for missing networks or no parameters."""
    players = {}
    for name, members in roles.items():
        missing = [m for m in members if m not in nets]
        if missing:
            raise ContractError(
                f"method {method}: player {name} names network {missing[0]!r}, but networks() returns {', '.join(nets)}"
            )
        params = [p for m in members for p in nets[m].parameters() if p.requires_grad]
        if not params:
            raise ContractError(f"method {method}: player {name} has no trainable parameters in {', '.join(members)}")
        own = config.players.get(name)
        optimizer: Optimizer[Any] = registry.build((own and own.optimizer) or config.optimizer)
        schedule: Schedule[Any] = registry.build((own and own.schedule) or config.schedule)
        clip = (own and own.clip) or config.clip
        torch_optimizer = optimizer.build(params, fused=fused)
        players[name] = Player(
            name, params, torch_optimizer, optimizer.config.lr, schedule, clip, config.epochs, total_steps
        )
    return players
