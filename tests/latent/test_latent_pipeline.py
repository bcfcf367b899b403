"""Games in a pipeline: samples in the places of a split, classes that are asked for, and what scores see of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import translate
from translate.imaging.io import read
from translate.pipeline.schema import load
from translate.storage import manifest

PIPELINE = """
version: 1
name: tiny
seed: 3
tracking: none
stages:
  prepare:
    uses: preprocess
    with: {source: {uses: portraits, KIND, size: 16, train: 24, val: 3, test: 12}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: METHOD
      options: OPTIONS
      max_steps: 2
      batch_size: 4
      precision: fp32
      workers: 0
      validate: {metrics: [swd]}
  convert: {uses: infer, needs: {model: train, data: prepare}, with: {direction: generate, OTHERS}}
  score: {uses: evaluate, needs: {images: convert, data: prepare}, with: {metrics: METRICS}}
"""
RECIPE = Path(__file__).parents[2] / "pipelines/portraits_semi_supervised.yaml"
SMALL = {
    "latent": 6,
    "generator": {"uses": "latent/generator", "filters": 4},
    "discriminator": {"uses": "latent/critic", "filters": 4},
}


def made(folder: Path, method: str, metrics: str, kind: str = "kind: attributes", others: str = "others: {}") -> Path:
    """The folder of a run of the pipeline with this method."""
    text = PIPELINE.replace("METHOD", method).replace("OPTIONS", json.dumps(SMALL))
    text = text.replace("METRICS", metrics).replace("KIND", kind).replace("OTHERS", others)
    (folder / "tiny.yaml").write_text(text)
    translate.run(folder / "tiny.yaml", device="cpu")
    return folder / "runs" / "tiny"


def scores(home: Path) -> dict[str, Any]:
    return {row["metric"]: row for row in json.loads((home / "score" / "scores.json").read_text())["scores"]}


def test_a_sample_takes_the_place_of_each_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = made(tmp_path, "latent/dcgan", "[c2st, swd]")
    paths = sorted((home / "convert" / "images").glob("*.png"))
    assert [path.stem for path in paths] == [f"{number:06d}" for number in range(12)]
    images = [read(path).pixels for path in paths]
    assert all(image.shape == (16, 16, 3) for image in images)
    assert len({image.tobytes() for image in images}) == 12
    content = manifest.read(home / "convert")
    assert content and content["facts"]["count"] == 12 and not content["facts"]["pairs"]
    rows = scores(home)
    assert set(rows) == {"c2st", "c2st/p", "c2st/real", "swd"}
    assert all(row["copy"] is None for row in rows.values())  # nothing was copied: there was no input
    assert not (home / "convert" / "values.json").exists()


def test_samples_are_those_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample of a key is that of its place, in `translate.load(...).sample` of the stage's seed, too."""
    monkeypatch.chdir(tmp_path)
    home = made(tmp_path, "latent/dcgan", "[swd]", others="seed: 5")
    images = [read(path).pixels for path in sorted((home / "convert" / "images").glob("*.png"))]
    samples = translate.load(home / "train", device="cpu").sample(12, seed=5)
    assert all(np.array_equal(image, sample) for image, sample in zip(images, samples, strict=True))


def test_each_sample_is_asked_for_the_class_of_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = made(tmp_path, "latent/conditional", "[c2st, wanted-class]", "kind: classes, attribute: hat")
    asked = json.loads((home / "convert" / "values.json").read_text())
    index = json.loads((home / "prepare" / "dataset.json").read_text())
    assert [*asked["class"].values()] == [*index["values"]["test"]["class"].values()]
    assert 0 <= scores(home)["wanted-class"]["score"] <= 1


def test_one_class_can_be_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = made(tmp_path, "latent/acgan", "[swd]", "kind: classes", "others: {class: cone}")
    asked = json.loads((home / "convert" / "values.json").read_text())
    assert set(asked["class"].values()) == {2}


def test_a_share_of_labels_trains_the_classifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = made(tmp_path, "latent/semi-supervised", "[swd]", "kind: classes, labelled: 0.25")
    counts = json.loads((home / "prepare" / "dataset.json").read_text())["facts"]["counts"]
    assert counts["train"] == {"image": 24, "class": 6}
    assert scores(home)["swd"]["score"] > 0


@pytest.mark.parametrize("profile", [None, "cpu", "quick"])
def test_the_classifier_alone_is_the_same_but_for_the_game(profile: str | None) -> None:
    """Equal networks, steps, rates and augmentation: what is compared is the rest of the portraits."""
    stages = {name: node.plain() for name, node in load(RECIPE, profile).stages()}
    train, alone = ({**stages[name]["with"], "validate": None} for name in ("train", "alone"))
    assert alone.pop("losses") == {"critic": 0, "matching": 0} and "losses" not in train
    assert train == alone
    assert stages["train"]["needs"] == stages["alone"]["needs"]
