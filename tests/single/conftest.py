"""Data that holds only targets, prepared on disk, and a method that enlarges twice without having learnt to."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from translate import Direction, Method, NoOptions, bicubic
from translate.console import PlainConsole
from translate.contracts import Artifact, DataSpec, StageContext
from translate.data.dataset import write_index
from translate.imaging.io import write
from translate.inference.directions import describe
from translate.models.bundle import write_bundle
from translate.plugins import Registry

KEYS = ["deep/one", "two"]


class Doubling(Method[NoOptions]):
    """Repeats every pixel of an image that was halved; the second direction also gets noise that it was shown."""

    name, data = "doubling", "single"
    players = {"G": ("net",)}
    losses = {"none": 1.0}
    directions = {
        "enlarge": Direction(nets=("net",), scale=2),
        "fill": Direction(nets=("net",), inputs=("image", "mask")),
    }

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"net": nn.Upsample(scale_factor=2)}

    def step(self, nets: Any, batch: Any, step: Any) -> Any:
        yield

    def degrade(self, target: Tensor, direction: str, rng: torch.Generator) -> Tensor | Mapping[str, Tensor]:
        if direction == "enlarge":
            return bicubic(target, 0.5)
        mask = (torch.rand(target.shape[-2:], generator=rng) < 0.5).float()[None, None] * 2 - 1
        return {"image": torch.where(mask > 0, 0.0, target), "mask": mask}

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        if direction == "enlarge":
            return nets.net(inputs["image"])
        return torch.where(inputs["mask"][:, :1] > 0, 1.0, inputs["image"])


class Shop(Registry):
    def get(self, kind: Any, name: str) -> Any:
        return Doubling if (kind, name) == ("methods", "doubling") else super().get(kind, name)


class Tracker:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self.told.setdefault(name, []).append((args, kwargs))


@pytest.fixture
def registry() -> Registry:
    return Shop([])


@pytest.fixture
def targets() -> dict[str, np.ndarray[Any, Any]]:
    draw = np.random.default_rng(0)
    return {key: draw.integers(0, 256, (20, 24, 3), dtype=np.uint8) for key in KEYS}


@pytest.fixture
def data(tmp_path: Path, targets: dict[str, np.ndarray[Any, Any]]) -> Artifact:
    folder = tmp_path / "data"
    for key, image in targets.items():
        path = folder / "test/image" / f"{key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, image)
    facts = {
        "kind": "single",
        "splits": ["test"],
        "pairs": ["test"],
        "classes": [],
        "palette": [],
        "direction": "a_to_b",
        "channels": {"image": 3},
        "size": [20, 24],
        "bits": 8,
    }
    write_index(folder, facts, {"test": {"image": KEYS}}, {"test": [[20, 24], [20, 24]]})
    return Artifact("dataset", folder, facts)


@pytest.fixture
def method() -> Doubling:
    return Doubling(NoOptions(), DataSpec("single", {"image": 3}, (20, 24)), {"none": 1.0})


@pytest.fixture
def model(tmp_path: Path, method: Doubling) -> Artifact:
    nets = method.networks(None)
    write_bundle(tmp_path / "model", method=method, method_name="doubling", nets=nets, provider={}, info={})
    facts = {"method": "doubling", "data": "single", "directions": describe(Doubling)}
    return Artifact("model", tmp_path / "model", facts)


@pytest.fixture
def context(registry: Registry) -> Callable[..., StageContext]:
    def make(folder: Path, **inputs: Artifact) -> StageContext:
        folder.mkdir(exist_ok=True)
        told = PlainConsole(io.StringIO(), io.StringIO())
        return StageContext("p", "s", folder, inputs, 7, "cpu", Tracker(), told, registry, lambda *a, **k: None)

    return make
