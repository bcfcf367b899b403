"""A small run of a pipeline, tracked, with pictures of plain colours: red inputs, blue outputs, green targets."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from translate.console import PlainConsole
from translate.imaging.io import write
from translate.storage import manifest
from translate.storage.pointer import point
from translate.tracking import open_tracking

RED, GREEN, BLUE = (220, 30, 30), (30, 160, 60), (30, 60, 220)
RESOLVED = """
version: 1
name: tiny
seed: 7
stages:
  prepare: {uses: preprocess, needs: {}, with: {}}
  train: {uses: train, needs: {data: prepare}, with: {method: pix2pix, max_steps: 40, batch_size: 2}}
  convert: {uses: infer, needs: {model: train, data: prepare}, with: {}}
  score: {uses: evaluate, needs: {images: convert, data: prepare}, with: {}}
"""
COLUMNS = ["metric", "better", "score", "95 %", "copy input", "best constant"]
STEPS = (0, 20, 40)


def flat(colour: tuple[int, int, int], side: int = 300) -> np.ndarray[Any, Any]:
    return np.full((side, side, 3), colour, np.uint8)


def prepared(folder: Path, names: tuple[str, ...] = ("one", "two")) -> None:
    """A pipeline's folder with prepared data that was converted."""
    parts = (("prepare-1/test/a", RED), ("prepare-1/test/b", GREEN), ("convert-1/images", BLUE))
    for part, colour in parts:
        for name in names:
            path = folder / part / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, flat(colour))
    facts = {"direction": "a_to_b", "split": "test", "source_side": "a", "target_side": "b", "pairs": True}
    manifest.write(folder / "prepare-1", {"stage": "prepare", "kind": "dataset"})
    parents = {"data": "prepare-1", "model": "train-1"}
    made = {"kind": "images", "facts": facts, "parents": parents, "versions": {"python": "3.11", "torch": "2.13"}}
    for stage in ("convert", "convert_16"):
        if stage != "convert":
            (folder / f"{stage}-1/images").mkdir(parents=True)
            write(folder / f"{stage}-1/images/one.png", flat(BLUE))
        manifest.write(folder / f"{stage}-1", {"stage": stage, **made})
        point(folder / stage, f"{stage}-1")
    point(folder / "prepare", "prepare-1")


def record(
    folder: Path, mode: Any, recipe: str = "a" * 64, ran: tuple[str, ...] = ("prepare", "train", "convert", "score")
) -> None:
    """A run of a small pipeline, tracked."""
    said = PlainConsole(io.StringIO(), io.StringIO())
    with open_tracking(
        mode, "tiny@quick", folder, recipe=recipe, resolved=RESOLVED, stages=ran, versions={}, console=said
    ) as tracking:
        if "train" in ran:
            train = tracking.stage("train")
            train.tags({"device": "cpu", "kept": "step 20, the best weights"})
            for step in range(1, 41):
                train.metrics({"gan": 1 / step, "l1": 2 / step, "grad_norm/g": 3 / step}, step)
            for number, step in enumerate(STEPS):
                train.image("samples/a_to_b", flat((90 * number, 20, 20), 96), step)
                train.metrics({"val/l1": 0.3 - step / 200}, step)
            tracking.stage("convert").image("converted", flat(BLUE), 0)
        score = tracking.stage("score")
        score.metrics({"l1": 0.1, "l1_copy": 0.2, "l1_constant": 0.3}, 0)
        rows = [["l1", "lower", 0.1, "0.08 to 0.12", 0.2, 0.3], ["psnr", "higher", 21.5, "20 to 22", 18.0, 12.0]]
        score.table("scores", COLUMNS, rows)
        one = folder / "convert-1/images/one.png"
        score.table(
            "cases", ["case", "image", "l1", "output"], [["worst 1", "one", 0.2, one], ["best 1", "two", 0.1, one]]
        )
        score.table("images", ["image", "l1", "output"], [["one", 0.2, one], ["two", 0.1, one]])
