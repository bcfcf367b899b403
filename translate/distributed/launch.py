"""Starts the processes of a run on several devices of this machine: the short form of `torchrun --nproc-per-node`."""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from collections.abc import Mapping, Sequence

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from translate.distributed.place import LAUNCHED
from translate.errors import StageError, Stopped
from translate.signals import exit_code_when_saved
from translate.threads import cores

ENDING = 60
"""Seconds that the processes have for a save, once they are asked to stop."""


def launch(devices: int, arguments: Sequence[str]) -> int:
    """Runs `translate` with these arguments in so many processes, and returns what it ends with: 0, or the code of the
    first process that failed.

    Errors: StageError where one of them was killed; Stopped where a signal asked all of them to stop.
    """
    # Each process says what went wrong with it; torch's report of the same is for those who call `torchrun` themselves.
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL + 1)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // devices)))
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(ENDING))
    # torch passes these on to the processes; those of SLURM that it does not know would end it alone
    os.environ.setdefault("TORCHELASTIC_SIGNALS_TO_HANDLE", "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1")
    os.environ[LAUNCHED] = "1"
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=devices,
        run_id=str(uuid.uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "translate", *arguments)
    except ChildFailedError as error:
        return _code(error.failures, devices)
    except SignalException as stop:
        raise Stopped(exit_code_when_saved(stop.sigval), told=True) from None
    return 0


def _code(failures: Mapping[int, ProcessFailure], devices: int) -> int:
    """The exit code of the first process that failed by itself. Errors: StageError for one that was killed."""
    for rank, failure in failures.items():
        # minus the signal; with SIGTERM torch ends those that are still there when one has failed
        if failure.exitcode < 0 and failure.exitcode != -signal.SIGTERM:
            raise StageError(
                f"process {rank} of {devices} was ended by {signal.Signals(-failure.exitcode).name}, most likely since "
                "memory ran out; the same command goes on from the last checkpoint"
            )
    own = [failure for failure in failures.values() if failure.exitcode > 0]
    return min(own, key=lambda failure: failure.timestamp).exitcode if own else 1
