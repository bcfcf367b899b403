"""Saves a training again and again beside its steps, and keeps of its checkpoints those that are asked for."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from translate.errors import StageError
from translate.training.length import Length
from translate.training.saving import checkpoint
from translate.training.saving.checkpoint import Snapshot
from translate.training.saving.state import TrainingState

_PAUSE = 1.0
"""Seconds between two looks at a write that is waited for; signals are heard meanwhile."""
_NICE = 10
"""By how much the thread stands back behind the training, on systems where threads have priorities of their own."""


class Saver:
    """Writes checkpoints into `folder`, from a copy of the state and in a thread, of which there is one at a time.

    A checkpoint is read back, and only then older ones go: the last few stay, the best ones by each metric, and those
    that `length` keeps. `told` is called in the thread that calls `wait` or `look`, with the step and the folder of
    each checkpoint that is whole.

    `wait` has to be called before the training ends. Errors of a write leave the next call of any method, once.
    """

    def __init__(
        self,
        folder: Path,
        state: TrainingState,
        length: Length,
        keep_last: int,
        told: Callable[[int, Path], None] = lambda step, folder: None,
    ) -> None:
        self.folder, self.state, self.length, self.keep_last, self.told = folder, state, length, keep_last, told
        self._write: _Write | None = None

    def save(self) -> None:
        """Copies the state as it is now, and lets it be written by rank 0. Waits for an earlier write first.

        Errors: StageError for the earlier write.
        """
        self.wait()
        shot = checkpoint.snapshot(self.state)
        if shot is None:  # the others have given what is theirs
            self.told(self.state.step, self.folder / checkpoint.name_of(self.state.step))
            return
        self._write = _Write(self, shot, self.state.history.kept())

    def look(self) -> None:
        """Tells of a write that has ended, without waiting. Errors: StageError for one that failed."""
        if self._write is not None and self._write.ended.is_set():
            self.wait()

    def wait(self) -> None:
        """Returns when what was saved is whole on disk. Errors: StageError where it could not be written."""
        write = self._write
        if write is None:
            return
        while not write.ended.wait(_PAUSE):
            pass
        self._write = None
        if write.error is not None:
            raise self._failed(write.shot.step, write.error) from write.error
        self.told(write.shot.step, self.folder / checkpoint.name_of(write.shot.step))

    def abandon(self) -> None:
        """Lets a write that is under way come to nothing: the checkpoints stay as they are."""
        if self._write is not None:
            self._write.wanted = False

    def _failed(self, step: int, error: BaseException) -> StageError:
        complete = checkpoint.steps(self.folder)
        last = f"the one of step {complete[-1]:,}" if complete else "no other one"
        way_out = "the same command goes on from it" if complete else "the same command begins anew"
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        return StageError(
            f"the checkpoint of step {step:,} cannot be written to {self.folder}: {reason}; {last} is whole, and once "
            f"this is mended {way_out}"
        )


class _Write:
    """One checkpoint on its way to the disk."""

    def __init__(self, saver: Saver, shot: Snapshot, best: Collection[int]) -> None:
        self.shot, self.best = shot, best
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self.wanted = True
        # a daemon: a second Ctrl-C ends the process at once, and what is half written is no checkpoint
        threading.Thread(target=self._run, args=(saver,), name="translate-checkpoint", daemon=True).start()

    def _run(self, saver: Saver) -> None:
        _stand_back()
        try:
            checkpoint.write(saver.folder, self.shot, saver.length.total, lambda: self.wanted)
            if self.wanted:
                steps = checkpoint.steps(saver.folder)
                kept = filter(saver.length.keeps, steps)
                checkpoint.prune(saver.folder, {*steps[-saver.keep_last :], *self.best, *kept})
        except BaseException as error:
            self.error = error
        finally:
            self.ended.set()


def _stand_back() -> None:
    """Lets the training have the processor first. Linux alone has a priority for each thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
