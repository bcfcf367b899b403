"""Directions are called what the user asked for: `b_to_a` of swapped pairs, and what sides show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import translate
from translate.cli import main
from translate.contracts import DatasetFacts, DataSpec
from translate.errors import ConfigError
from translate.imaging.io import write
from translate.pipeline import check, run
from translate.pipeline.location import PipelineError

TINY = {"generator": {"uses": "unet", "levels": 3, "filters": 4}, "discriminator": {"uses": "patchgan", "filters": 4}}


def pairs(root: Path, count: int = 4) -> Path:
    """Pairs of 32 x 32 pixels: side a is dark, side b is light."""
    for split in ("train", "val"):
        for side, base in (("A", 0), ("B", 128)):
            (root / split / side).mkdir(parents=True)
            for i in range(count):
                pixels = np.random.default_rng(i).integers(base, base + 120, (32, 32, 3), np.uint8)
                write(root / split / side / f"{i}.png", pixels)
    return root


def pipeline(wanted: str, **prepare: Any) -> dict[str, Any]:
    source = {"uses": "pairs", "root": "d", "layout": "split/side"}
    train = {
        "method": "pix2pix",
        "options": TINY,
        "max_steps": 2,
        "workers": 0,
        "log_every": 1,
        "validate": {"metrics": ["l1"], "directions": [wanted]},
    }
    return {
        "version": 1,
        "name": "named",
        "tracking": "none",
        "stages": {
            "prepare": {"uses": "preprocess", "with": {"source": source, **prepare}},
            "train": {"uses": "train", "needs": {"data": "prepare"}, "with": train},
            "convert": {
                "uses": "infer",
                "needs": {"model": "train", "data": "prepare"},
                "with": {"direction": wanted, "split": "val"},
            },
            "score": {
                "uses": "evaluate",
                "needs": {"images": "convert", "data": "prepare"},
                "with": {"metrics": ["l1"]},
            },
        },
    }


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    pairs(tmp_path / "d")
    return tmp_path


CASES = [
    ({"direction": "b_to_a"}, "b_to_a"),
    ({"direction": "b_to_a", "names": {"a": "map", "b": "photo"}}, "photo_to_map"),
]


@pytest.mark.parametrize(("prepare", "name"), CASES)
def test_a_direction_has_the_name_that_the_pipeline_gave_it(prepare: dict[str, Any], name: str, work: Path) -> None:
    Path("named.yaml").write_text(json.dumps(pipeline(name, **prepare)))
    result = run("named.yaml", device="cpu")
    train, score = result.stages["train"], result.stages["score"]
    assert json.loads((score / "scores.json").read_text())["direction"] == name
    assert f"--direction {name}" in (train / "translator" / "README.md").read_text()
    assert [path.name for path in (train / "samples").iterdir()] == [name]
    model = translate.load(train, device="cpu")
    assert [*model.routes] == [name]
    for ref, out in (("runs/named/train", "one"), ("named.yaml", "two")):
        done = CliRunner().invoke(main, ["convert", "d/val/B", out, "--model", ref, "--direction", name])
        assert done.exit_code == 0, done.output
    assert Path("one/0.png").read_bytes() == Path("two/0.png").read_bytes()
    # The name of the method, which is what older pipelines and scripts say, is understood as well.
    image = np.zeros((32, 32, 3), np.uint8)
    assert (model(image, direction="a_to_b") == model(image, direction=name)).all()
    with pytest.raises(ConfigError, match=f"there is no direction 'x'; this model has {name}"):
        model(image, direction="x")


def test_the_other_way_is_a_mistake(work: Path) -> None:
    with pytest.raises(PipelineError, match=r"convert.with.direction: there is no direction 'map_to_photo'"):
        check(pipeline("map_to_photo", direction="b_to_a", names={"a": "map", "b": "photo"}))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"a": "map"}, "names: name both sides, `{a: map, b: photo}`, and not alike"),
        ({"a": "map", "b": "map"}, "names: name both sides, `{a: map, b: photo}`, and not alike"),
        ({"a": "My map", "b": "x"}, "names.a: must match ^[a-z0-9][a-z0-9-]*$"),
        ({"c": "map", "b": "x"}, "names.c: must be 'a' or 'b'"),
    ],
)
def test_names_of_sides_are_names(names: dict[str, str], message: str, work: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        check(pipeline("a_to_b", names=names))
    assert message in str(caught.value)


def test_the_method_is_told_its_own_name() -> None:
    """A method that has both directions on paired data finds the one that is meant under its own name."""
    facts = DatasetFacts("paired", ("train",), direction="b_to_a", channels={"input": 3, "target": 3})  # type: ignore[arg-type]
    assert facts.called == {"a_to_b": "b_to_a", "b_to_a": "a_to_b"}
    assert DatasetFacts.from_json(facts.to_json()) == facts
    spec = facts.spec((32, 32))
    assert DataSpec.from_json(spec.to_json()) == spec

    class Both(translate.Method[translate.NoOptions]):
        name, data = "both", "paired"
        players, losses = {}, {}  # type: ignore[var-annotated]
        directions = {
            "a_to_b": translate.Direction(("net",), sides=("input",), target="target"),
            "b_to_a": translate.Direction(("net",), sides=("target",), target="input"),
        }

        def networks(self, build: Any) -> dict[str, torch.nn.Module]:
            return {"net": torch.nn.Identity()}

        def step(self, nets: Any, batch: Any, step: Any) -> Any:
            raise NotImplementedError

        def translate(self, nets: Any, inputs: Any, direction: Any, draw: Any) -> Any:
            return inputs["image"] * (-1 if direction == "a_to_b" else 1)

    from translate.inference.translator import Translator

    model = Translator(Both(translate.NoOptions(), spec, {}), {"net": torch.nn.Identity()}, {}, "cpu")
    assert {name: route.source for name, route in model.routes.items()} == {"b_to_a": "input", "a_to_b": "target"}
    image = torch.full((1, 3, 32, 32), 0.5)
    assert model.translate_tensor(image, "b_to_a").mean() < 0 < model.translate_tensor(image, "a_to_b").mean()
