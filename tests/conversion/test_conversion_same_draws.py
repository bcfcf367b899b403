"""Same image, same seed: the same bytes in any batch, shard, order and process, in a pipeline, through Ray and in
Python."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import translate
from translate.cli import main
from translate.contracts import Artifact
from translate.imaging.io import read, write
from translate.models.bundle import write_bundle
from translate.networks import network_builder
from translate.plugins import Registry
from translate.testing.batches import tiny_spec

sys.path.insert(0, str(Path(__file__).parents[1] / "methods"))

from methods_cases import CASES

DRAWING = {"dropout": "pix2pix-dropout", "noise": "bicyclegan", "bridge": "bridge"}


@pytest.fixture(params=DRAWING)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A bundle of a method that draws, with weights that let through what it draws."""
    case, registry = CASES[DRAWING[request.param]], Registry()
    cls = registry.get("methods", case.method)
    method = cls(cls.Config.model_validate(case.options), tiny_spec("paired", size=64), cls.losses)
    torch.manual_seed(1)
    nets = method.networks(network_builder(registry))
    for net in nets.values():
        for name, parameter in net.named_parameters():
            if parameter.ndim > 1 and "norm" not in name:
                torch.nn.init.normal_(parameter, std=0.3)
    provider = registry.provider("methods", case.method)
    write_bundle(tmp_path / "model", method=method, method_name=case.method, nets=nets, provider=provider, info={})
    return tmp_path / "model"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder, draw = tmp_path / "in", np.random.default_rng(5)
    for number in range(5):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, draw.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    return folder


def converted(folder: Path, out: Path, model: Path, *words: str) -> dict[str, bytes]:
    """The files of a conversion by name."""
    command = ["convert", str(folder), str(out), "--model", str(model), "--seed", "7", "--precision", "fp32", *words]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*.png"))}


def test_batches_shards_restarts_and_names_change_nothing(model: Path, photos: Path, tmp_path: Path) -> None:
    wanted = converted(photos, tmp_path / "one", model, "--batch", "1")
    assert len(wanted) == 5 and converted(photos, tmp_path / "eight", model, "--batch", "8") == wanted
    for shard in ("2/2", "1/2"):
        sharded = converted(photos, tmp_path / "shards", model, "--shard", shard)
    assert sharded == wanted
    (tmp_path / "eight/a/2.png").unlink()
    assert converted(photos, tmp_path / "eight", model) == wanted
    shutil.copy(photos / "b/1.png", tmp_path / "renamed.png")
    alone = converted(tmp_path / "renamed.png", tmp_path / "alone", model)
    assert alone["renamed.png"] == wanted["b/1.png"]
    other = converted(tmp_path / "renamed.png", tmp_path / "other", model, "--seed", "8")
    assert other["renamed.png"] != wanted["b/1.png"]


def test_python_gives_the_files_of_a_folder_and_of_its_samples(model: Path, photos: Path, tmp_path: Path) -> None:
    converted(photos, tmp_path / "out", model, "--samples", "2")
    loaded = translate.load(model, "cpu")
    for name in ("a/0", "b/3"):
        answers = loaded(photos / f"{name}.png", seed=7, samples=2)
        for number, answer in enumerate(answers, 1):
            assert np.array_equal(answer, read(tmp_path / f"out/{name}.{number}.png").pixels)
        assert not np.array_equal(*answers)
        pixels = read(photos / f"{name}.png").pixels
        assert np.array_equal(loaded([pixels, pixels[::-1].copy()], seed=7)[0], answers[0])


def test_a_stage_gives_the_files_of_a_folder(model: Path, photos: Path, tmp_path: Path) -> None:
    from translate.stages.infer import InferConfig, InferStage

    wanted = converted(photos, tmp_path / "out", model)
    facts: dict[str, Any] = json.loads((model / "translator.json").read_text())
    promise = {"method": facts["method"], "data": "paired", "directions": facts["directions"]}
    registry = Registry()
    stage = InferStage(InferConfig(input=photos, seed=7), registry)
    artifact = Artifact("model", model, promise)
    assert list(stage.check({"model": promise})) == []
    context = stage_context(tmp_path / "stage", registry, model=artifact)
    stage.run(context)
    for name, data in wanted.items():
        assert np.array_equal(read(tmp_path / "stage/images" / name).pixels, read(tmp_path / "out" / name).pixels), data


def stage_context(folder: Path, registry: Registry, **inputs: Artifact) -> Any:
    """The context of a stage that records nothing."""
    import io
    from unittest.mock import MagicMock

    from translate.console import PlainConsole
    from translate.contracts import StageContext

    folder.mkdir()
    console = PlainConsole(io.StringIO(), io.StringIO())
    return StageContext(
        pipeline="p",
        stage="convert",
        folder=folder,
        inputs=inputs,
        seed=1,
        device="cpu",
        tracker=MagicMock(),
        console=console,
        registry=registry,
        emit=lambda *a, **k: None,
    )


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed")
@pytest.mark.filterwarnings("ignore")  # Ray's own
# the other models go through Ray in tests/several, where an image has several answers
@pytest.mark.parametrize("model", ["bridge"], indirect=True)
def test_ray_gives_the_files_of_a_folder(model: Path, photos: Path, tmp_path: Path) -> None:
    wanted = converted(photos, tmp_path / "local", model)
    assert converted(photos, tmp_path / "ray", model, "--engine", "ray") == wanted
