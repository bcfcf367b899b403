"""Processes that make batches ahead of a training, and what is told when one of them fails.

Each process has a pipe of its own to this one and nothing that it shares with others: no lock that a killed process
would keep, and no shared memory, which is small in a container (`/dev/shm`). Images travel as 8 or 16 bits; a pipe
carries them faster than any training takes them.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection, Pipe
from multiprocessing.process import BaseProcess
from queue import Empty, SimpleQueue
from typing import Any

import cv2
import numpy as np
import torch

from translate import errors
from translate.data.loading.samples import Batch, Samples
from translate.errors import StageError, TranslateError

AHEAD = 3
"""Batches of each process that wait here; one more waits in its pipe."""
_PAUSE = 0.2
"""Seconds between two looks whether the training was asked to stop, while it waits for a batch."""
_ENDING = 2.0
"""Seconds to wait for a process that was killed."""

HERE = "`workers: 0` prepares batches in this process"


@dataclass(frozen=True)
class Failure:
    """Why a process made no batch: the words of an error, and its class where that is one for users."""

    words: str
    kind: type[TranslateError] | None = None


class Processes:
    """`number` processes that make the batches of `samples` from step `first` on, which `next` gives in order.

    `pin` page-locks them. The processes end with `close`, with the interpreter, and when this process is killed.
    Errors: StageError where they cannot be started.
    """

    def __init__(self, samples: Samples, number: int, first: int, *, pin: bool = False) -> None:
        self._samples, self._number, self._step, self._pin = samples, number, first, pin
        self._workers: list[tuple[BaseProcess, Connection]] = []
        self._closing = False
        try:
            for k in range(number):
                self._start(first + k)
        except BaseException as error:
            self._end_workers()
            if isinstance(error, OSError):
                raise StageError(
                    f"the {number} processes that prepare batches cannot be started ({error.strerror or error}); {HERE}"
                ) from error
            raise
        # At its end the interpreter waits for processes of `multiprocessing`, which has registered that already: of
        # such handlers the last one comes first.
        atexit.register(self.close)
        self._ready: SimpleQueue[Batch | Failure] = SimpleQueue()
        self._room = threading.Semaphore(AHEAD * number)
        self._receiver = threading.Thread(target=self._receive, args=(first,), name="translate-batches", daemon=True)
        self._receiver.start()

    def next(self, stopped: Callable[[], bool]) -> Batch | None:
        """The batch of the next step; None as soon as `stopped` says so while it is waited for.

        Errors: those of `samples`; StageError where a process was killed, or alone could not make the batch.
        """
        answer: Batch | Failure | None = None
        while answer is None:
            try:
                answer = self._ready.get(timeout=_PAUSE)
            except Empty:
                if stopped():
                    return None
        if isinstance(answer, Failure):
            raise self._error(answer)
        self._step += 1
        self._room.release()
        return answer

    def close(self) -> None:
        """Ends all processes, whatever they are at: they hold nothing that could be left half done."""
        atexit.unregister(self.close)
        self._closing = True
        self._room.release()  # the receiver may be waiting for room
        self._end_workers()
        # Of a killed process the pipe ends; the receiver is a daemon, should somebody else hold a copy of the pipe.
        self._receiver.join(_ENDING)

    def _start(self, first: int) -> None:
        receiver, sender = Pipe(duplex=False)
        arguments = (self._samples, sender, first, self._number)
        process = multiprocessing.Process(target=_work, args=arguments, name="translate-batches", daemon=True)
        self._workers.append((process, receiver))
        try:
            process.start()
        finally:
            # The process has the only end to write to, so that reading ends when it does; closed before the next one is
            # forked, which would inherit it.
            sender.close()

    def _end_workers(self) -> None:
        started = [process for process, _ in self._workers if process.pid is not None]
        for process in started:
            process.kill()  # SIGTERM is not heard there
        for process in started:
            process.join(_ENDING)

    def _receive(self, first: int) -> None:
        """Takes batches from the pipes in the order of the steps, as long as there is room, up to the first error."""
        for step in count(first):
            self._room.acquire()
            if self._closing:
                return
            process, connection = self._workers[(step - first) % self._number]
            answer: Batch | Failure
            try:
                answer = _unpacked(connection.recv())
                if self._pin and isinstance(answer, Batch):
                    answer = answer.pin_memory()
            except (EOFError, OSError):  # the process has ended, perhaps in the middle of a batch
                answer = Failure(self._death(process, step), StageError)
            except Exception as error:  # no page-locked memory is left, for example
                answer = Failure(f"the batch of step {step} was not received: {_words(error)}", StageError)
            self._ready.put(answer)
            if isinstance(answer, Failure):
                return

    def _error(self, failure: Failure) -> TranslateError:
        """The error for a batch that a process could not make. Errors: what making it here raises."""
        if failure.kind is not None:
            return failure.kind(failure.words)
        # A batch is a function of its step: made here, it raises the same error, and that shows whose code it is.
        self._samples[self._step]
        return StageError(
            f"a process that prepares batches failed, although this one can make the batch: {failure.words}; {HERE}"
        )

    def _death(self, process: BaseProcess, step: int) -> str:
        """Says how a process ended that was to make the batch of a step, and what helps."""
        process.join(_ENDING)
        who = f"process {process.pid}, one of {self._number} that prepare batches,"
        code = process.exitcode
        if code == -signal.SIGKILL:
            return (
                f"{who} was killed (SIGKILL), most likely because memory ran out: fewer `workers`, a smaller "
                f"`batch_size` or smaller images take less; {HERE}"
            )
        keys = ", ".join(self._samples.shown_at(step))
        how = f"crashed ({_signal_name(-code)})" if code and code < 0 else f"ended (exit code {code})"
        return f"{who} {how} at step {step}, which shows {keys}: look at these images; {HERE}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


# ------------------------------------------------------------------------------------------- in the other process


Packed = tuple[int, int, dict[str, np.ndarray[Any, Any]], dict[str, list[str]]]
"""A batch as it travels: arrays go through a pipe, where tensors would go through shared memory."""


def _work(samples: Samples, sender: Connection, first: int, every: int) -> None:
    """Makes the batches of the steps `first`, `first + every`, ... until nobody takes them."""
    _set_up()
    for step in count(first, every):
        try:
            sender.send(_answer(samples, step))
        except OSError:  # the training has ended
            return


def _answer(samples: Samples, step: int) -> Packed | Failure:
    try:
        batch = samples[step]
    except TranslateError as error:
        # The class that the engine knows: one of a plugin may not survive the way.
        known = next(base for base in type(error).__mro__ if base.__module__ == errors.__name__)
        return Failure(str(error), known)
    except Exception as error:
        return Failure(_words(error))
    return batch.step, batch.epoch, {side: images.numpy() for side, images in batch.images.items()}, batch.keys


def _unpacked(answer: Packed | Failure) -> Batch | Failure:
    if isinstance(answer, Failure):
        return answer
    step, epoch, arrays, keys = answer
    return Batch(step, epoch, {side: torch.from_numpy(array) for side, array in arrays.items()}, keys)


def _set_up() -> None:
    """Prepares the process: one thread for each library, no reaction to signals, and no life without its parent."""
    # Threads of OpenCV and torch would fight with the other processes for the same cores, and those that the parent had
    # started do not exist in a forked process, which would wait for them.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    # A terminal or a scheduler sends signals to all processes at once, but the trainer alone decides when to stop.
    for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP"):
        if number := getattr(signal, name, None):  # Windows has neither SIGUSR1 nor SIGHUP
            signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="translate-parent", daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process as soon as its parent is gone, however that ended.

    The handle to wait on is a pipe, or on Windows a process, that the system closes with the parent. A process also
    holds the pipes of those that were forked before it: they end one after another, the last one first.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # not `sys.exit`, which would end this thread alone
