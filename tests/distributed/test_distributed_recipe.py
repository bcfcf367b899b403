"""A recipe of the project with `torchrun`, from the data to the scores."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from two_processes import TORCHRUN

import translate

RECIPE = Path(__file__).resolve().parents[2] / "pipelines/maps_cyclegan.yaml"
SHORT = (
    "prepare.with.source.train=32",
    "prepare.with.source.val=3",
    "prepare.with.source.test=4",
    "train.with.max_steps=5",
    "train.with.validate.every=0.5",
)


def test_torchrun_runs_the_quick_profile_to_the_end(tmp_path: Path) -> None:
    sets = [text for key in SHORT for text in ("--set", f"stages.{key}")]
    command = [*TORCHRUN, "run", str(RECIPE), "--profile", "quick", "--device", "cpu", *sets]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "runs/maps-cyclegan@quick"
    assert "5 steps of 8 images, 4 steps an epoch" in done.stdout
    # each stage ran once, and one process spoke
    manifests = [json.loads(path.read_text()) for path in folder.glob("*-*/MANIFEST.json")]
    assert sorted(manifest["stage"] for manifest in manifests) == sorted(
        ("prepare", "train", "convert", "score", "back", "reconstruct", "convert_16", "back_16", "reconstruct_16")
    )
    assert done.stdout.count("train: done in") == 1 and done.stdout.count("score: done in") == 1
    assert re.search(r"time: .* exchange [\d.]+ %", done.stdout)
    model = translate.load(folder / "train", "cpu")
    assert model.info["step"] in (2, 4, 5) and {"val/l1", "val/swd"} <= model.info["metrics"].keys()
    state = json.loads((folder / "train/checkpoints/000000005/state.json").read_text())
    assert [entry["step"] for entry in state["progress"]["validations"]] == [2, 4, 5]
    assert state["processes"] == 2
