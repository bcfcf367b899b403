"""Tracked runs of known curves, a disturbed tracking server in a process of its own, and whether all points arrived."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from disturbed_server import DisturbedServer, Windows
from fake_tracking import FakeTracking

CURVES = 8
EVERY = 100
"""Steps between two pictures."""
CHECKPOINT = 25
"""Steps between two checkpoints of a run that is killed."""


def value(curve: int, step: int) -> float:
    """The value of a curve at a step."""
    return (curve + 1) / (step + 1)


def points_of(step: int) -> dict[str, float]:
    """All curves at a step."""
    return {f"curve{curve}": value(curve, step) for curve in range(CURVES)}


def open_run(folder: Path, mode: str = "mlflow") -> Any:
    """The record of a run below a folder; the same one each time."""
    from translate.console import console
    from translate.tracking import open_tracking

    about: dict[str, Any] = {"recipe": "a" * 64, "resolved": "name: p", "stages": ["train"], "versions": {}}
    return open_tracking(mode, "p", folder / "runs" / "p", console=console(), **about)  # type: ignore[arg-type]


def faults_of(state: Mapping[str, Any], steps: int) -> list[str]:
    """What a server's state lacks of a run of so many steps, or has too often, in sentences."""
    if len(state["runs"]) != 1:
        return [f"{len(state['runs'])} runs instead of 1"]
    ((run_id, run),) = state["runs"].items()
    wrong = [] if run["info"]["status"] == "FINISHED" else [f"the run is {run['info']['status']}"]
    expected = {(f"train/curve{curve}", step): value(curve, step) for curve in range(CURVES) for step in range(steps)}
    points = [((name, step), number) for name, step, _, number in state["points"][run_id] if name.startswith("train/")]
    there = dict(points)
    lost = sum(key not in there for key in expected)
    other = sum(there.get(key, number) != number for key, number in expected.items())
    counts = {"lost": lost, "doubled": len(points) - len(there), "wrong": other, "too many": len(there) - len(expected)}
    wrong += [f"{count} points {what}" for what, count in counts.items() if count > 0]
    files = [name for name in state["files"] if name.startswith(run_id)]
    return wrong + _pictures(files, -(-steps // EVERY))


def _pictures(files: list[str], count: int) -> list[str]:
    """What is wrong with the pictures: each has a large and a small file for the slider, and one under a plain name.

    The half of a picture, whose other half was lost, does not count.
    """
    there = set(files)
    slider = [name for name in files if "/images/" in name and f"{name.removesuffix('.png')}+compressed.webp" in there]
    plain = [name for name in files if "/samples/" in name]
    right = len(slider) == count and len(plain) == count
    return [] if right else [f"{len(slider)} pictures of the slider and {len(plain)} plain ones instead of {count}"]


def train(folder: Path, steps: int, work: Callable[[], None], mode: str = "mlflow") -> dict[str, float]:
    """A run that tracks eight curves at each step: the seconds of its steps and of its end, and what was not sent."""
    tracking = open_run(folder, mode)
    stage = tracking.stage("train")
    picture = np.zeros((64, 64, 3), np.uint8)
    began = time.perf_counter()
    for step in range(steps):
        work()
        stage.metrics(points_of(step), step)
        if step % EVERY == 0:
            stage.image("samples", picture, step)
    loop = time.perf_counter() - began
    tracking.close("done")
    return {"loop": loop, "end": time.perf_counter() - began - loop, "unsent": tracking.unsent}


def go_on(folder: Path, steps: int, pause: float) -> None:
    """The run of a training that may have been killed: it goes on from its checkpoint, and repeats what came after.

    One that was done is not begun again: what is left to send, `translate track sync` sends.
    """
    listing = folder / "runs" / "p" / "tracking.json"
    if listing.exists() and '"done"' in listing.read_text():
        return
    file = folder / "checkpoint"
    start = int(file.read_text()) if file.exists() else 0
    tracking = open_run(folder)
    stage = tracking.stage("train")
    for step in range(start, steps):
        time.sleep(pause)
        stage.metrics(points_of(step), step)
        if step % EVERY == 0:
            stage.image("samples", np.zeros((16, 16, 3), np.uint8), step)
        if (step + 1) % CHECKPOINT == 0:
            temporary = file.with_suffix(".tmp")
            temporary.write_text(str(step + 1))
            temporary.replace(file)
    tracking.close("done")


def conv_work(size: int) -> Callable[[], None]:
    """A step of a small network on one thread: gradients of images of this size."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.Conv2d(32, 3, 3)]
    net = nn.Sequential(*layers)
    optimizer = torch.optim.Adam(net.parameters(), 1e-4)
    images = torch.randn(1, 3, size, size)

    def work() -> None:
        optimizer.zero_grad()
        net(images).square().mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return work


class Server:
    """The fake tracking server behind a disturbed one, in a process of its own, so that it takes no time of a run."""

    def __init__(self) -> None:
        command = [sys.executable, __file__]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = str(self._answer()["url"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._child.stdin
        self._child.stdin.close()
        self._child.wait()

    def disturb(self, count: int, seconds: float, seed: int = 0) -> None:
        """Begins outages, so many in so many seconds; 0 ends them."""
        self._ask({"count": count, "seconds": seconds, "seed": seed})

    def forget(self) -> None:
        """Begins with an empty store."""
        self._ask({"forget": True})

    def state(self) -> dict[str, Any]:
        """Runs, points and files of the store, and `met`: the requests that met an outage."""
        return self._ask({"state": True})

    def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        assert self._child.stdin
        self._child.stdin.write(json.dumps(question) + "\n")
        self._child.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._child.stdout
        answer: dict[str, Any] = json.loads(self._child.stdout.readline())
        return answer


def serve() -> None:
    """The process of `Server`: a question on stdin, an answer on stdout, each a line of JSON."""
    store = FakeTracking()
    server = DisturbedServer(store.answer)
    print(json.dumps({"url": server.url}), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        answer: dict[str, Any] = {}
        if "forget" in question:
            store.__init__()  # type: ignore[misc]
            server.met = 0
        elif "state" in question:
            answer = {**store.state(), "met": server.met}
        elif question["count"]:
            windows = Windows(question["count"], question["seconds"], seed=question["seed"])
            server.fault = windows.fault
            windows.run(server)
        else:
            server.fault = lambda number: ""
        print(json.dumps(answer), flush=True)
    server.close()
    os._exit(0)


if __name__ == "__main__":
    serve()
