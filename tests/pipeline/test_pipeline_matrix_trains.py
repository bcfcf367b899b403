"""A matrix over seeds trains two models, each as if it were written out, and goes on after `kill -9`."""

from __future__ import annotations

from pathlib import Path

import pytest
import warm

from translate.pipeline import run
from translate.pipeline.runner import Result

BASE = """\
version: 1
name: base
tracking: none
stages:
  prepare: {uses: preprocess, with: {source: {uses: generated-maps, kind: paired, size: 32, train: 4, val: 2, test: 2}}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: pix2pix
      options: {generator: {uses: unet, levels: 3, filters: 4}, discriminator: {uses: patchgan, filters: 4, layers: 1}}
      epochs: 2
      checkpoint: {steps: 4}
  convert: {uses: infer, needs: {model: train, data: prepare}}
"""
SEEDS = "extends: base.yaml\nname: NAME\nstages: {train: {matrix: {seed: [1, 2]}}}\n"
WRITTEN = """\
extends: base.yaml
name: written
stages:
  train: null
  convert: null
  train-2:
    uses: train
    needs: {data: prepare}
    seed: 2
    with:
      method: pix2pix
      options: {generator: {uses: unet, levels: 3, filters: 4}, discriminator: {uses: patchgan, filters: 4, layers: 1}}
      epochs: 2
      checkpoint: {steps: 4}
"""
KILLED = """
import os, signal
from translate.pipeline import run
from translate.plugins import Registry

emit = Registry.emit

def killing(self, event, **facts):
    if event == "checkpoint_saved" and facts["stage"] == "train-2" and facts["step"] == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return emit(self, event, **facts)

Registry.emit = killing
run("killed.yaml", device="cpu")
"""
"""A run that is killed between the two epochs of the second training."""


def weights(result: Result, stage: str) -> bytes:
    return (result.stages[stage] / "translator" / "model.safetensors").read_bytes()


@pytest.mark.usefixtures("one_thread")  # as in the killed process
def test_two_trainings_that_differ_by_the_seed_survive_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("base", BASE), ("written", WRITTEN), ("whole", SEEDS), ("killed", SEEDS)):
        Path(f"{name}.yaml").write_text(text.replace("NAME", name))
    whole = run("whole.yaml", device="cpu")
    assert whole.ran == ("prepare", "train-1", "train-2", "convert-1", "convert-2")
    assert weights(whole, "train-1") != weights(whole, "train-2")
    images = [sorted((whole.stages[f"convert-{seed}"] / "images").rglob("*.png")) for seed in (1, 2)]
    assert [len(files) for files in images] == [2, 2]
    assert images[0][0].read_bytes() != images[1][0].read_bytes(), "each is converted by its own model"
    assert weights(run("written.yaml", device="cpu"), "train-2") == weights(whole, "train-2")

    killed = warm.run(["-c", KILLED], tmp_path)
    assert killed.returncode == -9, killed.stderr
    resumed = run("killed.yaml", device="cpu")
    assert resumed.ran == ("train-2", "convert-1", "convert-2")
    assert [weights(resumed, f"train-{seed}") for seed in (1, 2)] == [
        weights(whole, f"train-{seed}") for seed in (1, 2)
    ]
