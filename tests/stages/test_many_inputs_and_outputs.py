"""A direction with inputs of every type and several outputs: the same bytes in each way, and what is scored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pydantic import Field
from torch import nn

import translate
from translate import (
    Class,
    Config,
    Direction,
    Image,
    Labels,
    Method,
    NoOptions,
    Sides,
    Update,
    Vector,
    hookimpl,
)
from translate.cli import main
from translate.errors import ConfigError
from translate.imaging.io import read, write
from translate.pipeline import run
from translate.plugins import Registry

KINDS, LANDS = ("cat", "dog", "owl"), ("sky", "sea", "land")


class Call(Config):
    """Options of a call."""

    strength: float = Field(default=1.0, ge=0, le=4)
    """How much noise."""


class Mixer(Method[NoOptions]):
    """Adds noise, a class, numbers and a label map to an image."""

    name = "mixer"
    data = Sides(
        {"image": Image(), "kind": Class(), "pose": Vector(), "mask": Labels()},
        together=(("image", "kind", "pose", "mask"),),
    )
    players: Any = {"G": ("gen",)}
    losses: Any = {"l1": 1.0}
    directions: Any = {
        "all": Direction(
            nets=("gen",),
            inputs=("image", "kind", "pose", "mask"),
            sides=("image", "kind", "pose", "mask"),
            target="image",
            options=Call,
            draws=True,
            further={"depth": "image", "sort": "class"},
        ),
        "like": Direction(
            ("gen",), ("image", "exemplar"), sides=("image",), types={"exemplar": Image()}, target="image"
        ),
        "sketch": Direction(("gen",), ("drawing",), sides=(), types={"drawing": Image()}, target="image"),
        "make": Direction(("gen",), ("kind",), sides=("kind",), target="image", draws=True),
    }

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"gen": nn.Conv2d(3, 3, 1)}

    def step(self, nets: Any, batch: Any, step: Any) -> Any:
        yield Update("G", {"l1": nets.gen(batch["image"]).abs().mean()})

    def translate(self, nets: Any, inputs: Mapping[str, Any], direction: Any, draw: Any) -> Any:
        if direction == "make":
            return torch.tanh(draw.normal(3, *draw.size) + inputs["kind"][:, None, None, None])
        if direction != "all":
            return sum(inputs.values()) / len(inputs)
        x = inputs["image"]
        kind, pose = inputs["kind"].float(), inputs["pose"].sum(1)
        x = x / 2 + direction.options.strength / 8 * draw.normal(*x.shape[1:]) + inputs["mask"][:, None] / 50
        x = (x + (kind + pose)[:, None, None, None] / 10).clamp(-1, 1)
        return {"output": x, "depth": -x, "sort": x.mean((2, 3))}


@hookimpl
def translate_methods() -> list[type[Mixer]]:
    return [Mixer]


def registry() -> Registry:
    return Registry([*entry_points(group="translate"), EntryPoint("mixer", __name__, "translate")])


def pipeline(**stages: Any) -> dict[str, Any]:
    mask = {"column": "mask", "type": "labels", "names": list(LANDS)}
    columns = {"image": "image", "kind": "kind", "pose": {"column": ["x", "y"], "type": "vector"}, "mask": mask}
    source = {"uses": "table", "path": "data.csv", "split": "split", "columns": columns}
    train = {"method": "mixer", "max_steps": 1, "batch_size": 2, "workers": 0, "precision": "fp32"}
    first = {
        "prepare": {"uses": "preprocess", "with": {"source": source}},
        "train": {"uses": "train", "needs": {"data": "prepare"}, "with": train},
    }
    return {"version": 1, "name": "mix", "tracking": "none", "stages": {**first, **stages}}


def infer(*needs: str, **options: Any) -> dict[str, Any]:
    return {"uses": "infer", "needs": {"model": "train"} | dict.fromkeys(needs, "prepare"), "with": options}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a table of six images."""
    monkeypatch.chdir(tmp_path)
    draw, rows = np.random.default_rng(0), ["image,mask,kind,x,y,split"]
    for n in range(6):
        for folder, pixels in (("photos", draw.integers(0, 256, (8, 8, 3))), ("masks", draw.integers(0, 3, (8, 8, 1)))):
            (tmp_path / folder).mkdir(exist_ok=True)
            write(tmp_path / folder / f"{n}.png", pixels.astype(np.uint8))
        rows.append(f"photos/{n}.png,masks/{n}.png,{KINDS[n % 3]},{n / 8},{-n / 4},{('train', 'test')[n // 3]}")
    (tmp_path / "data.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_one_seed_gives_the_same_bytes_everywhere(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("translate.models.load.Registry", registry)
    others = {"kind": "owl", "pose": [0.5, 1], "mask": "masks/3.png"}
    asked = {"direction": "all", "input": "photos/4.png", "seed": 7, "samples": 2, "options": {"strength": 2}}
    made = infer(direction="make", count=2, others={"kind": "dog"}, seed=7)
    result = run(pipeline(own=infer(**asked, others=others), made=made), device="cpu", registry=registry())
    arguments = "--direction all --with kind=owl --with pose=0.5,1 --with mask=masks/3.png --set strength=2 --samples 2"
    converted = CliRunner().invoke(
        main, ["convert", "photos/4.png", "out", "--model", "runs/mix/train", "--seed", "7", *arguments.split()]
    )
    assert converted.exit_code == 0, converted.output
    names = ["4.1.depth.png", "4.1.png", "4.2.depth.png", "4.2.png"]
    images = result.stages["own"] / "images"
    assert sorted(path.name for path in images.iterdir()) == names
    assert all((work / "out" / name).read_bytes() == (images / name).read_bytes() for name in names)

    model = translate.load("runs/mix/train")
    mask = read(work / "masks/3.png").pixels
    answers = model("photos/4.png", "all", seed=7, samples=2, strength=2, kind="owl", pose=[0.5, 1], mask=mask)
    for number, answer in enumerate(answers, 1):
        assert np.array_equal(answer["output"], read(images / f"4.{number}.png").pixels)
        assert np.array_equal(answer["depth"], read(images / f"4.{number}.depth.png").pixels)
    samples = model.sample(2, "make", kind="dog", seed=7)
    for number, sample in enumerate(samples):
        assert np.array_equal(sample, read(result.stages["made"] / "images" / f"{number:06d}.png").pixels)


def test_scores_are_of_the_main_output(work: Path) -> None:
    score = {"uses": "evaluate", "needs": {"images": "all", "data": "prepare"}, "with": {"metrics": ["l1", "swd"]}}
    stages = {"all": infer("data", direction="all"), "score": score}
    result = run(pipeline(**stages), device="cpu", registry=registry())
    assert len(list((result.stages["all"] / "images").rglob("*.depth.png"))) == 3
    assert json.loads((result.stages["score"] / "scores.json").read_text())["images"] == 3


def test_an_exemplar_that_no_side_plays_is_another_image(work: Path) -> None:
    result = run(pipeline(like=infer("data", direction="like")), device="cpu", registry=registry())
    photos = [read(work / f"photos/{n}.png").pixels.astype(float) for n in (3, 4, 5)]
    for n, (own, other) in enumerate(zip(photos, photos[1:] + photos[:1], strict=True), 3):
        image = read(result.stages["like"] / "images" / "photos" / f"{n}.png").pixels
        assert np.abs(image - (own + other) / 2).max() <= 1
    with pytest.raises(ConfigError, match="sketch takes 'drawing', which no side of the data is: give `input`"):
        run(pipeline(drawn=infer("data", direction="sketch")), device="cpu", registry=registry())
    run(pipeline(drawn=infer(direction="sketch", input="photos/0.png")), device="cpu", registry=registry())


WRONG = [
    ("--direction all --with kind=owwl --with pose=0,1 --with mask=masks/3.png", "no class 'owwl'; did you mean 'owl'"),
    ("--direction all --with kind=owl --with pose=0 --with mask=masks/3.png", "input 'pose' takes 2 numbers"),
    ("--direction like --with exempler=photos/3.png", "no further input 'exempler'; did you mean 'exemplar'"),
    ("--direction like --with kind=owl", "direction 'like' has no further input 'kind'; its further inputs are exem"),
    ("--direction make --with kind=owl", "direction 'make' makes images from nothing: `translate sample`"),
]


def test_wrong_inputs_end_a_conversion_before_it_begins(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("translate.models.load.Registry", registry)
    run(pipeline(), device="cpu", registry=registry())
    for arguments, message in WRONG:
        command = ["convert", "photos", "out", "--model", "runs/mix/train", *arguments.split()]
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 2 and message in result.output, result.output
        assert not (work / "out").exists()
