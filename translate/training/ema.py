"""Exponential moving averages of weights: what validation, sample grids and the bundle use where `ema` is set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from translate.training.config import EmaConfig
from translate.training.engine import Engine


class Averages:
    """The average of each network that a direction uses; none at all without a `decay`.

    After each step in which its player moved, average = decay * average + (1 - decay) * weight. Buffers, such as the
    running statistics of batch norms, are copied. With a warm-up the decay is (1 + n) / (10 + n) after n updates, as
    long as that is smaller.
    """

    def __init__(self, engine: Engine, names: Iterable[str], ema: EmaConfig | float | None) -> None:
        self.engine = engine
        self.names = tuple(sorted(names))
        self.nets: dict[str, AveragedModel] = {}
        if ema is not None:
            rule = _warming(ema.decay) if isinstance(ema, EmaConfig) and ema.warmup else _constant(ema)
            self.nets = {name: AveragedModel(engine.nets[name], multi_avg_fn=rule) for name in self.names}
        self._updates_seen: dict[str, int] = {}

    def update(self) -> None:
        """Moves the averages of the networks whose player has moved since the last call."""
        for name, average in self.nets.items():
            updates = self._updates_of(name)
            if updates != self._updates_seen.get(name, 0):
                self._updates_seen[name] = updates
                average.update_parameters(self.engine.nets[name])

    def restored(self) -> None:
        """Takes note of a restored checkpoint: its averages already contain all updates that were made."""
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


Rule = Callable[[Any, Any, Any], None]


def _constant(ema: EmaConfig | float) -> Rule:
    """torch's rule for the averages, which changes many tensors in one call."""
    rule: Rule = get_ema_multi_avg_fn(ema.decay if isinstance(ema, EmaConfig) else ema)  # type: ignore[no-untyped-call]
    return rule


def _warming(decay: float) -> Rule:
    """The same with a decay that depends on the updates so far, which torch counts in the averaged network."""

    def update(averages: Any, weights: Any, updates: Any) -> None:
        done = int(updates)
        _constant(min(decay, (1 + done) / (10 + done)))(averages, weights, updates)

    return update
