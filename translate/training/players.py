"""A player of the game as the engine runs it: its parameters, optimizer, schedule and gradient clipping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from translate.contracts import Components, Optimizer, Schedule
from translate.errors import ConfigError, ContractError
from translate.training.config import TrainConfig
from translate.training.length import Length
from translate.training.numerics.stepping import keep_on_device


@dataclass
class Player:
    """One side of the game. `epochs` and `steps` are the lengths that schedules run over.

    `drop` is the factor that the scores of the validations so far give the rate (`Schedule.factor_after`).
    """

    name: str
    params: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    lr: float
    schedule: Schedule[Any]
    clip: float | None
    epochs: int
    steps: int
    done: int = 0
    drop: float = 1.0

    def set_rate(self, step: int, epoch: int) -> float:
        """Sets and returns the learning rate for the next update."""
        rate = self.rate(step, epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def rate(self, step: int, epoch: int) -> float:
        """The learning rate for the next update, which is one of this step in this epoch, both counted from 0."""
        position = {"epochs": epoch, "steps": step, "updates": self.done}[self.schedule.config.unit]
        total = self.epochs if self.schedule.config.unit == "epochs" else self.steps
        warm = min(1.0, (self.done + 1) / max(1, self.schedule.config.warmup))
        return float(self.lr * self.schedule.factor(position, total) * self.drop * warm)


def make_players(
    method: str,
    roles: Mapping[str, tuple[str, ...]],
    nets: Mapping[str, nn.Module],
    config: TrainConfig,
    registry: Components,
    length: Length,
    fused: bool,
) -> dict[str, Player]:
    """The players of a method with their optimizers.

    Errors: ContractError for missing networks, no parameters, or several groups of them, ConfigError where `freeze`
    leaves a player none.
    """
    players = {}
    for name, members in roles.items():
        missing = [m for m in members if m not in nets]
        if missing:
            raise ContractError(
                f"method {method}: player {name} names network {missing[0]!r}, but networks() returns {', '.join(nets)}"
            )
        params = [p for m in members for p in nets[m].parameters() if p.requires_grad]
        if not params and config.freeze:
            raise ConfigError(f"freeze: player {name} has nothing left to train in {', '.join(members)}")
        if not params:
            raise ContractError(f"method {method}: player {name} has no trainable parameters in {', '.join(members)}")
        own = config.players.get(name)
        optimizer: Optimizer[Any] = registry.build((own and own.optimizer) or config.optimizer)
        schedule: Schedule[Any] = registry.build((own and own.schedule) or config.schedule)
        clip = (own and own.clip) or config.clip
        torch_optimizer = optimizer.build(params, fused=fused)
        if len(groups := torch_optimizer.param_groups) != 1:
            raise ContractError(
                f"optimizer {type(optimizer).__name__} of player {name} makes {len(groups)} groups of parameters, and "
                "checkpoints and schedules know one: put all parameters into it"
            )
        keep_on_device(torch_optimizer, str(params[0].device))
        players[name] = Player(
            name, params, torch_optimizer, optimizer.config.lr, schedule, clip, length.epochs, length.whole
        )
    return players
