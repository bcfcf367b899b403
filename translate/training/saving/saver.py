"""Saves a training again and again, and keeps of its checkpoints those that are asked for."""

from __future__ import annotations

from pathlib import Path

from translate.training.length import Length
from translate.training.saving import checkpoint
from translate.training.saving.state import TrainingState


class Saver:
    """Writes checkpoints into `folder`. The last few stay, the best ones by each metric, and those that `length`
    keeps."""

    def __init__(self, folder: Path, state: TrainingState, length: Length, keep_last: int) -> None:
        self.folder, self.state, self.length, self.keep_last = folder, state, length, keep_last

    def save(self) -> Path:
        """Saves the state as it is now, in rank 0; returns the folder of the checkpoint."""
        folder = checkpoint.save(self.folder, self.state, self.length.total)
        if self.state.engine.world.leads:
            steps = checkpoint.steps(self.folder)
            best = self.state.history.kept()
            checkpoint.prune(self.folder, {*steps[-self.keep_last :], *best, *filter(self.length.keeps, steps)})
        return folder
