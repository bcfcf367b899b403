"""Same image, same seed: equal pixels in every way to convert, for dropout, for noise and for a bridge."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import translate
from translate import DataSpec
from translate.cli import main
from translate.console import PlainConsole
from translate.contracts import Artifact, StageContext
from translate.imaging.io import read, write
from translate.inference.directions import describe
from translate.models.bundle import write_bundle
from translate.networks import network_builder
from translate.plugins import Registry
from translate.stages.infer import InferConfig, InferStage

METHODS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "dropout": ("pix2pix", {"generator": {"uses": "unet", "levels": 6, "filters": 2}}),
    "noise": ("bicyclegan", {"generator": {"uses": "bicyclegan/unet", "levels": 3, "filters": 4}}),
    "bridge": ("bridge", {"network": {"uses": "bridge/unet", "levels": 1, "blocks": 1, "filters": 4}, "steps": 3}),
}
SEED, SAMPLES = 7, 3
Answers = dict[str, list[bytes]]
"""The bytes of the pixels of each answer, by the name of the image."""


@pytest.fixture(scope="module", params=METHODS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the method, with weights that are not nearly 0."""
    name, options = METHODS[request.param]
    registry = Registry()
    cls = registry.get("methods", name)
    spec = DataSpec("paired", {"input": 3, "target": 3}, (64, 64))
    method = cls(cls.Config(**options), spec, dict(cls.losses))
    torch.manual_seed(0)
    nets = method.networks(network_builder(registry))
    for net in nets.values():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, 0, parameter[0].numel() ** -0.5)
    used = {net: nets[net] for direction in method.directions.values() for net in direction.nets}
    folder = tmp_path_factory.mktemp(request.param)
    write_bundle(folder, method=method, method_name=name, nets=used, provider={}, info={})
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five images of two sizes, in two folders."""
    folder, draw = tmp_path_factory.mktemp("photos"), np.random.default_rng(3)
    for name, width in (("a", 64), ("b", 64), ("c", 80), ("x/d", 64), ("x/e", 80)):
        (folder / name).parent.mkdir(exist_ok=True)
        write(folder / f"{name}.png", draw.integers(0, 256, (64, width, 3), dtype=np.uint8))
    return folder


@pytest.fixture(scope="module")
def expected(model: Path, photos: Path) -> Answers:
    """What Python gives for each image by itself."""
    translator = translate.load(model, "cpu")
    answers = {}
    for path in sorted(photos.rglob("*.png")):
        arrays = translator(path, seed=SEED, samples=SAMPLES)
        answers[path.relative_to(photos).with_suffix("").as_posix()] = [array.tobytes() for array in arrays]
    return answers


def converted(model: Path, photos: Path, out: Path, *more: str) -> None:
    arguments = ["convert", str(photos), str(out), "--model", str(model), "--device", "cpu", "--seed", str(SEED)]
    done = CliRunner().invoke(main, [*arguments, "--samples", str(SAMPLES), "--precision", "fp32", *more])
    assert done.exit_code == 0, done.output


def answers_in(folder: Path) -> Answers:
    answers: Answers = {}
    for path in sorted(folder.rglob("*.png")):
        name, _, _ = path.relative_to(folder).with_suffix("").as_posix().rpartition(".")
        answers.setdefault(name, []).append(read(path).pixels.tobytes())
    return answers


def test_several_answers_differ(expected: Answers) -> None:
    for answers in expected.values():
        assert len(set(answers)) == SAMPLES


def test_batches_change_nothing(model: Path, photos: Path, expected: Answers, tmp_path: Path) -> None:
    for batch in (1, 8):
        converted(model, photos, tmp_path / str(batch), "--batch", str(batch))
        assert answers_in(tmp_path / str(batch)) == expected


def test_shards_change_nothing(model: Path, photos: Path, expected: Answers, tmp_path: Path) -> None:
    for shard in ("2/2", "1/2"):
        converted(model, photos, tmp_path / "out", "--shard", shard)
    assert answers_in(tmp_path / "out") == expected


def test_a_conversion_that_goes_on_changes_nothing(
    model: Path, photos: Path, expected: Answers, tmp_path: Path
) -> None:
    converted(model, photos, tmp_path / "out")
    for name in ("a.2.png", "c.1.png", "x/e.3.png"):
        (tmp_path / "out" / name).unlink()
    converted(model, photos, tmp_path / "out")
    assert answers_in(tmp_path / "out") == expected


def test_a_list_in_python_changes_nothing(model: Path, photos: Path, expected: Answers) -> None:
    paths = sorted(photos.rglob("*.png"), reverse=True)
    answers = translate.load(model, "cpu", seed=SEED)(paths, samples=SAMPLES)
    for path, arrays in zip(paths, answers, strict=True):
        name = path.relative_to(photos).with_suffix("").as_posix()
        assert [array.tobytes() for array in arrays] == expected[name]


class Silent:
    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def test_the_stage_changes_nothing(model: Path, photos: Path, expected: Answers, tmp_path: Path) -> None:
    translator, registry = translate.load(model, "cpu"), Registry()
    method = translator.method
    facts = {"method": method.name, "data": "paired", "directions": describe(type(method), method.config)}
    stage = InferStage(InferConfig(input=photos, samples=SAMPLES, seed=SEED), registry)
    told = PlainConsole(io.StringIO(), io.StringIO())
    inputs = {"model": Artifact("model", model, facts)}
    stage.run(StageContext("p", "s", tmp_path, inputs, 1, "cpu", Silent(), told, registry, lambda *a, **k: None))
    assert answers_in(tmp_path / "images") == expected


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed")
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_changes_nothing(model: Path, photos: Path, expected: Answers, tmp_path: Path) -> None:
    converted(model, photos, tmp_path / "out", "--engine", "ray")
    assert answers_in(tmp_path / "out") == expected
