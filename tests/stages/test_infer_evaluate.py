"""The infer and evaluate stages on a prepared dataset, with a model of known output: the negative of its input."""

import io
import json

import numpy as np
import pytest
import torch
from torch import nn

from translate.console import PlainConsole
from translate.contracts import Artifact, DataSpec, Direction, Method, Metric, MetricUse, NoOptions, StageContext
from translate.data.dataset import write_index
from translate.errors import StageError
from translate.imaging.io import read, write
from translate.inference.directions import describe
from translate.models.bundle import write_bundle
from translate.plugins import Registry
from translate.stages.evaluate import EvaluateConfig, EvaluateStage
from translate.stages.infer import InferConfig, InferStage

KEYS = ["day/one", "day/two.v1", "night"]


class Negative(Method):
    name = "negative"
    data = "unpaired"
    players = {"G": ("net",)}
    losses = {"none": 1.0}
    directions = {
        "a_to_b": Direction(nets=("net",)),
        "b_to_a": Direction(nets=("net",), sides=("b",), target="a"),
        "blend": Direction(nets=("net",), inputs=("image", "exemplar")),
    }

    def networks(self, build):
        net = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            nn.init.dirac_(net.weight).neg_()
        return {"net": net}

    def step(self, nets, batch, step):
        yield

    def translate(self, nets, inputs, direction, draw):
        if direction == "blend":
            return (inputs["image"] + inputs["exemplar"]) / 2
        return nets.net(inputs["image"])


class Shop(Registry):
    def get(self, kind, name):
        known = {"negative": Negative, "hidden": Hidden}
        return known[name] if kind == "methods" and name in known else super().get(kind, name)


class Tracker:
    """Remembers what it is told."""

    def __init__(self):
        self.told = {}

    def __getattr__(self, name):
        return lambda *args, **kwargs: self.told.setdefault(name, []).append((args, kwargs))


@pytest.fixture
def registry():
    return Shop([])


@pytest.fixture
def data(tmp_path):
    """Side b of the split `test` is exactly the negative of side a; `val` has no pairs."""
    draw = np.random.default_rng(0)
    folder = tmp_path / "data"
    for split, keys in (("test", KEYS), ("val", ["x"])):
        for key in keys:
            image = draw.integers(0, 256, (20, 16, 3), dtype=np.uint8)
            for side, pixels in (("a", image), ("b", 255 - image)):
                path = folder / split / side / f"{key}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                write(path, pixels)
    facts = {
        "kind": "unpaired",
        "splits": ["test", "val"],
        "pairs": ["test"],
        "classes": [],
        "palette": [[0, 0, 0], [255, 255, 255]],
        "direction": "a_to_b",
        "channels": {"a": 3, "b": 3},
        "size": [20, 16],
        "bits": 8,
    }
    keys = {"test": {"a": KEYS, "b": KEYS}, "val": {"a": ["x"], "b": ["x"]}}
    write_index(folder, facts, keys, {split: [[20, 16], [20, 16]] for split in keys})
    return Artifact("dataset", folder, facts)


@pytest.fixture
def model(tmp_path):
    method = Negative(NoOptions(), DataSpec("unpaired", {"a": 3, "b": 3}, (20, 16)), {"none": 1.0})
    write_bundle(
        tmp_path / "model", method=method, method_name="negative", nets=method.networks(None), provider={}, info={}
    )
    facts = {"method": "negative", "data": "unpaired", "directions": describe(Negative)}
    return Artifact("model", tmp_path / "model", facts)


def context(folder, registry, **inputs):
    folder.mkdir(exist_ok=True)
    told = PlainConsole(io.StringIO(), io.StringIO())
    return StageContext("p", "s", folder, inputs, 7, "cpu", Tracker(), told, registry, lambda *a, **k: None)


