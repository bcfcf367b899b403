"""Folders of generated pictures, and one of them evaluated against another."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from translate.contracts import MetricUse
from translate.imaging.io import write
from translate.metrics.folders.comparing import Evaluation, Folders, evaluate_folders
from translate.plugins import Registry


def scene(seed: int, size: int = 64) -> np.ndarray:
    """A picture with shapes, shades and some grain."""
    rng = np.random.default_rng(seed)
    shades = np.linspace(40, 200, size)[:, None, None] * rng.uniform(0.5, 1.2, 3)
    picture = np.broadcast_to(shades, (size, size, 3)).astype(np.float32).copy()
    for _ in range(6):
        centre = rng.integers(0, size, 2).tolist()
        cv2.circle(picture, centre, int(rng.integers(4, 16)), rng.uniform(0, 255, 3).tolist(), -1)
    return (picture + rng.normal(0, 6, picture.shape)).clip(0, 255).astype(np.uint8)


def folder(path: Path, seeds: range, change=lambda pixels: pixels, suffix: str = ".png", name: str = "") -> Path:
    path.mkdir(parents=True)
    for number, seed in enumerate(seeds):
        write(path / f"{name}{number:03d}{suffix}", change(scene(seed)))
    return path


def evaluated(a: Path, b: Path, *names: str, **more: Path) -> Evaluation:
    uses = [MetricUse(uses=name) for name in names] or None
    return evaluate_folders(Folders(a, b, **more), Registry(), uses)
