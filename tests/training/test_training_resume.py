"""A killed training goes on as if it had never stopped: every later loss and every weight is bit-equal."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
import warm

PIPELINE = """
version: 1
name: tiny
seed: 3
tracking: none
stages:
  prepare:
    uses: preprocess
    with: {{source: {{uses: generated-maps, kind: {kind}, size: 32, train: 10, val: 2, test: 2}}}}
  train:
    uses: train
    needs: {{data: prepare}}
    with:
      method: {method}
      options: {options}
      augment: [{{uses: random-crop, size: 32}}, {{uses: horizontal-flip, p: 0.5}}]
      optimizer: {{uses: adam, lr: 2e-4}}
      schedule: {{uses: linear-decay, start: 2}}
      epochs: 6
      max_steps: 30
      batch_size: 2
      ema: 0.9
      precision: {precision}
      log_every: 1
      checkpoint: {{steps: 4}}
      validate: {{every: 2, metrics: [swd], images: 2, samples: 2}}
"""
CRITIC = "discriminator: {uses: patchgan, filters: 4, layers: 1}"
CYCLEGAN = f"{{generator: {{uses: resnet, blocks: 1, filters: 4}}, {CRITIC}, pool: 3}}"
PIX2PIX = f"{{generator: {{uses: unet, levels: 4, filters: 4}}, {CRITIC}}}"


COMMAND = ["-m", "translate", "run", "tiny.yaml", "--until", "train"]


def losses(folder: Path) -> dict[tuple[str, int], float]:
    """The last value logged of every curve and step, but for speeds."""
    points: dict[tuple[str, int], float] = {}
    for path in sorted((folder / "runs" / "tiny" / ".tracking").rglob("journal.jsonl")):
        for line in path.read_text().splitlines():
            event = json.loads(line)
            if event["e"] == "metrics":
                points.update({(name, event["s"]): value for name, value in event["v"].items()})
    return {
        k: v
        for k, v in points.items()
        if k[0].startswith("train/") and not any(w in k[0] for w in ("second", "wait", "peak"))
    }


def weights(folder: Path) -> bytes:
    return (folder / "runs" / "tiny" / "train" / "translator" / "model.safetensors").read_bytes()


def stop_after(folder: Path, step: int, number: int) -> int:
    """Starts the run, sends a signal to all of its processes once it has logged `step`; returns the exit code."""
    process = warm.Program(COMMAND, folder)
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        if any(s >= step for _, s in losses(folder)):
            break
        time.sleep(0.01)
    os.killpg(process.pid, number)
    return process.wait()


@pytest.mark.parametrize(
    ("method", "kind", "options", "precision"),
    [("cyclegan", "unpaired", CYCLEGAN, "fp32"), ("pix2pix", "paired", PIX2PIX, "bf16")],
    ids=["cyclegan-fp32", "pix2pix-bf16"],
)
def test_kill_9_changes_nothing(tmp_path: Path, method: str, kind: str, options: str, precision: str) -> None:
    text = PIPELINE.format(method=method, kind=kind, options=options, precision=precision)
    folders = [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        folder.mkdir()
        (folder / "tiny.yaml").write_text(text)
    whole, killed = folders
    assert warm.run(COMMAND, whole).returncode == 0
    for step in (6, 17):
        stop_after(killed, step, signal.SIGKILL)
    done = warm.run(COMMAND, killed)
    assert done.returncode == 0
    assert "resuming at step" in done.stdout + done.stderr
    expected = losses(whole)
    assert {s for _, s in expected} == set(range(1, 31))
    assert losses(killed) == expected
    assert weights(killed) == weights(whole)


def test_sigterm_to_all_processes_saves_and_exits_75(tmp_path: Path) -> None:
    text = PIPELINE.format(method="pix2pix", kind="paired", options=PIX2PIX, precision="fp32")
    (tmp_path / "tiny.yaml").write_text(
        text.replace("steps: 4", "steps: 1000")
        .replace("max_steps: 30", "max_steps: 3000")
        .replace("epochs: 6", "epochs: 600")
    )
    assert stop_after(tmp_path, 6, signal.SIGTERM) == 75
    (partial,) = (tmp_path / "runs" / "tiny").glob("train-*.partial")
    (saved,) = (p for p in (partial / "checkpoints").iterdir() if (p / "MANIFEST.json").is_file())
    assert int(saved.name) >= 6
