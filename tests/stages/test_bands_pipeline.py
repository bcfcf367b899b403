"""Pairs of 6-band uint16 and 2-band float32 TIFF from the first command to the last: trained, killed, resumed,
converted, scored."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import warm

Array = np.ndarray[Any, Any]

PIPELINE = """
version: 1
name: bands
seed: 3
tracking: none
stages:
  prepare:
    uses: preprocess
    with:
      source: {uses: pairs, a: data/train/a, b: data/train/b, test: {a: data/test/a, b: data/test/b}}
      normalise: {input: {percentiles: [1, 99]}, target: {range: [[-50, 270], [0, 0.002]]}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: pix2pix
      options: {generator: {uses: unet, levels: 3, filters: 4}, discriminator: {uses: patchgan, filters: 4, layers: 1}}
      augment: [{uses: random-crop, size: 24}, {uses: horizontal-flip, p: 0.5}]
      batch_size: 2
      epochs: 100
      max_steps: 12
      precision: fp32
      log_every: 1
      checkpoint: {steps: 2}
      validate: {every: 2, metrics: [l1], images: 2, samples: 2}
  convert:
    uses: infer
    needs: {model: train, data: prepare}
  scores:
    uses: evaluate
    needs: {images: convert, data: prepare}
    with: {metrics: [l1, psnr, swd]}
"""
SCALES = np.array([400, 900, 2000, 3000, 50, 40000])


def pair(rng: np.random.Generator) -> tuple[Array, Array]:
    """Six bands, and two that follow from them: degrees below and above zero, and a small share."""
    scene = rng.random((4, 4, 1)).repeat(8, 0).repeat(8, 1)
    bands = (scene * SCALES + rng.normal(0, 5, (32, 32, 6))).clip(0, 65535).astype(np.uint16)
    return bands, np.concatenate([scene * 300 - 40, 1e-3 * (1 - scene)], axis=2).astype(np.float32)


def make(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 3)):
        for number in range(count):
            for side, array in zip("ab", pair(rng), strict=True):
                path = folder / "data" / split / side / f"{number}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                tifffile.imwrite(path, array, photometric="minisblack", planarconfig="contig")
    (folder / "bands.yaml").write_text(PIPELINE)
    return folder


def start(folder: Path, *words: str) -> warm.Program:
    command = ["-m", "translate", *words]
    return warm.Program(command, folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def run(folder: Path, *words: str) -> str:
    process = start(folder, *words)
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    return printed


def steps_of(folder: Path) -> dict[int, dict[str, float]]:
    """The losses that were logged last for each step."""
    steps: dict[int, dict[str, float]] = {}
    for path in (folder / "runs" / "bands" / ".tracking").rglob("journal.jsonl"):
        for line in path.read_text().splitlines():
            event = json.loads(line)
            if event["e"] == "metrics":
                losses = {
                    k: v for k, v in event["v"].items() if not any(word in k for word in ("second", "wait", "peak"))
                }
                steps.setdefault(event["s"], {}).update(losses)
    return steps


def weights(folder: Path) -> bytes:
    return (folder / "runs" / "bands" / "train" / "translator" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the whole pipeline ran."""
    folder = make(tmp_path_factory.mktemp("whole"))
    printed = run(folder, "run", "bands.yaml", "--device", "cpu")
    assert "side target: -50 to 270, 0 to 0.002 (as stated) become -1 and 1" in printed
    assert "(percentiles 1 and 99 of train) become -1 and 1; values outside are clipped" in printed
    return folder


def test_the_dataset_states_bands_types_and_ranges(whole: Path) -> None:
    folder = whole / "runs" / "bands" / "prepare"
    facts = json.loads((folder / "dataset.json").read_text())["facts"]
    samples = [tifffile.imread(path) for path in sorted((whole / "data/train/a").iterdir())]
    values = np.stack(samples).reshape(-1, 6)
    low = np.percentile(values, 1, axis=0, method="lower")
    high = np.percentile(values, 99, axis=0, method="higher")
    assert facts["channels"] == {"input": 6, "target": 2}
    assert facts["types"]["input"]["dtype"] == "uint16" and facts["types"]["target"]["dtype"] == "float32"
    assert np.array_equal(np.array(facts["types"]["input"]["range"]).T, [low, high])
    assert facts["types"]["target"]["range"] == [[-50, 270], [0, 0.002]]
    for side in "ab":
        name = {"a": "input", "b": "target"}[side]
        original, kept = whole / "data/test" / side / "1.tif", folder / "test" / name / "1.tif"
        assert np.array_equal(tifffile.imread(kept), tifffile.imread(original))


def test_a_killed_training_goes_on_bit_equal(whole: Path, tmp_path: Path) -> None:
    folder = make(tmp_path)
    process = start(folder, "run", "bands.yaml", "--device", "cpu", "--until", "train")
    until = time.monotonic() + 120
    while len(steps_of(folder)) < 5:
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (folder / "runs" / "bands" / "train" / "translator").exists()
    run(folder, "run", "bands.yaml", "--device", "cpu", "--until", "train")
    assert weights(folder) == weights(whole)
    alone, killed = steps_of(whole), steps_of(folder)
    assert {step: killed[step] for step in range(7, 13)} == {step: alone[step] for step in range(7, 13)}


def check_outputs(folder: Path) -> None:
    for number in range(3):
        output = tifffile.imread(folder / f"{number}.tif")
        assert output.shape == (32, 32, 2) and output.dtype == np.float32
        assert output[..., 0].min() >= -50 and output[..., 0].max() <= 270
        assert output[..., 1].min() >= 0 and output[..., 1].max() <= 0.002
        assert output[..., 0].std() > 0 and output[..., 1].std() > 0


def test_outputs_have_the_bands_type_and_range_of_the_target(whole: Path) -> None:
    check_outputs(whole / "runs" / "bands" / "convert" / "images")
    run(whole, "convert", "data/test/a", "out", "--model", "runs/bands/train", "--device", "cpu", "--precision", "fp32")
    check_outputs(whole / "out")
    for number in range(3):
        ours, stage = (
            tifffile.imread(whole / place / f"{number}.tif") for place in ("out", "runs/bands/convert/images")
        )
        assert np.array_equal(ours, stage)
    (whole / "arrays").mkdir()
    np.save(whole / "arrays" / "0.npy", tifffile.imread(whole / "data/test/a/0.tif"))
    words = ("--model", "runs/bands/train", "--device", "cpu", "--precision", "fp32")
    run(whole, "convert", "arrays", "out-arrays", *words, "--format", "npy")
    assert np.array_equal(np.load(whole / "out-arrays" / "0.npy"), tifffile.imread(whole / "out" / "0.tif"))
    run(whole, "convert", "data/test/a", "out-strips", *words, "--tile", "8")
    strips, plain = (tifffile.imread(whole / place / "2.tif") for place in ("out-strips", "out"))
    assert np.abs(strips - plain).max(axis=(0, 1)) == pytest.approx([0, 0], abs=1e-3)


def test_an_exported_file_keeps_the_ranges(whole: Path) -> None:
    pytest.importorskip("onnxruntime")
    run(whole, "models", "export", "runs/bands/train", "onnx", "--exporter", "torchscript")
    card = (whole / "onnx" / "a_to_b.md").read_text()
    assert "- `image`: N x 6 x H x W float32 in [-1, 1], (value - low) / (high - low) * 2 - 1, clipped: low and" in card
    assert "(value + 1) / 2 * (high - low) + low: low and high are -50 and 270, 0 and 0.002, band by band" in card
    assert "```python" not in card
    run(whole, "convert", "data/test/a", "out-onnx", "--model", "onnx/a_to_b.onnx", "--device", "cpu")
    for number in range(3):
        ours, torch_s = (
            tifffile.imread(whole / p / f"{number}.tif") for p in ("out-onnx", "runs/bands/convert/images")
        )
        assert np.abs(ours - torch_s).max(axis=(0, 1)) == pytest.approx([0, 0], abs=1e-3)


def test_scores_count_the_range_as_zero_to_one(whole: Path) -> None:
    scores = json.loads((whole / "runs/bands/scores/scores.json").read_text())["scores"]
    by_name = {score["metric"]: score["score"] for score in scores}
    differences = []
    for number in range(3):
        output = tifffile.imread(whole / f"runs/bands/convert/images/{number}.tif").astype(np.float64)
        difference = np.abs(output - tifffile.imread(whole / f"data/test/b/{number}.tif")) / [320, 0.002]
        differences.append(difference.mean())
    assert by_name["l1"] == pytest.approx(np.mean(differences), rel=1e-4)
    assert by_name["psnr"] > 0


@pytest.mark.parametrize(
    ("shape", "dtype", "words"),
    [
        ((32, 32, 3), np.uint8, "the image has 3 channels, and this model takes 6"),
        ((32, 32, 5), np.uint16, "the image has 5 channels, and this model takes 6"),
    ],
)
def test_other_images_are_refused_by_name(whole: Path, tmp_path: Path, shape: Any, dtype: Any, words: str) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.zeros(shape, dtype), photometric="minisblack", planarconfig="contig")
    process = start(whole, "convert", str(tmp_path / "x.tif"), str(tmp_path / "o.tif"), "--model", "runs/bands/train")
    printed, _ = process.communicate()
    assert process.returncode == 3 and words in printed
    assert not (tmp_path / "o.tif").exists()
