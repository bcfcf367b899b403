"""A folder in which the commands of the pages work as they stand: tiny recipes, images, two trained models."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import warm
import yaml
from PIL import Image

from translate.models.bundle import write_bundle
from translate.networks import network_builder
from translate.pipeline.schema import load
from translate.plugins import Registry
from translate.testing.batches import tiny_spec

ROOT = Path(__file__).parents[2]
QUICK = ("maps_cyclegan", "faces_genegan")
SMALL = {"train": 8, "val": 2, "test": 4}


def make(folder: Path) -> None:
    """Fills an empty folder. The trained models are those of the quick profiles after two steps."""
    (folder / "pipelines").mkdir(parents=True)
    for recipe in sorted((ROOT / "pipelines").glob("*.yaml")):
        text = yaml.safe_dump(tiny(recipe), sort_keys=False)
        (folder / "pipelines" / recipe.name).write_text(text, "utf-8")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    make_images(folder)
    make_drawing_model(folder / "runs" / "edges2shoes-bicyclegan@quick" / "train" / "translator")
    make_checkpoint(folder / "checkpoints" / "maps_cyclegan" / "latest_net_G.pth")
    for name in QUICK:
        done = warm.translate(folder, "run", f"pipelines/{name}.yaml", "--profile", "quick", "--until", "train")
        assert done.returncode == 0, done.stdout + done.stderr


def tiny(recipe: Path) -> dict[str, Any]:
    """A recipe whose every profile is the quick one, with a few images and two steps."""
    pipeline = load(recipe).root.plain()
    stages = {name: stage.plain() for name, stage in load(recipe, "quick").stages()}
    for stage in stages.values():
        if stage["uses"] == "preprocess":
            stage["with"]["source"] |= SMALL
        if stage["uses"] == "train":
            stage["with"]["max_steps"] = 2
    profiles: dict[str, Any] = {name: {} for name in pipeline["profiles"]}
    return {**pipeline, "stages": stages, "profiles": profiles}


def make_images(folder: Path) -> None:
    """Images under the names that the pages use."""
    rng = np.random.default_rng(1)
    sets = ["photos", "photos/train", "photos/test", "drawings/train", "drawings/test"]
    sets += ["photos-and-drawings/trainA", "photos-and-drawings/trainB"]
    files = [f"{name}/{number}.jpg" for name in sets for number in (1, 2)]
    for name in ["photo.jpg", "a.jpg", "face.png", "hat.png", *files]:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        height, width = (64, 64) if file.suffix == ".png" else (72, 96)
        Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8)).save(file)


def make_drawing_model(folder: Path) -> None:
    """A model that draws noise, as its quick profile makes it but for the training."""
    registry = Registry()
    kind = registry.get("methods", "bicyclegan")
    options = {"generator": {"uses": "bicyclegan/unet", "levels": 3, "filters": 4}}
    method = kind(kind.Config.model_validate(options), tiny_spec(kind.data), dict(kind.losses))
    nets = method.networks(network_builder(registry))
    provider = registry.provider("methods", "bicyclegan")
    write_bundle(folder, method=method, method_name="bicyclegan", nets=nets, provider=provider, info={})


def make_checkpoint(file: Path) -> None:
    """A generator as another program would have saved it."""
    place = ROOT / "tests" / "models" / "reference_checkpoints.py"
    spec = importlib.util.spec_from_file_location("reference_checkpoints", place)
    assert spec
    assert spec.loader
    reference = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = reference
    spec.loader.exec_module(reference)
    file.parent.mkdir(parents=True)
    torch.save(reference.Layout("resnet", 6, "instance").checkpoint(), file)
