"""Pipelines on file systems that lack locks, links, fsync, or renames that replace; a preloaded library makes them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import warm
from database_template import UNDO
from PIL import Image

from translate.storage.lock import Lock

SOURCE = Path(__file__).parent.parent / "storage" / "poor_file_system.c"
PIPELINE = """
version: 1
name: tiny
stages:
  prepare:
    uses: preprocess
    with: {source: {uses: generated-maps, kind: paired, size: 32, train: 4, val: 2}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: pix2pix
      options:
        generator: {uses: unet, levels: 4, filters: 4}
        discriminator: {uses: patchgan, filters: 4, layers: 1}
      max_steps: 4
      checkpoint: {steps: 2}
      validate: {metrics: [l1], images: 2, samples: 1}
  translate: {uses: infer, needs: {model: train, data: prepare}}
  score: {uses: evaluate, needs: {images: translate, data: prepare}, with: {metrics: [l1]}}
"""
KINDS = {
    "Lustre": "flock=38 lock=37",
    "FUSE": "flock=95 fsync=22 dirsync=22 symlink=1 link=1",
    "all": "flock=38 lock=38 fsync=22 dirsync=5 symlink=95 link=38 rename=17",
}
"""What file systems lack, with the errno of each call."""
NOTES = {
    "Lustre": ["has no locks (flock)"],
    "FUSE": ["has no locks (flock)", "has no fsync", "has no links"],
    "all": ["has no locks (flock)", "has no fsync", "has no links", "replaces no file"],
}
TRANSLATE = f"""
{UNDO}
from translate.cli import main
main(prog_name="translate")
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes calls fail."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler is here that makes a library to preload")
    path = tmp_path_factory.mktemp("library") / "poor.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", path, SOURCE, "-ldl"], check=True)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_pipeline_runs_and_says_what_is_weaker(kind: str, library: Path, tmp_path: Path) -> None:
    poor = {"LD_PRELOAD": str(library), "POOR": KINDS[kind], "POOR_ROOT": str(tmp_path.resolve())}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **poor}

    def translate(*arguments: str) -> str:
        done = warm.run(["-c", TRANSLATE, *arguments], tmp_path, environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    (tmp_path / "tiny.yaml").write_text(PIPELINE)
    said = translate("run", "tiny.yaml")
    notes = [line for line in said.splitlines() if line.startswith("note: the file system of runs/tiny")]
    assert len(notes) == len(NOTES[kind]) and all(words in line for words, line in zip(NOTES[kind], notes, strict=True))
    assert "set MLFLOW_TRACKING_URI to one on another disk" in said
    assert "nothing to do" in translate("run", "tiny.yaml")

    images = tmp_path / "images"
    images.mkdir()
    for name in ("one.png", "two.png"):
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(images / name)
    for _ in range(2):
        translate("convert", "images", "out", "--model", "runs/tiny/train")
    assert {"one.png", "two.png", "results.jsonl", "contact.html"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }

    left = [path.name for path in tmp_path.rglob(".*") if path.name.endswith((".tmp", ".old", ".lock", ".held"))]
    assert left == []
    with Lock(tmp_path / "runs" / "tiny" / ".lock"):
        pass
