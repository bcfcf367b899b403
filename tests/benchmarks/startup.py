"""How long short commands take from the shell: medians of whole processes, wall and processor time.

    python tests/benchmarks/startup.py [--runs 10]

`--help`; `plan` of a pipeline that is up to date; `convert` of one 128-pixel PNG with a CycleGAN generator (resnet_9).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bundles import write
from PIL import Image
from spread import spread

PIPELINE = """\
version: 1
name: maps
tracking: none
stages:
  prepare:
    uses: preprocess
    with: {source: {uses: generated-maps, size: 32, train: 4, test: 2}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: cyclegan
      options:
        generator: {uses: resnet, blocks: 1, filters: 4}
        discriminator: {uses: patchgan, filters: 4, layers: 1}
      max_steps: 1
"""
COMMAND = [sys.executable, "-m", "translate"]


def once(arguments: list[str]) -> tuple[float, float]:
    """Seconds on the clock and of the processor of one process. Errors: CalledProcessError."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*COMMAND, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, used


def measure(name: str, arguments: list[str], runs: int, prepare: str = "") -> dict[str, dict[str, float]]:
    """Prints and returns the seconds of a command."""
    walls, processors = [], []
    for run in range(runs + 1):
        if prepare:
            shutil.rmtree(prepare, ignore_errors=True)
        wall, processor = once(arguments)
        if run:  # the first one warms the disk's cache
            walls.append(wall)
            processors.append(processor)
    extremes = f"{min(walls):.2f} to {max(walls):.2f}"
    print(f"{name:10} {statistics.median(walls):6.2f} s ({extremes})   processor {statistics.median(processors):.2f} s")
    return {f"{name}: seconds": spread(walls), f"{name}: seconds of the processor": spread(processors)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    runs, file = chosen.runs, chosen.json and chosen.json.absolute()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("maps.yaml").write_text(PIPELINE)
        once(["run", "maps.yaml", "--device", "cpu"])
        write(Path("model"), "resnet_9")
        pixels = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
        Image.fromarray(pixels).save("photo.png")
        figures = measure("--help", ["--help"], runs)
        figures |= measure("plan", ["plan", "maps.yaml"], runs)
        convert = ["convert", "photo.png", "out/photo.png", "--model", "model", "--device", "cpu"]
        figures |= measure("convert", convert, runs, prepare="out")
        figures |= measure("dry run", [*convert, "--dry-run"], runs)
    if file:
        file.write_text(json.dumps({"ratios": figures}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