def infer(tmp_path, registry, options=None, **inputs):
    stage = InferStage(InferConfig(**options or {}), registry, 7)
    where = context(tmp_path / "images", registry, **inputs)
    assert not list(stage.check({name: artifact.facts for name, artifact in inputs.items()}))
    return Artifact("images", where.folder, stage.run(where)), where


def problems(stage, **parents):
    return [(p.path, p.message) for p in stage.check({name: a.facts for name, a in parents.items()})]


def test_a_split_is_translated_key_by_key(tmp_path, registry, data, model):
    images, where = infer(tmp_path, registry, data=data, model=model)
    assert images.facts == {
        "direction": "a_to_b",
        "split": "test",
        "source_side": "a",
        "target_side": "b",
        "pairs": True,
        "data": "unpaired",
        "count": 3,
    }
    for key in KEYS:
        made = read(images.path / "images" / f"{key}.png").pixels
        assert np.array_equal(made, read(data.path / "test/b" / f"{key}.png").pixels)
    rows = [json.loads(line) for line in (images.path / "results.jsonl").read_text().splitlines()]
    assert [(r["input"], r["output"], r["status"]) for r in rows] == [(k, f"{k}.png", "done") for k in KEYS]
    (name, page), options = where.tracker.told["image"][0]
    assert name == "converted" and options == {"step": 0}
    assert page.shape[2] == 3 and page.dtype == np.uint8 and page.shape[1] >= 3 * 16
    assert np.array_equal(read(images.path / "contact.png").pixels, page)


def test_the_other_direction_reads_the_other_side(tmp_path, registry, data, model):
    images, _ = infer(tmp_path, registry, {"direction": "b_to_a", "split": "val"}, data=data, model=model)
    assert (images.facts["source_side"], images.facts["target_side"], images.facts["pairs"]) == ("b", "a", False)
    assert np.array_equal(read(images.path / "images/x.png").pixels, read(data.path / "val/a/x.png").pixels)


def test_further_inputs_come_from_the_data(tmp_path, registry, data, model):
    images, _ = infer(tmp_path, registry, {"direction": "blend"}, data=data, model=model)
    made = read(images.path / "images/night.png").pixels.astype(int)
    assert np.abs(made - 127.5).max() <= 0.5


def test_a_folder_is_translated_without_data(tmp_path, registry, data, model):
    (tmp_path / "in").mkdir()
    write(tmp_path / "in/photo.jpg", np.zeros((30, 300, 3), np.uint8))
    images, where = infer(tmp_path, registry, {"input": tmp_path / "in"}, model=model)
    assert images.facts["data"] is None and images.facts["split"] is None and not images.facts["pairs"]
    assert read(images.path / "images/photo.png").pixels.shape == (30, 300, 3)
    (_, page), _ = where.tracker.told["image"][0]
    assert page.shape[1] < 2 * 300
    stage = InferStage(InferConfig(input=tmp_path / "in", direction="blend"), registry)
    assert problems(stage, model=model)[0] == (
        ("with", "others"),
        "blend needs these further inputs: exemplar (a file)",
    )
    write(tmp_path / "white.png", np.full((5, 5, 3), 255, np.uint8))
    options = {"input": tmp_path / "in", "direction": "blend", "others": {"exemplar": tmp_path / "white.png"}}
    assert list(InferStage(InferConfig(**options), registry).inputs()) == [tmp_path / "in", tmp_path / "white.png"]
    (tmp_path / "second").mkdir()
    images, _ = infer(tmp_path / "second", registry, options, model=model)
    assert np.abs(read(images.path / "images/photo.png").pixels.astype(int) - 127.5).max() <= 0.5


def test_a_bad_image_is_named_after_the_rest_is_done(tmp_path, registry, data, model):
    bad = data.path / "test/a/day/one.png"
    good = bad.read_bytes()
    bad.write_bytes(b"no png")
    with pytest.raises(StageError, match=r"1 of 3 images failed: day/one: not an image"):
        infer(tmp_path, registry, data=data, model=model)
    assert (tmp_path / "images/images/night.png").exists()
    bad.write_bytes(good)  # the next run of the stage goes on in the same folder, and tries it again
    infer(tmp_path, registry, data=data, model=model)
    assert (tmp_path / "images/images/day/one.png").exists()


