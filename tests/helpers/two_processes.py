"""A pipeline in a folder of its own, and processes that run it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

PIPELINE = """
version: 1
name: tiny
seed: 3
tracking: none
stages:
  prepare:
    uses: preprocess
    with: {source: {uses: generated-maps, kind: unpaired, size: 32, train: 12, val: 3, test: 2}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: cyclegan
      options:
        generator: {uses: resnet, blocks: 1, filters: 4}
        discriminator: {uses: patchgan, filters: 4, layers: 1}
        pool: 3
      augment: [{uses: horizontal-flip, p: 0.5}]
      epochs: 6
      batch_size: 1
      ema: 0.9
      precision: fp32
      log_every: 1
      workers: 0
      checkpoint: {steps: 4}
      validate: {every: {steps: 12}, metrics: [l1], images: 3, samples: 2}
"""
STEPS = 36
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "translate"]
DEVICES = [sys.executable, "-m", "translate"]


class Run:
    """Runs the pipeline in `folder` in two processes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.started = folder, list[subprocess.Popen[str]]()
        folder.mkdir()
        (folder / "tiny.yaml").write_text(PIPELINE)

    @property
    def stage(self) -> Path:
        """The stage's folder, finished or not."""
        (folder,) = [f for f in (self.folder / "runs/tiny").glob("train-*") if f.is_dir()]
        return folder

    def start(self, *arguments: str, torchrun: bool = False) -> subprocess.Popen[str]:
        command = TORCHRUN if torchrun else DEVICES
        devices = [] if torchrun else ["--devices", "2"]
        process = subprocess.Popen(
            [*command, "run", "tiny.yaml", "--until", "train", "--device", "cpu", *devices, *arguments],
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.started.append(process)
        return process

    def to_the_end(self, *arguments: str, torchrun: bool = False) -> tuple[int, str]:
        """The exit code and all that was said."""
        process = self.start(*arguments, torchrun=torchrun)
        said, _ = process.communicate(timeout=200)
        return process.returncode, said

    def wait_for(self, step: int) -> None:
        """Waits for a checkpoint."""
        deadline = time.monotonic() + 120
        while not list((self.folder / "runs/tiny").glob(f"train-*/checkpoints/{step:09d}")):
            assert time.monotonic() < deadline, "no checkpoint"
            time.sleep(0.02)

    def rank(self, process: subprocess.Popen[str], number: int) -> psutil.Process:
        """One of the two processes that train."""
        for child in psutil.Process(process.pid).children():
            if child.environ().get("RANK") == str(number):
                return child
        raise AssertionError("it does not run")
