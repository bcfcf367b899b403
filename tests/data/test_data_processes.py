"""Processes that make batches: whatever befalls one of them is told with its cause, and none is left behind."""

from __future__ import annotations

import errno
import faulthandler
import multiprocessing
import os
import signal
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_images import picture

from translate.contracts import NoOptions, Transform
from translate.data.dataset import Dataset, write_index
from translate.data.loading.loader import Loader
from translate.data.loading.samples import Samples
from translate.errors import DataError, StageError
from translate.imaging.io import write


class Fate(Transform[NoOptions]):
    """A transform that does something to the process which it runs in."""

    name = "fate"
    everywhere = False

    def __call__(self, images: dict[str, Any], seed: int) -> dict[str, Any]:
        if self.everywhere or multiprocessing.parent_process() is not None:
            self.befall()
        return images

    def befall(self) -> None:
        raise NotImplementedError


class Killed(Fate):
    def befall(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Crashed(Fate):
    def befall(self) -> None:
        faulthandler.disable()
        os.kill(os.getpid(), signal.SIGSEGV)


class Left(Fate):
    def befall(self) -> None:
        os._exit(7)


class Asleep(Fate):
    def befall(self) -> None:
        time.sleep(600)


class OutOfFiles(Fate):
    """Fails in a worker alone."""

    def befall(self) -> None:
        raise OSError(errno.EMFILE, "Too many open files")


class Wrong(Fate):
    everywhere = True

    def befall(self) -> None:
        raise ValueError("no such colour")


class OwnError(DataError):
    """An error of a plugin's that cannot be sent to another process."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} and {other}")


class Refused(Fate):
    def befall(self) -> None:
        raise OwnError("this", "that")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    for side in ("a", "b"):
        path = tmp_path / "train" / side / "k000.png"
        path.parent.mkdir(parents=True)
        write(path, picture(12, 12, 3, np.uint8), compression=1)
    facts = {"kind": "unpaired", "splits": ["train"], "pairs": [], "classes": [], "palette": []}
    channels = {"channels": {"a": 3, "b": 3}}
    write_index(tmp_path, facts | channels, {"train": {"a": ["k000"], "b": ["k000"]}}, {"train": [[12, 12], [12, 12]]})
    return Dataset(tmp_path)


def loader(dataset: Dataset, fate: type[Fate]) -> Loader:
    """A loader whose batches meet a fate. Unlike `Samples.first`, it makes none before it starts processes."""

    class Unprepared(Samples):
        def first(self, step: int) -> None:
            pass

    return Loader(Unprepared(dataset, "train", [fate(NoOptions())], 1, 0), 1)


ENDS = {
    Killed: r"process \d+, one of 1 that prepare batches, was killed \(SIGKILL\), most likely because memory ran out: "
    r"fewer `workers`, a smaller `batch_size` or smaller images take less; `workers: 0` prepares batches in this",
    Crashed: r"crashed \(SIGSEGV\) at step 0, which shows k000, k000: look at these images; `workers: 0`",
    Left: r"ended \(exit code 7\) at step 0, which shows k000, k000",
    OutOfFiles: r"failed, although this one can make the batch: OSError: \[Errno \d+\] Too many open files; `work",
}


@pytest.mark.timeout(250)
@pytest.mark.parametrize("fate", ENDS)
def test_the_end_of_a_process_is_told_with_cause_and_way_out(fate: type[Fate], dataset: Dataset) -> None:
    with pytest.raises(StageError, match=ENDS[fate]):
        next(iter(loader(dataset, fate)))
    assert multiprocessing.active_children() == []


@pytest.mark.timeout(250)
def test_an_error_that_is_made_here_too_shows_whose_code_it_is(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="no such colour") as caught:
        next(iter(loader(dataset, Wrong)))
    assert any(entry.name == "befall" for entry in caught.traceback)
    with pytest.raises(DataError, match="this and that"):
        next(iter(loader(dataset, Refused)))
    assert multiprocessing.active_children() == []


@pytest.mark.timeout(250)
def test_a_batch_that_never_comes_is_not_waited_for_when_the_training_stops(dataset: Dataset) -> None:
    began = time.monotonic()
    assert list(loader(dataset, Asleep).until(lambda: True)) == []
    assert time.monotonic() - began < 100
    assert multiprocessing.active_children() == []


@pytest.mark.timeout(250)
def test_processes_that_cannot_be_started_are_an_error_with_the_way_out(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Any) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(multiprocessing.Process, "start", refuse)
    with pytest.raises(StageError, match=r"cannot be started \(Resource temporarily unavailable\); `workers: 0`"):
        next(iter(Loader(Samples(dataset, "train", [], 1, 0), 1)))


@pytest.mark.timeout(250)
def test_closing_ends_processes_at_work_and_a_loader_starts_again(dataset: Dataset) -> None:
    batches = Loader(Samples(dataset, "train", [], 1, 0), 1)
    for _ in range(2):
        assert [batch.step for batch in islice(batches, 9)] == list(range(9))
        batches.close()
        assert multiprocessing.active_children() == []
