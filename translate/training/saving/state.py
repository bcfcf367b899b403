"""The state of a training while it runs; `saving.registry` says what of it a checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping

from translate.training.ema import Averages
from translate.training.engine import Engine
from translate.training.health.memory import Memory
from translate.training.validating.best import History, Watched


class TrainingState:
    """The engine with its networks, players and counters, the averages of weights, the history of validations, and what
    the warnings of the game's health have seen.

    `rates` are the metrics that the schedules of players watch, by player.
    """

    def __init__(
        self, engine: Engine, averages: Averages | None = None, rates: Mapping[str, Watched] | None = None
    ) -> None:
        self.engine = engine
        self.averages = averages or Averages(engine, (), None)
        self.rates = dict(rates or {})
        self.history = History()
        self.health = Memory()

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self.engine.index

    def set_drops(self) -> None:
        """Tells the players what the scores of the validations so far make of their learning rates."""
        for name, watched in self.rates.items():
            player = self.engine.players[name]
            player.drop = player.schedule.factor_after(watched.values(self.history), watched.better)
