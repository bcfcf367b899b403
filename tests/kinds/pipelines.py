"""Pipelines and folders that the cases of preparing and training begin with."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from kinds.images import noise, save
from kinds.lab import Lab

PREPARE = "version: 1\nname: {name}\nstages:\n  prepare: {{uses: preprocess, with: {{source: {source}{more}}}}}\n"
TRAIN = """version: 1
name: {name}
seed: 1
stages:
  prepare: {{uses: preprocess, with: {{source: {source}}}}}
  train:
    uses: train
    needs: {{data: prepare}}
    with:
      method: pix2pix
      options:
        generator: {{uses: unet, levels: 3, filters: 4}}
        discriminator: {{uses: patchgan, filters: 4, layers: 1}}
      augment: [{{uses: random-crop, size: 32}}]
      log_every: 1
{more}
"""
SPLIT = "{uses: pairs, root: d, layout: split/side}"


def pairs(lab: Lab, count: int, size: int = 48, splits: tuple[str, ...] = ("train",)) -> None:
    """d/SPLIT/A and d/SPLIT/B with so many pairs."""
    for split in splits:
        for number in range(count):
            pixels = noise(size, size, seed=number)
            save(lab.folder / "d" / split / "A" / f"{number:03d}.png", pixels)
            save(lab.folder / "d" / split / "B" / f"{number:03d}.png", 255 - pixels)


def two_sets(lab: Lab, count: int = 3, a: str = "A", b: str = "B", size: int = 48) -> None:
    """Two folders of pictures."""
    for folder in (a, b):
        for number in range(count):
            save(lab.folder / folder / f"{number}.png", noise(size, size, seed=number))


def prepare(lab: Lab, source: str, more: str = "", name: str = "p") -> Path:
    path = lab.folder / f"{name}.yaml"
    path.write_text(PREPARE.format(name=name, source=source, more=more))
    return path


def train(lab: Lab, more: str, name: str = "a", source: str = SPLIT) -> Path:
    path = lab.folder / f"{name}.yaml"
    path.write_text(
        TRAIN.format(name=name, source=source, more="\n".join("      " + line for line in more.splitlines()))
    )
    return path


def artifacts(lab: Lab, place: Path) -> list[str]:
    """What MLflow itself lists of each run of a place."""
    code = (
        "from mlflow import MlflowClient\nc = MlflowClient('sqlite:///mlflow.db')\n"
        "for e in c.search_experiments():\n    for r in c.search_runs([e.experiment_id]):\n"
        "        print(r.info.run_name, len(c.list_artifacts(r.info.run_id)))"
    )
    done = lab.python(code, cwd=place)
    return [line for line in done.out.splitlines() if line]


def interrupted(lab: Lab, number: int) -> tuple[int | None, float]:
    """Starts `a.yaml`, sends it a signal once it trains; its exit code, and the seconds that it took to end."""
    with (lab.folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "translate", "run", "a.yaml"],
            cwd=lab.folder,
            env=lab.environment(),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=partial(signal.signal, signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509, since nohup ignores it
        )
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and not re.search(rb"step \d+/", (lab.folder / "log").read_bytes()):
            time.sleep(0.3)
        time.sleep(4)
        process.send_signal(number)
        start = time.monotonic()
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None, time.monotonic() - start
    return process.returncode, time.monotonic() - start
