"""A pipeline in a folder of its own, and processes that run it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import forking_launcher
import psutil
import warm

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
Process = subprocess.Popen[str] | warm.Program


class Run:
    """Runs the pipeline in `folder` in two processes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.started = folder, list[Process]()
        folder.mkdir()
        (folder / "tiny.yaml").write_text(PIPELINE)

    @property
    def stage(self) -> Path:
        """The stage's folder, finished or not."""
        (folder,) = [f for f in (self.folder / "runs/tiny").glob("train-*") if f.is_dir()]
        return folder

    def start(self, *arguments: str, torchrun: bool = False, cold: bool = False) -> Process:
        """Starts it. The processes are forks of one that has made their imports, or, if `cold`, real ones."""
        command = ["run", "tiny.yaml", "--until", "train", "--device", "cpu", *arguments]
        if not torchrun and "--devices" not in arguments:
            command += ["--devices", "2"]
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        process: Process
        if cold:
            command = [*(TORCHRUN if torchrun else DEVICES), *command]
            pipe, both = subprocess.PIPE, subprocess.STDOUT
            process = subprocess.Popen(command, cwd=self.folder, env=env, text=True, stdout=pipe, stderr=both)
        else:
            command = [forking_launcher.FILE, *(TORCHRUN if torchrun else DEVICES)[2:], *command]
            process = warm.Program(command, self.folder, env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
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

    def rank(self, number: int) -> psutil.Process:
        """One of the two processes that train, where they are forks."""
        return psutil.Process(int((self.folder / f"rank-{number}.pid").read_text()))
