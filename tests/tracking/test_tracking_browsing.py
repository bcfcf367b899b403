"""How a run looks in MLflow: names, description, columns, tables with pictures, and what it is called."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from translate.imaging.io import write
from translate.tracking import Tracking
from translate.tracking.browsing.description import description
from translate.tracking.browsing.names import metric_name, names_of, picture_name, without_baselines
from translate.tracking.browsing.view import SEEN_IN, TAG, main_columns
from translate.tracking.run import compared

Open = Callable[..., Tracking]


def test_pictures_and_validations_sort_before_everything_else() -> None:
    names = ["train/gan", "train/grad_norm/g", "score/l1", "Bake/loss", "a/b"]
    first = [picture_name("train/samples/a_to_b"), metric_name("train/val/l1"), metric_name("train/val/b_to_a/l1")]
    assert sorted([*names, *first])[:3] == sorted(first)
    assert first == ["1-pictures/train a_to_b", "2-validation/train l1", "2-validation/train b_to_a l1"]
    assert [metric_name(name) for name in names] == names
    assert picture_name("convert/converted") == "1-pictures/convert"


TWICE = """
stages:
  prepare: {uses: preprocess}
  convert: {uses: infer, needs: {model: train, data: prepare}, with: {direction: a_to_b, bits: null}}
  back: {uses: infer, needs: {model: train, images: convert}, with: {direction: b_to_a, bits: null}}
  convert_16: {uses: infer, needs: {model: train, data: prepare}, with: {direction: a_to_b, bits: 16}}
  back_16: {uses: infer, needs: {model: train, images: convert_16}, with: {direction: b_to_a, bits: null}}
  other: {uses: infer, needs: {model: train, data: prepare}, with: {direction: b_to_a, bits: 16}}
