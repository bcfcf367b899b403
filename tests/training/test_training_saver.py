"""Checkpoints are written beside the training: from a copy, one at a time, read back, and never silently lost."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from duel import Duel, Train, stop_at

from translate.errors import DataError, StageError, Stopped
from translate.training.saving import checkpoint

SAVES = {"max_steps": 6, "checkpoint": {"steps": 2}}


class Gate:
    """Stands in front of a function of `checkpoint`; nothing passes before it is opened. `calls` are their steps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open, self.calls, self.write = threading.Event(), list[int](), checkpoint.write
        monkeypatch.setattr(checkpoint, "write", self)

    def __call__(self, folder: Path, shot: checkpoint.Snapshot, *arguments: Any) -> Path:
        self.calls.append(shot.step)
        assert self.open.wait(30)
        return self.write(folder, shot, *arguments)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.open.set()


def saved(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def test_steps_go_on_while_a_copy_is_written_and_a_second_write_waits(train: Train, gate: Gate, tmp_path: Path) -> None:
    steps, opened = [], []

    def emit(event: str, **facts: Any) -> None:
        if event == "step_finished":
            steps.append(facts["step"])
            if facts["step"] == 4:  # the next save has to wait for the first one
                threading.Timer(0.2, lambda: opened.append([*gate.calls]) or gate.open.set()).start()

    gate.open.set()
    train("expected", max_steps=2)
    gate.open.clear()
    gate.calls.clear()
    train("whole", emit=emit, keep={"last": 9}, **SAVES)
    assert steps == [1, 2, 3, 4, 5, 6] and opened == [[2]] and gate.calls == [2, 4, 6]
    ours, theirs = (
        checkpoint.read(tmp_path / name / "checkpoints" / checkpoint.name_of(2))[0] for name in ("whole", "expected")
    )
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs if not key.startswith("meter"))


def full(*arguments: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_write_that_fails_ends_the_training_and_leaves_the_one_before(
    train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def emit(event: str, **facts: Any) -> None:
        if event == "checkpoint_saved":
            monkeypatch.setattr(checkpoint, "save_tensors", full)

    words = (
        r"the checkpoint of step 4 cannot be written to .*checkpoints: No space left on device; "
        "the one of step 2 is whole"
    )
    with pytest.raises(StageError, match=words):
        train("full", emit=emit, **SAVES)
    assert saved(tmp_path / "full") == ["000000002"]


def test_its_error_is_told_beside_another_one(train: Train, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    told: list[str] = []
    monkeypatch.setattr("duel.Console.warn", lambda self, text: told.append(text))
    monkeypatch.setattr(checkpoint, "save_tensors", full)
    step = Duel.step

    def broken(self: Any, nets: Any, batch: Any, at: Any) -> Any:
        if at.index == 2:
            raise DataError("something else")
        return step(self, nets, batch, at)

    monkeypatch.setattr(Duel, "step", broken)
    monkeypatch.setattr("translate.training.saving.saver.Saver.look", lambda self: None)
    with pytest.raises(DataError, match="something else"):
        train("two", **SAVES)
    (warning,) = told
    assert "the checkpoint of step 2 cannot be written" in warning and "no other one is whole" in warning


def test_what_is_not_what_was_to_be_written_is_no_checkpoint(
    train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    save = checkpoint.save_tensors

    def wrong(tensors: Any, path: Path) -> None:
        if "000000004" in str(path):
            tensors = {**tensors, "net/disc/bias": tensors["net/disc/bias"] + 1}
        save(tensors, path)

    monkeypatch.setattr(checkpoint, "save_tensors", wrong)
    with pytest.raises(StageError, match=r"step 4 cannot be written.*tensor net/disc/bias is not what was written"):
        train("wrong", keep={"last": 1}, **SAVES)
    # the one before, or that of a step that was taken before the thread had told
    assert saved(tmp_path / "wrong") in (["000000002"], ["000000005"])


def test_a_signal_waits_for_the_write(train: Train, gate: Gate, tmp_path: Path) -> None:
    threading.Timer(0.5, gate.open.set).start()
    with pytest.raises(Stopped):
        train("stopped", emit=stop_at(3), max_steps=6)
    assert gate.open.is_set() and saved(tmp_path / "stopped") == ["000000003"]


def test_a_second_ctrl_c_ends_at_once_and_leaves_the_one_before(train: Train, gate: Gate, tmp_path: Path) -> None:
    gate.open.set()

    def emit(event: str, **facts: Any) -> None:
        if event == "checkpoint_saved":
            gate.open.clear()
        if event == "step_finished" and facts["step"] == 3:
            os.kill(os.getpid(), signal.SIGINT)
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        train("twice", emit=emit, **SAVES)
    assert time.monotonic() - began < 10 and gate.calls == [2, 3]
    gate.open.set()
    for thread in threading.enumerate():
        if thread.name == "translate-checkpoint":
            thread.join()
    assert "000000002" in saved(tmp_path / "twice") and "000000003" not in saved(tmp_path / "twice")