def test_mistakes_of_infer_show_at_plan_time(tmp_path, registry, data, model):
    def of(options, **parents):
        return problems(InferStage(InferConfig(**options), registry), **parents)

    both = "infer needs one of `needs: {data: ...}`, `needs: {images: ...}` or `input: PATH`, and only one"
    assert of({}, model=model) == [(("with",), both)]
    assert of({"input": tmp_path}, model=model, data=data) == [(("with",), both)]
    missing = of({"input": tmp_path / "none"}, model=model)
    assert missing[0][0] == ("with", "input") and "no such file" in missing[0][1]
    assert of({"split": "train"}, model=model, data=data) == [
        (("with", "split"), "the data has no split 'train'; it has test, val")
    ]
    wrong = of({"direction": "a_to_c"}, model=model, data=data)
    assert wrong[0][0] == ("with", "direction") and "did you mean 'a_to_b'?" in wrong[0][1]
    paired = Artifact("dataset", data.path, {**data.facts, "kind": "paired"})
    kinds = "unpaired data (a: image; b: image), and here is paired data (input: image with target: image)"
    assert of({}, model=model, data=paired) == [
        (("needs", "data"), f"negative translates {kinds}: side 'a' is missing")
    ]


def evaluate(tmp_path, registry, options, **inputs):
    stage = EvaluateStage(EvaluateConfig(**options), registry, 7)
    assert not problems(stage, **inputs)
    where = context(tmp_path / "scores", registry, **inputs)
    stage.run(where)
    return {s["metric"]: s for s in json.loads((where.folder / "scores.json").read_text())["scores"]}, where


def test_scores_with_baselines_everywhere_they_are_looked_at(tmp_path, registry, data, model):
    images, _ = infer(tmp_path, registry, data=data, model=model)
    write(images.path / "images/night.png", np.zeros((20, 16, 3), np.uint8))
    metrics = ["l1", "psnr", "ssim", "swd", "palette-accuracy"]
    scores, where = evaluate(tmp_path, registry, {"metrics": metrics}, images=images, data=data)
    true = {key: read(data.path / "test/b" / f"{key}.png").pixels / 255 for key in KEYS}
    assert scores["l1"]["score"] == pytest.approx(true["night"].mean() / 3, abs=1e-6)
    copied = np.mean([np.abs(1 - 2 * image).mean() for image in true.values()])
    assert scores["l1"]["copy"] == pytest.approx(copied, abs=1e-6)
    assert scores["l1"]["copy_ratio"] == pytest.approx(scores["l1"]["score"] / copied, abs=1e-6)
    stacked = np.stack(list(true.values()))
    median = np.median(stacked, axis=(0, 1, 2))
    assert scores["l1"]["constant"] == pytest.approx(np.abs(stacked - median).mean(), abs=1e-5)
    assert scores["psnr"]["score"] == "inf" and scores["swd"]["constant"] is None
    white = np.stack([image.sum(2) > 1.5 for image in true.values()]).mean()
    assert scores["palette-accuracy"]["constant"] == pytest.approx(max(white, 1 - white), abs=0.02)
    printed, page = where.console._stream.getvalue(), (where.folder / "scores.md").read_text()
    for text in (printed, page):
        for part in ("copy input", "score / copy", "best constant", "palette-accuracy", "lower", "higher"):
            assert part in text
    (told,), step = where.tracker.told["metrics"][0]
    assert step == {"step": 0} and told["l1"] == scores["l1"]["score"] and "psnr" not in told
    assert {"l1_copy", "l1_constant", "psnr_copy", "swd", "swd_copy"} <= set(told)
    assert where.tracker.told["table"][0][0][0] == "scores"