"""


def test_a_picture_is_not_shown_once_more_in_sixteen_bits(opened: Open) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    with opened(mode="none", resolved=TWICE) as tracking:
        for stage in ("convert", "back", "convert_16", "back_16", "other"):
            tracking.stage(stage).image("converted", picture, 0)
        folder = tracking.folder
    assert kept(folder) == ["back", "back_16", "convert", "other"]
    with opened(recipe="b" * 64, mode="none", resolved=TWICE) as tracking:
        tracking.stage("convert_16").image("converted", picture, 0)
    assert kept(folder) == ["convert_16"]  # in a run of its own it is the only one


def kept(folder: Path) -> list[str]:
    """The stages whose pictures the newest run has."""
    newest = max(folder.glob(".tracking/*/journal.jsonl"), key=lambda path: path.stat().st_mtime_ns).parent
    return sorted(path.parents[1].name for path in newest.glob("samples/*/converted/*.png"))


def test_a_baseline_is_left_out_beside_its_metric_alone() -> None:
    assert without_baselines({"s/l1": 1, "s/l1_copy": 2, "s/l1_constant": 3}) == {"s/l1": 1}
    assert without_baselines({"s/hard_copy": 1}) == {"s/hard_copy": 1}


def table(name: str, columns: list[str], *rows: list[Any]) -> dict[str, Any]:
    return {"e": "table", "name": name, "columns": columns, "rows": list(rows)}


def test_the_description_begins_with_the_scores() -> None:
    data = table("prepare/dataset", ["side", "images"], ["a", 7])
    scores = table("score/scores", ["metric", "score", "copy input"], ["l1", 0.125, 0.5], ["swd", 2.0, None])
    pictures = table("score/cases", ["case", "output"], ["worst", {"picture": "x.png"}])
    text = description([data, pictures, scores], "Only score ran.")
    assert text.startswith(
        "score: l1 **0.125** (copy of the input: 0.5), swd **2**\n\nOnly score ran.\n\n**score/scores**"
    )
    assert text.index("score/scores") < text.index("prepare/dataset")
    assert "cases" not in text


def test_columns_are_main_scores_methods_and_the_state() -> None:
    scores = table("score/scores", ["metric"], ["psnr (dB)"], ["l1 (of 0 to 1)"])
    metrics = ["score/l1", "score/psnr", "train/gan", "2-validation/train l1"]
    method = ["params.`method`", "tags.`state`"]
    assert main_columns({"method", "lr"}, metrics, [scores]) == ["metrics.`score/psnr`", *method]
    again = table("reconstruct/scores", ["metric"], ["l1 (of 0 to 1)"])
    assert main_columns({"method"}, [*metrics, "reconstruct/l1"], [scores, again]) == ["metrics.`score/psnr`", *method]
    assert main_columns({"method"}, metrics, []) == ["metrics.`2-validation/train l1`", *method]
    counts = ["metrics.`done`", "metrics.`failed`"]
    assert main_columns({"model"}, ["done", "failed"], []) == [*counts, "params.`model`", "tags.`state`"]


def test_few_settings_are_params() -> None:
    options = {"method": "cyclegan", "epochs": 3, "losses": {"cycle": 10}, "options": {"pool": 50}}
    train = {"with": {**options, "optimizer": {"uses": "adam", "lr": 0.1}, "batch_size": 1}}
    assert compared({"seed": 1, "stages": {"train": train}}) == {
        "method": "cyclegan",
        "epochs": 3,
        "batch_size": 1,
        "lr": 0.1,
    }
    assert compared({"stages": {"first": train, "second": train}}) == {
        "first": {"method": "cyclegan"},
        "second": {"method": "cyclegan"},
    }


def test_names_differ_early_and_say_what_only_ran_again() -> None:
    stages = {"prepare": {}, "train": {"needs": {"data": "prepare"}}, "score": {"needs": {"images": "train"}}}
    again = {"journal": ".tracking/1234abcd-2"}
    for whole in (["prepare", "train", "score"], ["prepare", "train"]):
        assert names_of(again, "maps@quick", whole, stages) == {"title": "1234abcd-2 quick"}
    assert names_of({"journal": ".tracking/1234abcd"}, "maps", ["score"], stages) == {
        "title": "1234abcd maps, only score",
        "note": "Only score ran: prepare, train came from earlier runs.",
    }


def test_tables_with_pictures_are_those_of_log_table_and_come_once(store: Any, opened: Open, tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "runs/maps@quick/convert-1/images/one.png"
    picture.parent.mkdir(parents=True)
    write(picture, np.full((600, 300, 3), 77, np.uint8))
    with opened() as tracking:
        tracking.stage("score").table("images", ["image", "l1", "output"], [["one", 0.5, picture]])
    experiment = store.get_experiment_by_name("maps")
    (run,) = store.search_runs([experiment.experiment_id])
    content = json.loads(Path(store.download_artifacts(run.info.run_id, "tables/score/images.json")).read_text())
    assert content["columns"] == ["image", "l1", "output"]
    name, value, cell = content["data"][0]
    assert (name, value, cell["type"]) == ("one", 0.5, "image")
    assert cell["filepath"] == cell["compressed_filepath"] == "table_images/tables/score/images/000-2.jpg"
    with Image.open(store.download_artifacts(run.info.run_id, cell["filepath"])) as shown:
        assert shown.size == (100, 200) and abs(int(np.asarray(shown).mean()) - 77) < 2
    listed = json.loads(run.data.tags["mlflow.loggedArtifacts"])
    assert listed == [{"path": "tables/score/images.json", "type": "table"}]
    assert run.data.tags["state"] == "done"
    assert (TAG in experiment.tags) == (version("mlflow") in SEEN_IN)


@pytest.mark.skipif(version("mlflow") not in SEEN_IN, reason="no view is written for this version")
def test_the_view_names_columns_that_the_run_has(store: Any, opened: Open) -> None:
    with opened() as tracking:
        score = tracking.stage("score")
        score.metrics({"l1": 0.5, "l1_copy": 0.7}, 0)
        score.table("scores", ["metric", "score"], [["l1", 0.5]])
    view = json.loads(store.get_experiment_by_name("maps").tags[TAG])
    assert (view["name"], type(view["createdAt"])) == ("Overview", int)
    columns = ["metrics.`score/l1`", "params.`method`", "tags.`state`"]
    assert json.loads(view["state"])["selectedColumns"] == columns
    with opened("b" * 64) as tracking:  # which has no score
        tracking.stage("prepare")
    view = json.loads(store.get_experiment_by_name("maps").tags[TAG])
    assert json.loads(view["state"])["selectedColumns"] == columns


def test_a_run_that_goes_on_keeps_its_tables(store: Any, opened: Open) -> None:
    with pytest.raises(RuntimeError), opened() as tracking:
        tracking.stage("prepare").table("dataset", ["side", "images"], [["a", 7]])
        raise RuntimeError
    with opened() as tracking:
        tracking.stage("score").table("scores", ["metric", "score"], [["l1", 0.5]])
    (run,) = store.search_runs([store.get_experiment_by_name("maps").experiment_id])
    text = run.data.tags["mlflow.note.content"]
    assert text.startswith("score: l1 **0.5**") and "| a | 7 |" in text
