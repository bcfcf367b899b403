"""A sweep in the tracking store: one run of its own, the parent of those of its members."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from translate.tracking import Tracking, open_tracking
from translate.tracking.reports.record import gather
from translate.tracking.sweep import Member, SweepRecord

PARENT = "mlflow.parentRunId"
NAMES = ["lr=1, seed=1", "lr=1, seed=2"]


def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "maps"


@pytest.fixture
def record(tmp_path: Path, said: Any) -> Callable[..., SweepRecord]:
    return lambda mode="mlflow": SweepRecord(mode, "maps", folder(tmp_path), NAMES, said)


@pytest.fixture
def member(tmp_path: Path, said: Any) -> Callable[..., Tracking]:
    def open_(number: int, sweep: SweepRecord | None, mode: Any = "mlflow") -> Tracking:
        place = Member(sweep.journal, NAMES[number], {"lr": "1", "seed": str(number + 1)}) if sweep else None
        return open_tracking(
            mode,
            "maps",
            folder(tmp_path),
            recipe=str(number) * 64,
            resolved="{version: 1, name: maps, stages: {}}",
            stages=["train"],
            versions={},
            console=said,
            member=place,
        )

    return open_


def runs_of(store: Any) -> dict[str, Any]:
    experiment = store.get_experiment_by_name("maps")
    return {run.info.run_name: run for run in store.search_runs([experiment.experiment_id])}


def page(tmp_path: Path) -> Path:
    path = folder(tmp_path) / "sweep.md"
    path.write_text("# Sweep\n")
    return path


def end(sweep: SweepRecord, tmp_path: Path, status: str = "done") -> None:
    sweep.end(status, ["lr", "seed", "l1"], [["1", "1", 0.5], ["1", "2", None]], page(tmp_path))


def test_one_parent_with_its_children_and_the_table(store: Any, record: Any, member: Any, tmp_path: Path) -> None:
    sweep = record()
    sweep.begin({"lr": "1", "seed": "1, 2"})
    for number in range(2):
        with member(number, sweep) as tracking:
            tracking.stage("train").metrics({"l1": 0.5 - number / 10}, 3)
            if number == 0:
                running = runs_of(store)
                assert len(running) == 1, "the parent is there before its children"
    end(sweep, tmp_path)
    runs = runs_of(store)
    assert len(runs) == 3 and set(NAMES) < runs.keys()
    (parent,) = (run for name, run in runs.items() if name not in NAMES)
    assert parent.info.status == "FINISHED" and PARENT not in parent.data.tags
    assert parent.data.params == {"lr": "1", "seed": "1, 2"}
    assert "| 1 | 1 | 0.5 |" in parent.data.tags["mlflow.note.content"]
    files = {file.path for file in store.list_artifacts(parent.info.run_id)}
    assert "sweep.md" in files
    for number, name in enumerate(NAMES):
        assert runs[name].data.tags[PARENT] == parent.info.run_id
        assert runs[name].data.params["seed"] == str(number + 1)
        assert runs[name].data.metrics == {"train/l1": 0.5 - number / 10}


def test_the_same_sweep_goes_on_in_the_same_parent(store: Any, record: Any, member: Any, tmp_path: Path) -> None:
    for number in range(2):
        sweep = record()
        sweep.begin({"lr": "1"})
        with member(number, sweep) as tracking:
            tracking.stage("train")
        end(sweep, tmp_path, "done" if number else "failed")
    runs = runs_of(store)
    assert len(runs) == 3
    (parent,) = (run for name, run in runs.items() if name not in NAMES)
    assert parent.info.status == "FINISHED"
    assert {runs[name].data.tags[PARENT] for name in NAMES} == {parent.info.run_id}


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_sweep_whose_members_a_plugin_records_leaves_no_empty_parent(
    store: Any, member: Any, tmp_path: Path, said: Any, elsewhere: bool
) -> None:
    sweep = SweepRecord("mlflow", "maps", folder(tmp_path), NAMES, said, shared=True)
    sweep.begin({"lr": "1"})
    if not elsewhere:
        with member(0, sweep) as tracking:
            tracking.stage("train")
    end(sweep, tmp_path)
    if elsewhere:
        assert store.get_experiment_by_name("maps") is None
    else:
        runs = runs_of(store)
        (parent,) = (run for name, run in runs.items() if name not in NAMES)
        assert runs[NAMES[0]].data.tags[PARENT] == parent.info.run_id


def test_a_run_that_mlflow_s_variables_name_is_the_parent(
    store: Any, record: Any, member: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = store.create_run(store.create_experiment("mine"), run_name="mine")
    monkeypatch.setenv("MLFLOW_RUN_ID", named.info.run_id)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    sweep = record()
    sweep.begin({})
    with member(0, sweep) as tracking:
        tracking.stage("train").metrics({"l1": 0.5}, 0)
    end(sweep, tmp_path)
    experiment = store.get_experiment_by_name("mine")
    runs = {run.info.run_name: run for run in store.search_runs([experiment.experiment_id])}
    assert runs.keys() == {"mine", NAMES[0]}
    assert runs[NAMES[0]].data.tags[PARENT] == named.info.run_id
    assert "train/l1" not in runs["mine"].data.metrics


def test_children_of_a_dead_store_find_their_parent_later(
    store: Any, record: Any, member: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Any
) -> None:
    import os

    from translate.tracking import shipper
    from translate.tracking.delivery.sync import sync

    there = os.environ["MLFLOW_TRACKING_URI"]
    monkeypatch.setattr(shipper, "PATIENCE", 0.5)
    monkeypatch.setattr(shipper, "SOON", 0.5)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    sweep = record()
    sweep.begin({"lr": "1"})
    for number in range(2):
        with member(number, sweep) as tracking:
            tracking.stage("train")
    end(sweep, tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", there)
    sync(folder(tmp_path), said)
    runs = runs_of(store)
    (parent,) = (run for name, run in runs.items() if name not in NAMES)
    assert {runs[name].data.tags[PARENT] for name in NAMES} == {parent.info.run_id}


def test_a_run_that_was_there_before_becomes_a_child_when_it_runs_again(
    store: Any, record: Any, member: Any, tmp_path: Path
) -> None:
    with member(0, None) as tracking:
        tracking.stage("train")
    sweep = record()
    sweep.begin({"lr": "1"})
    with member(0, sweep) as tracking:
        tracking.stage("score")
    end(sweep, tmp_path)
    runs = runs_of(store)
    tagged = [run for run in runs.values() if PARENT in run.data.tags]
    assert len(runs) == 2 and len(tagged) == 1


def test_the_report_is_that_of_the_last_member(record: Any, member: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = record("none")
    sweep.begin({"lr": "1"})
    with member(0, sweep, "none") as tracking:
        tracking.stage("train").metrics({"l1": 0.5}, 0)
    end(sweep, tmp_path)
    again = record("none")
    again.begin({"lr": "1"})
    assert gather(folder(tmp_path)).recipe == "0" * 64
    assert [*gather(folder(tmp_path)).stages] == ["train"]
    assert json.loads((folder(tmp_path) / "tracking.json").read_text())["runs"][0]["sweep"] is True
