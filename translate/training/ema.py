"""Exponential moving averages of weights: what validation, sample grids and the bundle use where `ema` is set."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim.swa_utils import AveragedModel

from translate.training.config import EmaConfig
from translate.training.engine import Engine


class Averages:
    """The average of each network that a direction uses; none at all without a `decay`.

    After each step in which its player moved, average = decay * average + (1 - decay) * weight, and likewise for the
    running statistics of batch norms: those of the last steps belong to weights that differ from their average. Other
    buffers are copied. With a warm-up the decay is (1 + n) / (10 + n) after n updates, as
    long as that is smaller.
    """

    def __init__(self, engine: Engine, names: Iterable[str], ema: EmaConfig | float | None) -> None:
        self.engine = engine
        self.names = tuple(sorted(names))
        self.nets: dict[str, AveragedModel] = {}
        if ema is not None:
            self.nets = {name: AveragedModel(engine.nets[name]) for name in self.names}
        self._ema = EmaConfig(decay=ema, warmup=False) if isinstance(ema, float) else ema
        self._moves = dict.fromkeys(self.nets, 0)
        """How often each average has moved, which its network counts as well, on the device."""
        self._updates_seen: dict[str, int] = {}

    def update(self) -> None:
        """Moves the averages of the networks whose player has moved since the last call."""
        for name, average in self.nets.items():
            updates = self._updates_of(name)
            if updates != self._updates_seen.get(name, 0):
                self._updates_seen[name] = updates
                self._move(average, self.engine.nets[name], self._moves[name])
                self._moves[name] += 1

    @torch.no_grad()
    def _move(self, average: AveragedModel, net: nn.Module, moves: int) -> None:
        """Moves one average. torch's own `update_parameters` reads from the device how often it has moved."""
        means, weights = _averaged(average.module), _averaged(net)
        decay = self._decay(moves)
        if moves == 0:
            torch._foreach_copy_(means, weights)
        else:
            torch._foreach_lerp_(means, weights, 1 - decay)
        for mine, theirs in zip(_copied(average.module), _copied(net), strict=True):
            mine.copy_(theirs)
        average.n_averaged.add_(1)

    def _decay(self, moves: int) -> float:
        assert self._ema is not None
        return min(self._ema.decay, (1 + moves) / (10 + moves)) if self._ema.warmup else self._ema.decay

    def restored(self) -> None:
        """Takes note of a restored checkpoint: its averages already contain all updates that were made."""
        self._moves = {name: int(average.n_averaged) for name, average in self.nets.items()}
        self._updates_seen = {name: self._updates_of(name) for name in self.nets}

    def net(self, name: str) -> nn.Module:
        """The network to use: its average where there is one, else the live one."""
        if name not in self.nets:
            return self.engine.nets[name]
        module = self.nets[name].module
        assert isinstance(module, nn.Module)
        return module

    def all(self) -> dict[str, nn.Module]:
        """The networks to use, by name: all that directions name."""
        return {name: self.net(name) for name in self.names}

    def _updates_of(self, name: str) -> int:
        """How many optimizer steps the players of a network have done."""
        players = self.engine.method.players.items()
        return sum(self.engine.players[player].done for player, members in players if name in members)


def _averaged(net: nn.Module) -> list[Tensor]:
    """What of a network is averaged: its weights, and the running statistics of its norms."""
    return [param.detach() for param in net.parameters()] + _statistics(net)


def _copied(net: nn.Module) -> list[Tensor]:
    """What of a network is taken as it is after the last step."""
    averaged = {id(values) for values in _statistics(net)}
    return [values for values in net.buffers() if id(values) not in averaged]


def _statistics(net: nn.Module) -> list[Tensor]:
    norms = [layer for layer in net.modules() if isinstance(layer, _NormBase) and layer.running_mean is not None]
    found = [(norm.running_mean, norm.running_var) for norm in norms]
    return [values for pair in found for values in pair if values is not None]
