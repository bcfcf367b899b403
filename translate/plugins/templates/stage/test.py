"""The stage keeps to the contract of `translate`, and ranks as it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from translate import Artifact, DatasetFacts, ImagesFacts
from translate.testing import assert_stage_conforms, quiet_context

from translate_my_plugin import MyPlugin, MyPluginConfig

GREYS = {"good": (100, 100, 110), "bad": (100, 0, 102)}
"""Input, output and reference of each image."""


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Artifact]:
    for key, greys in GREYS.items():
        for place, grey in zip(("data/test/input", "made/images", "data/test/target"), greys, strict=True):
            (tmp_path / place).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (6, 4), (grey, grey, grey)).save(tmp_path / place / f"{key}.png")
    data = DatasetFacts("paired", ("test",), pairs=("test",))
    images = ImagesFacts("a_to_b", "test", "input", "target", pairs=True, data=data.data)
    return {
        "images": Artifact("images", tmp_path / "made", images.to_json()),
        "data": Artifact("dataset", tmp_path / "data", data.to_json()),
    }


def test_it_conforms(inputs: dict[str, Artifact]) -> None:
    assert_stage_conforms(MyPlugin, inputs=inputs)


def test_the_worst_comes_first(inputs: dict[str, Artifact], tmp_path: Path) -> None:
    context = quiet_context(tmp_path, inputs=inputs)
    assert MyPlugin(MyPluginConfig(count=1), context.registry).run(context) == {"count": 2, "worst": "bad"}
    assert json.loads((tmp_path / "worst.json").read_text()) == [["bad", 0.4]]
    page = Image.open(tmp_path / "worst.png")
    assert [page.getpixel((x, 1))[0] for x in (1, 11, 21)] == [100, 0, 102], "input, output and reference"


def test_images_without_references_are_refused(inputs: dict[str, Artifact]) -> None:
    stage = MyPlugin(MyPluginConfig(), quiet_context(Path()).registry)
    facts = {name: dict(artifact.facts) for name, artifact in inputs.items()}
    assert not list(stage.check(facts))
    facts["data"]["pairs"] = []
    (problem,) = stage.check(facts)
    assert problem.message == "split 'test' has no reference for each image"
