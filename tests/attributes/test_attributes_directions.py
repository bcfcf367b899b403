"""Directions of several inputs on data with and without: which exemplar an image meets, sheets of pictures, scores.

The model is known: it puts the upper part of the exemplar on the image.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from translate.console import PlainConsole
from translate.contracts import Artifact, DataSpec, Direction, Method, MetricUse, NoOptions, SourceUse, StageContext
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.data.dataset import Dataset, write_index
from translate.data.exemplars import exemplar_keys
from translate.data.generated.portraits import CORE, PLACE
from translate.errors import ConfigError
from translate.imaging.grid import mosaic
from translate.imaging.io import Image, read, write
from translate.inference.directions import describe
from translate.inference.padding import crop
from translate.inference.translator import Translator
from translate.models.bundle import write_bundle
from translate.plugins import Registry
from translate.stages.evaluate import EvaluateConfig, EvaluateStage
from translate.stages.infer import InferConfig, InferStage
from translate.stages.preprocess import PreprocessConfig, PreprocessStage

FOUR = ("a", "b", "c", "d")


class Paste(Method[NoOptions]):
    name = "paste"
    data = "attribute"
    players = {"G": ("net",)}
    losses = {"none": 1.0}
    directions = {
        "add": Direction(("net",), ("image", "exemplar"), sides=("without", "with"), target="with", multiple=16),
        "same": Direction(("net",), sides=("with",), target="with"),
        "sheet": Direction(("net",), ("image", *FOUR), sides=("without", *["with"] * 4), tiles=(2, 3), multiple=16),
    }

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"net": nn.Conv2d(3, 3, 1)}

    def step(self, nets: Any, batch: Any, step: Any) -> Any:
        yield

    def translate(self, nets: Any, inputs: Mapping[str, Tensor], direction: str, draw: Any) -> Tensor:
        image = inputs["image"]
        if direction == "same":
            return image
        if direction == "sheet":
            return torch.cat([torch.cat([image, *(inputs[n] for n in row)], 3) for row in (FOUR[:2], FOUR[2:])], 2)
        rows = round(PLACE[2] * image.shape[2])
        return torch.cat((inputs["exemplar"][:, :, :rows], image[:, :, rows:]), 2)


class Shop(Registry):
    def get(self, kind: Any, name: str) -> type[Any]:
        return Paste if (kind, name) == ("methods", "paste") else super().get(kind, name)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def translator() -> Translator:
    spec = DataSpec("attribute", {"with": 3, "without": 3}, (32, 32))
    method = Paste(NoOptions(), spec, {"none": 1.0})
    return Translator(method, method.networks(None), {})


def dataset(folder: Path, keys: Mapping[str, list[str]], pairs: bool, kind: str = "attribute") -> Dataset:
    facts = {"kind": kind, "pairs": ["test"] if pairs else []}
    write_index(folder, facts, {"test": dict(keys)}, {"test": [[1, 1], [1, 1]]})
    return Dataset(folder)


# --------------------------------------------------------------------------------------------- who meets which exemplar


def test_exemplars_go_by_position(tmp_path: Path) -> None:
    data = dataset(tmp_path, {"with": ["u", "v", "w"], "without": ["a", "b", "c", "d"]}, pairs=False)
    sides = ("without", "with", "with")
    assert [exemplar_keys(data, "test", sides, k) for k in "abcd"] == [["u", "v"], ["v", "w"], ["w", "u"], ["u", "v"]]


def test_in_true_pairs_the_exemplar_is_a_relative_and_never_the_answer(tmp_path: Path) -> None:
    keys = ["1/a", "1/b", "2/c", "2/d", "2/e"]
    data = dataset(tmp_path, {"with": keys, "without": keys}, pairs=True)
    found = [exemplar_keys(data, "test", ("without", "with", "with"), k) for k in keys]
    assert [k for k, _ in found] == ["1/b", "1/a", "2/d", "2/e", "2/c"]
    assert all(
        other.startswith("2/" if key.startswith("1/") else "1/") for key, (_, other) in zip(keys, found, strict=True)
    )
    flat = ["a", "b", "c"]
    data = dataset(tmp_path, {"with": flat, "without": flat}, pairs=True)
    assert exemplar_keys(data, "test", ("without", "with", "with"), "c") == ["a", "b"]


def test_other_data_keeps_partners_of_one_name(tmp_path: Path) -> None:
    data = dataset(tmp_path, {"a": ["x", "y"], "b": ["x", "y"]}, pairs=True, kind="unpaired")
    assert exemplar_keys(data, "test", ("a", "b"), "x") == ["x"]
    assert exemplar_keys(data, "test", ("a", "b"), "x", apart=True) == ["y"]
    assert exemplar_keys(data, "test", ("a",), "x") == []


# -------------------------------------------------------------------------------------------------------------- sheets


def test_every_picture_of_a_sheet_is_cropped() -> None:
    pictures = torch.arange(2 * 1 * 6 * 12).view(2, 1, 6, 12)
    made = crop(pictures, (2, 3), (2, 3))
    expected = torch.cat([torch.cat([pictures[:, :, r : r + 2, c : c + 3] for c in (0, 4, 8)], 3) for r in (0, 3)], 2)
    assert torch.equal(made, expected)
    assert torch.equal(crop(pictures, (5, 7)), pictures[..., :5, :7])


def test_a_sheet_has_the_size_of_its_pictures_together_and_no_target(translator: Translator) -> None:
    draw = np.random.default_rng(0)
    images = [draw.integers(0, 256, (21, 30, 3), dtype=np.uint8) for _ in range(5)]
    alpha = np.full((21, 30), 255, np.uint8)
    others = {n: Image(i) for n, i in zip(FOUR, images[1:], strict=True)}
    made = translator.translate_image(Image(images[0], alpha), "sheet", others)
    assert made.alpha is not None and made.alpha.shape == made.pixels.shape[:2] == (42, 90)
    first, a, b, c, d = images
    assert np.array_equal(made.pixels, np.vstack([np.hstack([first, a, b]), np.hstack([first, c, d])]))
    assert describe(Paste)["sheet"]["target"] is None and describe(Paste)["sheet"]["tiles"] == [2, 3]
    assert describe(Paste)["add"]["target"] == "with"


def test_a_folder_is_converted_with_one_exemplar(translator: Translator, tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    pixels = {n: draw.integers(0, 256, (20, 24, 3), dtype=np.uint8) for n in ("one", "two", "hat")}
    (tmp_path / "in").mkdir()
    for name, folder in (("one", "in"), ("two", "in"), ("hat", ".")):
        write(tmp_path / folder / f"{name}.png", pixels[name])
    console = PlainConsole(io.StringIO(), io.StringIO())
    done = convert(
        tmp_path / "in", tmp_path / "out", translator, ConvertOptions(direction="add",
        others={"exemplar": read(tmp_path / "hat.png")},
    ), console=console)  # fmt: skip
    assert (done.done, done.failed) == (2, 0)
    made = read(tmp_path / "out" / "two.png").pixels
    rows = round(PLACE[2] * 32)  # of the padded image
    assert np.array_equal(made[:rows], pixels["hat"][:rows]) and np.array_equal(made[rows:], pixels["two"][rows:])
    with pytest.raises(ConfigError, match="the further inputs exemplar"):
        convert(tmp_path / "in", tmp_path / "other", translator, ConvertOptions(direction="add"), console=console)


def test_cells_of_a_mosaic_are_as_large_as_they_have_to_be() -> None:
    small, wide = np.zeros((2, 2, 3), np.uint8), np.full((2, 6, 3), 9, np.uint8)
    page = mosaic([[small, wide], [small, small]], gap=1)
    assert page.shape == (5, 9, 3)
    assert (page[:2, 3:9] == 9).all() and (page[:2, 2] == 255).all() and (page[3:, 3:5] == 0).all()


# --------------------------------------------------------------------------------------------------- infer and evaluate


class Tracker:
    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def context(folder: Path, shop: Shop, **inputs: Artifact) -> StageContext:
    folder.mkdir(parents=True, exist_ok=True)
    console = PlainConsole(io.StringIO(), io.StringIO())
    return StageContext("p", "s", folder, inputs, 0, "cpu", Tracker(), console, shop, lambda *a, **k: None)  # type: ignore[arg-type]


@pytest.fixture
def hats(tmp_path: Path, shop: Shop) -> Artifact:
    source = SourceUse(uses="generated-hats", options={"size": 32, "train": 8, "test": 12})
    stage = PreprocessStage(PreprocessConfig(source=source), shop, 0)
    facts = stage.run(context(tmp_path / "data", shop))
    return Artifact("dataset", tmp_path / "data", facts)


@pytest.fixture
def model(tmp_path: Path, translator: Translator) -> Artifact:
    nets = dict(translator.nets)
    write_bundle(tmp_path / "m", method=translator.method, method_name="paste", nets=nets, provider={}, info={})
    return Artifact("model", tmp_path / "m", {"method": "paste", "data": "attribute", "directions": describe(Paste)})


def scores(
    tmp_path: Path, shop: Shop, hats: Artifact, model: Artifact, direction: str, *metrics: dict[str, Any]
) -> Any:
    stage = InferStage(InferConfig(direction=direction), shop, 0)
    where = context(tmp_path / direction, shop, data=hats, model=model)
    images = Artifact("images", where.folder, stage.run(where))
    config = EvaluateConfig(metrics=[MetricUse.model_validate(m) for m in metrics])
    scoring = EvaluateStage(config, shop, 0)
    assert not list(scoring.check({"images": images.facts, "data": hats.facts}))
    scoring.run(context(tmp_path / f"{direction}-score", shop, images=images, data=hats))
    found = json.loads((tmp_path / f"{direction}-score" / "scores.json").read_text())["scores"]
    return {score["metric"]: score for score in found}


def test_pasted_hats_are_there_are_the_right_ones_and_leave_the_rest_alone(
    tmp_path: Path, shop: Shop, hats: Artifact, model: Artifact
) -> None:
    place = list(PLACE)
    found = scores(
        tmp_path, shop, hats, model, "add",
        {"uses": "colourful-place", "place": list(CORE)},
        {"uses": "exemplar-retrieval", "place": list(CORE)},
        {"uses": "place-l1", "place": place, "outside": True},
        {"uses": "attribute-accuracy", "epochs": 1, "width": 2},
    )  # fmt: skip
    assert found["colourful-place"]["score"] == 1 and found["colourful-place"]["copy"] == 0
    assert found["exemplar-retrieval"]["score"] == 1 and found["exemplar-retrieval"]["copy"] < 0.5
    assert found["place-l1"]["score"] < 0.05
    assert 0 <= found["attribute-accuracy"]["score"] <= 1


def test_a_direction_onto_its_own_side_is_scored_against_its_inputs(
    tmp_path: Path, shop: Shop, hats: Artifact, model: Artifact
) -> None:
    (tmp_path / "data" / "dataset.json").write_text(
        (tmp_path / "data" / "dataset.json").read_text().replace('"pairs": ["test"]', '"pairs": []')
    )
    hats = Artifact("dataset", hats.path, {**hats.facts, "pairs": []})
    found = scores(tmp_path, shop, hats, model, "same", {"uses": "l1"})
    assert found["l1"]["score"] == 0


def test_sheets_are_inferred_but_not_scored(tmp_path: Path, shop: Shop, hats: Artifact, model: Artifact) -> None:
    stage = InferStage(InferConfig(direction="sheet"), shop, 0)
    where = context(tmp_path / "sheet", shop, data=hats, model=model)
    facts = stage.run(where)
    assert read(where.folder / "images" / "00000" / "00000.png").pixels.shape == (64, 96, 3)
    config = EvaluateConfig(metrics=[MetricUse(uses="swd")])
    (problem,) = EvaluateStage(config, shop, 0).check({"images": facts, "data": hats.facts})
    assert "imitates no side" in problem.message