def test_the_tracker_gets_the_worst_and_the_best_with_their_pictures(tmp_path, registry, data, model):
    images, _ = infer(tmp_path, registry, data=data, model=model)
    write(images.path / "images/night.png", np.zeros((20, 16, 3), np.uint8))
    _, where = evaluate(tmp_path, registry, {"metrics": ["swd", "l1"]}, images=images, data=data)
    tables = {name: (columns, rows) for (name, columns, rows), _ in where.tracker.told["table"]}
    columns, rows = tables["cases"]
    assert columns == ["case", "image", "l1", "input", "output", "target"]
    assert [row[:2] for row in rows] == [["worst", "night"], ["worst", "day/one"], ["best", "day/two.v1"]]
    expected = read(data.path / "test/b/night.png").pixels.mean() / 255
    assert rows[0][2] == pytest.approx(expected, abs=1e-6) and rows[1][2] == rows[2][2] == 0
    files = [data.path / "test/a/night.png", images.path / "images/night.png", data.path / "test/b/night.png"]
    assert rows[0][3:] == files
    columns, rows = tables["images"]
    assert columns == ["image", "output", "input", "target", "l1"] and [row[0] for row in rows] == KEYS
    (tmp_path / "val").mkdir()
    unpaired, _ = infer(tmp_path / "val", registry, {"split": "val"}, data=data, model=model)
    _, where = evaluate(tmp_path / "val", registry, {"metrics": ["swd"]}, images=unpaired, data=data)
    ((_, columns, rows),) = [told for told, _ in where.tracker.told["table"] if told[0] == "images"]
    assert columns == ["image", "output", "input"] and len(rows) == 1


def test_a_rival_s_images_are_scored_on_the_same_inputs_and_names_choose(tmp_path, registry, data, model):
    images, _ = infer(tmp_path, registry, data=data, model=model)
    rival = Artifact("images", tmp_path / "dark", images.facts)
    for key in KEYS:
        path = rival.path / f"images/{key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, np.zeros((20, 16, 3), np.uint8))
    options = {"metrics": ["l1", "swd"], "bootstrap": 20}
    scores, where = evaluate(tmp_path, registry, options, images=images, data=data, rival=rival)
    true = {key: read(data.path / "test/b" / f"{key}.png").pixels / 255 for key in KEYS}
    black = np.mean([image.mean() for image in true.values()])
    assert scores["l1"]["score"] == pytest.approx(0, abs=1e-6)
    assert scores["l1"]["rival"] == pytest.approx(black, abs=1e-6)
    low, high = scores["l1"]["difference"]
    assert low - 1e-6 <= -black <= high + 1e-6 and scores["swd"]["interval"] is not None
    assert "score - rival, 95 %" in (where.folder / "scores.md").read_text()

    name = KEYS[-1]
    one, where = evaluate(tmp_path, registry, {"metrics": ["l1"], "only": [name, "none"]}, images=rival, data=data)
    assert one["l1"]["score"] == pytest.approx(true[name].mean(), abs=1e-6) and one["l1"]["rival"] is None
    assert "1 images" in (where.folder / "scores.md").read_text()
    stage = EvaluateStage(EvaluateConfig(metrics=["l1"], only=["day*x"]), registry)
    with pytest.raises(StageError, match=r"no image is called like day\*x; one is called day/one"):
        stage.run(context(tmp_path / "none", registry, images=images, data=data))
    (rival.path / f"images/{KEYS[0]}.png").unlink()
    stage = EvaluateStage(EvaluateConfig(metrics=["l1"]), registry)
    with pytest.raises(StageError, match=f"the rival has not the same images: {KEYS[0]}"):
        stage.run(context(tmp_path / "odd", registry, images=images, data=data, rival=rival))
    other = Artifact("images", rival.path, {**rival.facts, "split": "val"})
    assert problems(stage, images=images, data=data, rival=other) == [
        (("needs", "rival"), "the rival's images are of another split, or imitate another side")
    ]


