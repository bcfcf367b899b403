"""Sections with the real command: a training that is stopped and goes on, a conversion, an export."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from section import Options, Row

from translate.imaging.io import read

PIPELINE = """
version: 1
name: check
seed: 1
stages:
  prepare:
    uses: preprocess
    with: {{source: {{uses: generated-maps, kind: paired, size: {size}, train: 40, val: 4, test: 4}}}}
  train:
    uses: train
    needs: {{data: prepare}}
    with:
      method: pix2pix
      options:
        generator: {{uses: resnet, blocks: 2, filters: 8}}
        discriminator: {{uses: patchgan, filters: 8, layers: 2}}
      ema: 0.99
      steps: {steps}
      log_every: 10
      validate: {{every: {{steps: {steps}}}, metrics: [l1]}}
      checkpoint: {{steps: 20}}
"""


def run(options: Options, *arguments: str) -> tuple[int, str]:
    """Runs `translate` in the folder of the check; returns its exit code and all that it said."""
    command = [sys.executable, "-m", "translate", *arguments]
    done = subprocess.run(command, cwd=options.folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def pipeline(options: Options) -> Iterator[Row]:
    """A training by a pipeline file, stopped by a signal after its first steps, and run to its end."""
    steps = 60 if options.tiny else 600
    file = options.folder / "check.yaml"
    file.write_text(PIPELINE.format(size=32 if options.tiny else 128, steps=steps))
    command = [sys.executable, "-m", "translate", "run", str(file), "--device", options.device]
    with subprocess.Popen(command, cwd=options.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        wait_for_a_checkpoint(options.folder, process)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate()
    stopped = process.returncode
    code, said = run(options, "run", str(file), "--device", options.device)
    resumed = re.search(r"resuming at step ([\d,]+)", said)
    ok = stopped == 75 and code == 0 and resumed is not None
    last = (output.decode().strip().splitlines() or [""])[-1]
    detail = f"exit codes {stopped} and {code}, {resumed[0] if resumed else last}"
    yield Row("a training is stopped by SIGTERM and goes on", ok, detail)
    rate = re.search(r"[\d.,]+ images/s, waiting for data [\d.]+ %", said)
    yield Row("its rate", None, rate[0] if rate else "")


def wait_for_a_checkpoint(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Waits until a checkpoint is there, for two minutes at most, or until the process has ended."""
    for _ in range(1200):
        if [*folder.glob("runs/check/train*/checkpoints/*")] or process.poll() is not None:
            return
        time.sleep(0.1)


def convert(options: Options) -> Iterator[Row]:
    """A folder of images through the model, on the device and on the processor."""
    model = next(options.folder.glob("runs/check/train"), None)
    inputs = [*options.folder.glob("runs/check/prepare/**/val/*")]
    if model is None or not inputs:
        yield Row("convert as on the processor", False, "there is no model: the section `pipeline` makes it")
        return
    outputs = {}
    for device in (options.device, "cpu"):
        into = options.folder / f"converted-{device.replace(':', '-')}-{len(outputs)}"
        code, said = run(
            options,
            "convert",
            "--model",
            str(model),
            "--device",
            device,
            "--precision",
            "fp32",
            str(inputs[0]),
            str(into),
        )
        if code:
            yield Row("convert as on the processor", False, said.strip().splitlines()[-1])
            return
        files = sorted(file for file in into.rglob("*") if file.suffix in (".png", ".jpg"))
        outputs[device, len(outputs)] = [read(file).pixels.astype(np.int32) for file in files]
    mine, theirs = outputs.values()
    gap = max(int(np.abs(a - b).max()) for a, b in zip(mine, theirs, strict=True))
    yield Row(f"convert {len(mine)} images in fp32 as on the processor", gap <= 1, f"at most {gap}/255")


def export(options: Options) -> Iterator[Row]:
    """The model as an ONNX file, which the command compares with torch."""
    model = next(options.folder.glob("runs/check/train"), None)
    if model is None:
        yield Row("export", False, "there is no model: the section `pipeline` makes it")
        return
    code, said = run(options, "models", "export", str(model), str(options.folder / "onnx"), "--exporter", "torchscript")
    lines = [line for line in said.strip().splitlines() if "differ" in line or code] or [""]
    yield Row("export of a model that was trained there", code == 0, lines[-1][-120:])
