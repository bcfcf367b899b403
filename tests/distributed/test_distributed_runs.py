"""Pipelines in two processes, which are killed, stopped and started again."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor
from two_processes import STEPS, Run

Start = Callable[[str], Run]


def weights(folder: Path) -> dict[str, Tensor]:
    """The last state of all processes."""
    tensors: dict[str, Tensor] = load_file(folder / f"checkpoints/{STEPS:09d}/tensors.safetensors")
    return tensors


def state(folder: Path) -> Any:
    return json.loads((folder / f"checkpoints/{STEPS:09d}/state.json").read_text())


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(value.equal(b[name]) for name, value in a.items())


def errors(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("error:")]


def test_a_killed_process_ends_all_and_the_next_start_goes_on_exactly(run: Start) -> None:
    quiet = run("quiet")
    code, said = quiet.to_the_end(torchrun=True)
    assert code == 0, said
    assert f"{STEPS} steps of 2 images" in said or "steps of 2 images, 6 steps an epoch" in said
    whole = weights(quiet.stage)
    # each process has a pool of its own, and the sums of a log that is still to come
    assert [name for name in whole if name.startswith("rank/1/net/pool_a")]
    assert state(quiet.stage)["processes"] == 2

    disturbed = run("disturbed")
    for rank, step in ((1, 4), (0, 20)):
        process = disturbed.start()
        disturbed.wait_for(step)
        disturbed.rank(rank).kill()
        killed = time.monotonic()
        said, _ = process.communicate(timeout=200)
        assert time.monotonic() - killed < 100
        assert process.returncode == 1
        assert errors(said) == [
            f"error: process {rank} of 2 was ended by SIGKILL, most likely since memory ran out; the same command "
            "goes on from the last checkpoint"
        ], said
        assert "Traceback" not in said
    code, said = disturbed.to_the_end()
    assert code == 0 and "resuming at step" in said, said
    assert same(weights(disturbed.stage), whole)
    assert state(disturbed.stage)["progress"] == state(quiet.stage)["progress"]


def test_torchrun_ends_with_one_sentence_as_well(run: Start) -> None:
    killed = run("killed")
    process = killed.start(torchrun=True)
    killed.wait_for(4)
    killed.rank(1).kill()
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 1
    assert len(errors(said)) == 1 and "another process of this training has ended" in errors(said)[0], said
    assert "stopped; the same command" not in said


def test_a_signal_to_one_process_saves_and_stops_all(run: Start) -> None:
    stopped = run("stopped")
    process = stopped.start()
    stopped.wait_for(4)
    stopped.rank(1).send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 75, said
    assert said.count("saved; the same command goes on from here") == 1
    (step,) = [int(line.split()[3]) for line in said.splitlines() if line.startswith("stopped at step")]
    assert (stopped.stage / f"checkpoints/{step:09d}/MANIFEST.json").is_file()
    # and another number of processes is refused, with the way out
    code, said = stopped.to_the_end("--devices", "1")
    assert code == 1
    assert "is of a training on 2 devices, and this one is on one device" in said and "`--devices 2`" in said


def test_the_starter_passes_a_signal_on(run: Start) -> None:
    stopped = run("stopped")
    process = stopped.start(cold=True)
    stopped.wait_for(4)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 75, said
    assert said.count("saved; the same command goes on from here") == 1 and "Traceback" not in said


def test_a_mistake_is_told_once(run: Start) -> None:
    code, said = run("wrong").to_the_end("--set", "stages.train.with.lr=1", torchrun=True)
    assert code != 0 and said.count("unknown key") == 1, said


def test_an_error_of_one_process_saves_and_ends_all(run: Start) -> None:
    broken = run("broken")
    process = broken.start()
    broken.wait_for(4)
    for image in (broken.folder / "runs/tiny/prepare/train").rglob("*.png"):
        image.write_bytes(image.read_bytes()[:60])
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 1, said
    assert len(errors(said)) == 1 and "runs/tiny/prepare" in errors(said)[0], said
    assert "from which the same command goes on" in said and "Traceback" not in said
