"""From a source with labels to a score of label maps through the real stages, with a model that is right by half."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import nn

from translate.console import PlainConsole
from translate.contracts import Artifact, DatasetFacts, DataSpec, Direction, Method, MetricUse, NoOptions, StageContext
from translate.data.dataset import Dataset
from translate.imaging.io import read, write
from translate.inference.directions import describe
from translate.models.bundle import write_bundle
from translate.plugins import Registry
from translate.stages.evaluate import EvaluateConfig, EvaluateStage
from translate.stages.infer import InferConfig, InferStage
from translate.stages.preprocess import PreprocessConfig, PreprocessStage
from translate.training.check import data_problems
from translate.training.config import TrainConfig, ValidateConfig
from translate.training.engine import Engine
from translate.training.validating.validation import Validator

PALETTE = [[200, 0, 0], [0, 200, 0], [0, 0, 200]]


class Brightest(Method):
    """The class of a pixel is its brightest channel."""

    name = "brightest"
    data = "labelled"
    players = {"S": ("net",)}
    losses = {"none": 1.0}
    directions = {"segment": Direction(nets=("net",), output="labels")}

    def networks(self, build):
        net = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.dirac_(net.weight)
        return {"net": net}

    def step(self, nets, batch, step):
        yield

    def translate(self, nets, inputs, direction, draw):
        return nets.net(inputs["image"])


class Shop(Registry):
    def get(self, kind, name):
        return Brightest if kind == "methods" and name == "brightest" else super().get(kind, name)


class Silent:
    def __getattr__(self, name):
        return lambda *args, **kwargs: None


@pytest.fixture
def registry():
    return Shop([])


def context(folder, registry, **inputs):
    folder.mkdir()
    told = PlainConsole(io.StringIO(), io.StringIO())
    return StageContext("p", "s", folder, inputs, 7, "cpu", Silent(), told, registry, lambda *a, **k: None)


@pytest.fixture
def truth():
    labels = np.random.default_rng(1).integers(0, 3, (18, 22), dtype=np.uint8)
    labels[:3] = 7
    return labels


@pytest.fixture
def data(tmp_path, registry, truth):
    """One image per split whose brightest channel is the class in the left half, and class 0 in the right half."""
    for split in ("train", "val"):
        seen = np.where(np.arange(22) < 11, truth % 3, 0)
        for folder, pixels in ((split, np.eye(3, dtype=np.uint8)[seen] * 250), (f"{split}annot", truth)):
            (tmp_path / "raw" / folder).mkdir(parents=True)
            write(tmp_path / "raw" / folder / "a.png", pixels)
    source = {"uses": "labelled", "root": str(tmp_path / "raw"), "classes": ["x", "y", "z"], "ignore": 7}
    stage = PreprocessStage(PreprocessConfig(source={**source, "palette": PALETTE}), registry, 7)
    where = context(tmp_path / "data", registry)
    return Artifact("dataset", where.folder, stage.run(where))


@pytest.fixture
def method(data):
    return Brightest(NoOptions(), DataSpec.from_json({**data.facts, "size": [18, 22]}), {"none": 1.0})


def test_labels_travel_unchanged(data, truth):
    stored = Dataset(data.path).array("val", "label", "a")[..., 0]
    assert np.array_equal(stored, np.where(truth == 7, 255, truth))
    assert data.facts["classes"] == ["x", "y", "z"] and data.facts["palette"] == PALETTE
    with Pillow.open(data.path / "val/label/a.png") as file:
        assert file.mode == "P" and np.array_equal(np.asarray(file), stored)


def test_infer_and_evaluate(tmp_path, registry, data, method, truth):
    write_bundle(
        tmp_path / "model", method=method, method_name="brightest", nets=method.networks(None), provider={}, info={}
    )
    facts = {"method": "brightest", "data": "labelled", "directions": describe(Brightest)}
    model = Artifact("model", tmp_path / "model", facts)
    stage = InferStage(InferConfig(), registry, 7)
    assert not list(stage.check({"model": model.facts, "data": data.facts}))
    where = context(tmp_path / "images", registry, model=model, data=data)
    images = Artifact("images", where.folder, stage.run(where))
    made = read(images.path / "images/a.png", indices=True).pixels[..., 0]
    guess = np.where(np.arange(22) < 11, truth % 3, 0)
    assert np.array_equal(made, guess)

    judge = EvaluateStage(EvaluateConfig(metrics=["miou", "pixel-accuracy"]), registry, 7)
    assert not list(judge.check({"images": images.facts, "data": data.facts}))
    where = context(tmp_path / "scores", registry, images=images, data=data)
    judge.run(where)
    found = {s["metric"]: s for s in json.loads((where.folder / "scores.json").read_text())["scores"]}
    known = truth != 7
    assert found["pixel-accuracy"]["score"] == pytest.approx((guess == truth)[known].mean())
    both = [known & (guess == c) & (truth == c) for c in range(3)]
    each = [b.sum() / (known & ((guess == c) | (truth == c))).sum() for c, b in enumerate(both)]
    assert [found[f"iou/{c}"]["score"] for c in "xyz"] == pytest.approx(each)
    assert found["miou"]["score"] == pytest.approx(np.mean(each)) and found["miou"]["copy"] is None
    assert found["pixel-accuracy"]["constant"] == pytest.approx(np.bincount(truth[known]).max() / known.sum())
    (problem,) = EvaluateStage(EvaluateConfig(metrics=["l1"]), registry, 7).check(
        {"images": images.facts, "data": data.facts}
    )
    assert "l1 compares images" in problem.message


def test_validation_scores_classes_and_shows_colours(registry, data, method, truth):
    with torch.random.fork_rng():
        engine = Engine(method, method.networks(None), {}, device="cpu", precision="fp32", seed=1)
    metric = registry.build(MetricUse(uses="pixel-accuracy"), spec=method.spec)
    validator = Validator(engine, Dataset(data.path), "val", ValidateConfig(), [metric])
    (output,), (real,) = validator.translate("segment")
    known = truth != 7
    assert output.dtype == real.dtype == torch.long and output.shape == truth.shape
    assert metric.score([output], [real]) == pytest.approx((output.numpy() == truth)[known].mean())
    shown = validator.grid("segment")[:, -22:]
    assert np.array_equal(shown, np.array([*PALETTE, *[[255] * 3] * 5])[truth])


def test_training_asks_for_metrics_of_labels(registry, data):
    config = TrainConfig.model_validate({"method": "brightest", "validate": {"metrics": ["ssim", "miou"]}})
    problems = list(data_problems(config, registry, Brightest, DatasetFacts.from_json(data.facts)))
    assert [p.path for p in problems] == [("with", "validate", "metrics", 0)]
