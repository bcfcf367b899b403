"""The endless stream of batches of a training, made here or ahead by other processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

from translate.data.loading.processes import Processes
from translate.data.loading.samples import Batch, Samples
from translate.threads import cores


class Loader:
    """Yields batches from step `start` on, without an end.

    `workers` processes (at most one per core) decode ahead; with 0 this process decodes a batch when it is asked
    for. Neither `start` nor `workers` changes any batch. `pin` page-locks batches, for a GPU. Errors while
    iterating: DataError; StageError where a process ended or failed.
    """

    def __init__(self, samples: Samples, workers: int, start: int = 0, *, pin: bool = False) -> None:
        self.samples, self.workers, self.start, self.pin = samples, min(workers, cores()), start, pin
        self._running: Processes | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Full batches that the larger side fills, at least one."""
        return self.samples.steps_per_epoch

    def __iter__(self) -> Iterator[Batch]:
        return self.until(lambda: False)

    def until(self, stopped: Callable[[], bool]) -> Iterator[Batch]:
        """The batches, which end as soon as `stopped` says so, also while the next one is waited for."""
        if self.workers == 0:
            for step in count(self.start):
                if stopped():
                    return
                yield self.samples[step]
        self.close()  # processes of an iteration that was left in the middle
        # What a sample needs is imported here. A process that is forked while another thread imports the same module
        # (the tracker imports much) finds that import under way for ever, since the thread is not in it.
        self.samples.first(self.start)
        self._running = Processes(self.samples, self.workers, self.start, pin=self.pin)
        try:
            while (batch := self._running.next(stopped)) is not None:
                yield batch
        finally:
            self.close()

    def close(self) -> None:
        """Ends the processes."""
        if self._running is not None:
            self._running.close()
            self._running = None
