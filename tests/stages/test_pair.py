"""Pairs of what an `infer` stage made and what it made it of, through the real stages up to a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from translate.contracts import DatasetFacts, ImagesFacts
from translate.data.dataset import Dataset
from translate.imaging.io import read
from translate.pipeline import check, run
from translate.plugins import Registry
from translate.stages.pair import PairConfig, PairStage

SMALL = {"uses": "resnet", "blocks": 1, "filters": 2}
CRITIC = {"uses": "patchgan", "filters": 2, "layers": 1}


def recipe(**changes: Any) -> dict[str, Any]:
    """Three stages on unpaired sketches, and `pair` behind them."""
    source = {"uses": "generated-sketches", "kind": "unpaired", "size": 16, "train": 3, "val": 1, "test": 2}
    return {
        "version": 1,
        "name": "pairs",
        "seed": 1,
        "tracking": "none",
        "stages": {
            "prepare": {"uses": "preprocess", "with": {"source": source}},
            "first": {
                "uses": "train",
                "needs": {"data": "prepare"},
                "with": {
                    "method": "cyclegan",
                    "options": {"generator": SMALL, "discriminator": CRITIC},
                    "epochs": 1,
                    "max_steps": 1,
                },
            },
            "sketches": {
                "uses": "infer",
                "needs": {"model": "first", "data": "prepare"},
                "with": {"split": "train", "direction": "b_to_a"},
            },
            "pairs": {"uses": "pair", "needs": {"images": "sketches", "data": "prepare"}, "with": changes},
        },
    }


def home(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "pairs.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    run(path)
    return folder / "runs" / "pairs"


@pytest.mark.parametrize("made", ["input", "target"])
def test_made_images_and_their_originals_become_pairs(
    made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = home(tmp_path, recipe(made=made))
    pairs, data = Dataset(runs / "pairs"), Dataset(runs / "prepare")
    other = "target" if made == "input" else "input"
    assert (pairs.facts.kind, pairs.splits, pairs.facts.pairs) == ("paired", ("train", "val", "test"), pairs.splits)
    keys = data.keys("train", "b")
    assert pairs.keys("train", "input") == pairs.keys("train", "target") == keys
    for key in keys:
        output = read(runs / "sketches" / "images" / f"{key}.png").pixels
        assert np.array_equal(pairs.array("train", made, key), output)
        assert np.array_equal(pairs.array("train", other, key), data.array("train", "b", key))
    # true pairs lie on the sides that the made images teach: sketches, which are imitated, where made images are
    for split in ("val", "test"):
        for key in data.keys(split, "a"):
            assert np.array_equal(pairs.array(split, made, key), data.array(split, "a", key))
            assert np.array_equal(pairs.array(split, other, key), data.array(split, "b", key))


def test_the_promise_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training behind it is checked before anything runs."""
    monkeypatch.chdir(tmp_path)
    content = recipe()
    content["stages"]["train"] = {
        "uses": "train",
        "needs": {"data": "pairs"},
        "with": {"method": "cyclegan"},
    }
    path = tmp_path / "pairs.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(Exception, match="paired"):
        check(path)


def problems(images: ImagesFacts, data: DatasetFacts) -> list[str]:
    stage = PairStage(PairConfig(), Registry())
    return [problem.message for problem in stage.check({"images": images.to_json(), "data": data.to_json()})]


DATA = DatasetFacts("unpaired", splits=("train", "test"), pairs=("test",))


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (ImagesFacts("b_to_a", None, "b", "a", False, None), "made of a split of the data"),
        (ImagesFacts("b_to_a", "train", "b", "a", False, "unpaired", via=("a_to_b",)), "in one step"),
        (ImagesFacts("b_to_a", "val", "b", "a", False, "unpaired"), "of split 'val', and the data has train, test"),
        (ImagesFacts("swap", "train", "b", None, False, "unpaired"), "swap imitates no other side"),
        (ImagesFacts("same", "train", "b", "b", True, "unpaired"), "same imitates no other side"),
    ],
)
def test_images_that_make_no_pairs_are_refused(images: ImagesFacts, says: str) -> None:
    (message,) = problems(images, DATA)
    assert says in message


def test_images_that_do_are_not() -> None:
    assert problems(ImagesFacts("b_to_a", "train", "b", "a", False, "unpaired"), DATA) == []


def test_an_image_without_its_original_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from translate import DataError
    from translate.stages.pair import MadePairs

    monkeypatch.chdir(tmp_path)
    content = recipe()
    del content["stages"]["pairs"]
    runs = home(tmp_path, content)
    (runs / "sketches" / "images" / "b00001.png").rename(runs / "sketches" / "images" / "b00009.png")
    made = ImagesFacts("b_to_a", "train", "b", "a", False, "unpaired")
    source = MadePairs(runs / "sketches", made, Dataset(runs / "prepare"), "input")
    with pytest.raises(DataError, match=r"b00009.png: side 'b' of split 'train' has no image 'b00009'"):
        list(source.records("train"))
