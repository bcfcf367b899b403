"""The state of a training: all that a checkpoint holds, and where a training starts from."""

from __future__ import annotations

from pathlib import Path

from translate.training import checkpoint
from translate.training.best import History
from translate.training.ema import Averages
from translate.training.engine import Engine


class TrainingState:
    """The engine with its networks, players and counters, the averages of weights, and the history of validations."""

    def __init__(self, engine: Engine, averages: Averages) -> None:
        self.engine = engine
        self.averages = averages
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

    def restore_weights(self, folder: Path) -> None:
        """Takes over a checkpoint, but keeps the history of validations."""
        checkpoint.restore(folder, self.engine, self.averages.nets)

    def save(self, checkpoints: Path, keep_last: int, total: int) -> Path:
        """Writes a checkpoint, then removes all but the last few and the best one; returns the new folder.

        `total` is the step at which the training ends.
        """
        folder = checkpoint.save(checkpoints, self.engine, self.averages.nets, vars(self.history), total)
        keep = checkpoint.steps(checkpoints)[-keep_last:]
        if self.history.best:
            keep = [*keep, self.history.best["step"]]
        checkpoint.prune(checkpoints, keep)
        return folder
