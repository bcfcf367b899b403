"""The state of a training: all that a checkpoint holds, and where a training starts from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from translate.training import checkpoint
from translate.training.ema import Averages
from translate.training.engine import Engine
from translate.training.length import Length
from translate.training.validating.best import History, Watched


class TrainingState:
    """The engine with its networks, players and counters, the averages of weights, and the history of validations.

    `rates` are the metrics that the schedules of players watch, by player.
    """

    def __init__(self, engine: Engine, averages: Averages, rates: Mapping[str, Watched] | None = None) -> None:
        self.engine = engine
        self.averages = averages
        self.rates = dict(rates or {})
        self.history = History()

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self.engine.index

    def resume(self, checkpoints: Path) -> bool:
        """Restores the newest complete checkpoint of a folder; returns whether there was one."""
        steps = checkpoint.steps(checkpoints)
        if steps:
            self.restore(checkpoints / checkpoint.name_of(steps[-1]))
        return bool(steps)

    def restore(self, folder: Path) -> None:
        """Takes over the whole state of one checkpoint. Errors: StageError for one that is damaged or does not fit."""
        self.history = History(**checkpoint.restore(folder, self.engine, self.averages.nets))
        self.averages.restored()
        self.set_drops()

    def set_drops(self) -> None:
        """Tells the players what the scores of the validations so far make of their learning rates."""
        for name, watched in self.rates.items():
            player = self.engine.players[name]
            player.drop = player.schedule.factor_after(watched.values(self.history), watched.better)

    def restore_weights(self, folder: Path) -> None:
        """Takes over a checkpoint, but keeps the history of validations."""
        checkpoint.restore(folder, self.engine, self.averages.nets)

    def save(self, checkpoints: Path, keep_last: int, length: Length) -> Path:
        """Writes a checkpoint of all processes, which rank 0 does, then removes all but the last few, the best ones and
        those that the length of the training keeps; returns the new folder."""
        others, world = [], self.engine.world
        if world.shared:
            others = world.collect(checkpoint.own_state(self.engine, self.averages.nets))[1:]
        if not world.leads:
            return checkpoints / checkpoint.name_of(self.step)
        progress = vars(self.history)
        folder = checkpoint.save(checkpoints, self.engine, self.averages.nets, progress, length.total, others)
        steps = checkpoint.steps(checkpoints)
        keep = {*steps[-keep_last:], *self.history.kept(), *filter(length.keeps, steps)}
        checkpoint.prune(checkpoints, keep)
        return folder
