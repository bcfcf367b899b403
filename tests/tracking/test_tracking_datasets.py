"""The names and addresses under which data is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from translate.tracking import Tracking
from translate.tracking.datasets import Origins, address_of, origin_of

PREPARED = Path("runs/x/prepare-0123")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("photos/train", "photos/test", "drawings/train", "maps/trainA"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "name", "address"),
    [
        ({"uses": "folders", "root": "maps"}, "maps", "maps"),
        ({"uses": "folders", "a": "photos/train", "b": "drawings/train"}, "drawings-photos", "."),
        ({"uses": "folders", "a": "photos/train", "b": "photos/test"}, "photos", "photos"),
        ({"uses": "pairs", "a": "photos/*_A", "b": "photos/*_B"}, "photos", "photos"),
        ({"uses": "single", "root": "photos", "folders": {"train": ["photos/train"]}}, "photos", "photos"),
        ({"uses": "dataset", "name": "facades", "root": "maps"}, "facades", "maps"),
        ({"uses": "generated-maps", "size": 16}, "generated-maps", str(PREPARED)),
        ({"uses": "folders", "root": "gone"}, "folders", str(PREPARED)),
        ({"uses": "labelled", "images": "photos/train", "labels": "photos", "kind": "maps"}, "photos", "photos"),
    ],
)
def test_data_on_the_disk(here: Path, source: Any, name: str, address: str) -> None:
    origin = origin_of(source, PREPARED)
    assert (origin.name, origin.source["kind"]) == (name, "local")
    assert Path(origin.source["address"]) == (PREPARED if address == str(PREPARED) else (here / address).resolve())


def test_a_card_has_the_address_of_its_archive_also_beside_a_folder_of_its_name(here: Path) -> None:
    origin = origin_of({"uses": "dataset", "name": "maps"}, PREPARED)
    assert origin.name == "maps" and origin.source["kind"] == "http"
    assert origin.source["address"].startswith("http") and origin.source["address"].endswith("maps.tar.gz")


def test_no_secret_is_in_an_address(here: Path) -> None:
    origin = origin_of({"uses": "acme/web", "url": "https://me:hunter2@host/x?token=hunter2"}, PREPARED)
    assert origin.source["kind"] == "http" and "hunter2" not in origin.source["address"]


def test_a_stage_finds_the_data_above_it(tmp_path: Path) -> None:
    stages = {
        "load": {"uses": "preprocess", "with": {"source": {"uses": "generated-maps"}}},
        "teacher": {"uses": "train", "needs": {"data": "load"}, "with": {}},
        "pairs": {"uses": "pair", "needs": {"images": "convert", "data": "load"}},
        "student": {"uses": "train", "needs": {"data": "pairs", "init": "teacher"}, "with": {}},
        "alone": {"uses": "train", "needs": {}},
    }
    origins = Origins(tmp_path, {"stages": stages})
    assert {origins.of(name).name for name in ("load", "teacher", "pairs", "student")} == {"generated-maps"}
    assert origins.of("alone").name == origins.of("nobody").name == ""


def test_events_of_earlier_versions_have_an_address_too(tmp_path: Path) -> None:
    kind, source = address_of({"e": "dataset"}, tmp_path)
    assert kind == "local" and json.loads(source) == {"uri": str(tmp_path)}


def test_the_same_data_has_one_name_and_mlflow_reads_its_address(store: Any, opened: Any) -> None:
    import mlflow.data

    for recipe, called in (("a" * 64, "maps@quick"), ("b" * 64, "other")):
        with opened(recipe) as tracking:
            tracking: Tracking
            prepare = tracking.stage("prepare")
            prepare.dataset("dataset", "f" * 64, {}, "prepare")
            tracking.stage("train").dataset(called, "d" * 64, {"kind": "unpaired"}, "train")
    experiment = store.get_experiment_by_name("maps")
    found = set()
    for run in store.search_runs([experiment.experiment_id]):
        (used,) = run.inputs.dataset_inputs
        found.add((used.dataset.name, used.dataset.digest))
        assert mlflow.data.get_source(used).url.startswith("http")
    assert found == {("maps", "d" * 36)}