def test_sets_without_pairs_are_compared_whole(tmp_path, registry, data, model):
    images, _ = infer(tmp_path, registry, {"split": "val"}, data=data, model=model)
    scores, _ = evaluate(
        tmp_path, registry, {"metrics": [{"uses": "swd", "patches": 16}], "baselines": False}, images=images, data=data
    )
    assert scores["swd"]["score"] == pytest.approx(0) and scores["swd"]["copy"] is None
    stage = EvaluateStage(EvaluateConfig(metrics=["swd", "psnr"]), registry)
    assert problems(stage, images=images, data=data) == [
        (("with", "metrics", 1), "psnr compares pairs, and split 'val' of this data has none; use swd")
    ]


class Hidden(Negative):
    """Writes the middle third of what it sees into the lowest bits of a flat grey, and reads it out again."""

    name = "hidden"
    directions = {name: Negative.directions[name] for name in ("a_to_b", "b_to_a")}
    LEVEL = 0.4 / 127.5  # below half a step of 8 bits

    def translate(self, nets, inputs, direction, draw):
        image, grey = inputs["image"], 1 / 255  # exactly the pixel value 128
        if direction == "a_to_b":
            return grey + self.LEVEL * image
        return (image - grey) / self.LEVEL


def test_the_way_back_tells_what_was_hidden_below_8_bits(tmp_path, registry, data, model):
    facts = {**model.facts, "method": "hidden", "directions": describe(Hidden)}
    method = Hidden(NoOptions(), DataSpec("unpaired", {"a": 3, "b": 3}, (20, 16)), {"none": 1.0})
    folder = tmp_path / "hidden"
    write_bundle(folder, method=method, method_name="hidden", nets=method.networks(None), provider={}, info={})
    hidden = Artifact("model", folder, facts)
    l1 = {}
    for which, chosen in (("negative", model), ("hidden", hidden)):
        for bits in (None, 16):
            at = tmp_path / f"{which}-{bits}"
            at.mkdir()
            there, _ = infer(at, registry, {"bits": bits}, data=data, model=chosen)
            there = Artifact("images", there.path.rename(at / "there"), there.facts)
            assert read(there.path / "images/night.png").bits == (bits or 8)
            back, _ = infer(at, registry, {"direction": "b_to_a"}, images=there, model=chosen)
            assert (back.facts["target_side"], back.facts["pairs"], back.facts["via"]) == ("a", True, ["a_to_b"])
            scores, where = evaluate(at, registry, {"metrics": ["psnr", "l1"]}, images=back, data=data)
            assert scores["psnr"]["copy"] is None
            assert "a_to_b then b_to_a" in (where.folder / "scores.md").read_text()
            l1[which, bits] = scores["l1"]["score"]
    assert l1["negative", None] == pytest.approx(0, abs=1e-6) == l1["negative", 16]
    assert l1["hidden", 16] < 0.01 and l1["hidden", None] > 0.2


def test_mistakes_of_the_way_back_show_at_plan_time(tmp_path, registry, data, model):
    there = Artifact(
        "images", tmp_path, InferStage(InferConfig(), registry).promise({"model": model.facts, "data": data.facts})
    )

    def of(options, **parents):
        return problems(InferStage(InferConfig(**options), registry), model=model, **parents)

    assert of({"direction": "b_to_a"}, images=there) == []
    assert of({}, images=there) == [(("needs", "images"), "a_to_b translates side 'a', and these are of 'b'")]
    assert "and only one" in of({"direction": "b_to_a"}, images=there, data=data)[0][1]
    assert of({"direction": "b_to_a", "split": "val"}, images=there)[0][0] == ("with", "split")


def test_images_of_one_s_own_are_scored_as_a_set(tmp_path, registry, data, model):
    (tmp_path / "in").mkdir()
    write(tmp_path / "in/photo.png", np.zeros((30, 40, 3), np.uint8))
    images, _ = infer(tmp_path, registry, {"input": tmp_path / "in"}, model=model)
    scores, _ = evaluate(tmp_path, registry, {"metrics": ["swd"]}, images=images, data=data)
    assert scores["swd"]["score"] > 0 and scores["swd"]["copy"] is None
    stage = EvaluateStage(EvaluateConfig(metrics=["l1"]), registry)
    with pytest.raises(StageError, match="has none for photo; use swd"):
        stage.run(context(tmp_path / "more", registry, images=images, data=data))


def test_mistakes_of_evaluate_show_at_plan_time(tmp_path, registry, data, model):
    images = Artifact(
        "images", tmp_path, InferStage(InferConfig(), registry).promise({"model": model.facts, "data": data.facts})
    )
    plain = Artifact("dataset", data.path, {**data.facts, "palette": []})
    stage = EvaluateStage(EvaluateConfig(metrics=["palette-accuracy"]), registry)
    found = problems(stage, images=images, data=plain)
    assert found[0][0] == ("with", "metrics", 0) and "needs a palette" in found[0][1]
    stage = EvaluateStage(EvaluateConfig(metrics=["swd"], split="train"), registry)
    assert problems(stage, images=images, data=data) == [
        (("with", "split"), "the data has no split 'train'; it has test, val")
    ]
    single = Artifact("images", tmp_path, {**images.facts, "target_side": None})
    stage = EvaluateStage(EvaluateConfig(metrics=[MetricUse(uses="swd")]), registry)
    assert problems(stage, images=single, data=data) == [
        (("needs", "images"), "direction a_to_b imitates no side of the data")
    ]


def test_a_metric_is_told_what_was_translated_and_where_to_compute(tmp_path, registry, data, model):
    contexts = []

    class Curious(Metric[NoOptions]):
        name, needs_context = "curious", True

        def score(self, outputs, references, context=None):
            contexts.append(context)
            return 0.0

    class Curiosities(Shop):
        def get(self, kind, name):
            return Curious if name == "curious" else super().get(kind, name)

    images, _ = infer(tmp_path, registry, data=data, model=model)
    evaluate(tmp_path, Curiosities([]), {"metrics": ["curious"]}, images=images, data=data)
    assert {(c.source_side, c.target_side, c.device) for c in contexts} == {("a", "b", "cpu")}
    context = contexts[0]
    assert list(context.keys) == sorted(KEYS) and context.spec.kind == "unpaired"
    for image, key in zip(context.inputs, context.keys, strict=True):
        assert np.allclose(image.permute(1, 2, 0).numpy(), read(data.path / "test/a" / f"{key}.png").pixels / 255)
    assert len(context.exemplars) == len(context.keys)


def test_a_wrong_class_is_found_before_anything_runs(tmp_path, registry):
    (tmp_path / "in").mkdir()
    route = {"nets": ["gen"], "inputs": ["image", "class"], "sides": ["image", "class"], "target": "image"}
    route |= {"output": "image", "scale": 1, "types": {"class": {"type": "class", "names": ["cat", "owl"]}}}
    sides = {"image": {"type": "image"}, "class": {"type": "class"}}
    model = {
        "method": "negative",
        "data": {"sides": sides, "together": [["image", "class"]]},
        "directions": {"to": route},
    }

    def problems_of(others):
        return [
            p.message for p in InferStage(InferConfig(input=tmp_path, others=others), registry).check({"model": model})
        ]

    assert problems_of({"class": "owl"}) == [] and problems_of({"class": 1}) == []
    assert problems_of({"class": "dog"}) == ["input 'class' has no class 'dog'; there are cat, owl"]
    assert problems_of({}) == ["to needs these further inputs: class (a class: cat, owl)"]
