"""`translate runs`: what was tracked here, compared, and cleaned up."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from translate.cli import main
from translate.errors import ConfigError
from translate.storage.lock import Lock
from translate.tracking import open_tracking
from translate.tracking.listing import clean
from translate.tracking.listing.compare import compared, differing, listed
from translate.tracking.listing.records import RunRecord, Score, find_runs, list_runs
from translate.tracking.redact import flatten
from translate.tracking.sweep import Member, SweepRecord

Track = Callable[..., None]


@pytest.fixture
def track(tmp_path: Path, said: Any, monkeypatch: pytest.MonkeyPatch) -> Track:
    """Tracks a run of a pipeline in its journal alone."""
    monkeypatch.chdir(tmp_path)

    def run(
        recipe: str, lr: float, score: float, pipeline: str = "maps", member: Member | None = None, status: str = "done"
    ) -> None:
        options = {"method": "pix2pix", "optimizer": {"uses": "adam", "lr": lr}, "epochs": 3}
        source = {"uses": "generated-maps", "size": 16}
        stages = {
            "prepare": {"uses": "preprocess", "with": {"source": source}},
            "train": {"uses": "train", "needs": {"data": "prepare"}, "with": options},
        }
        tracking = open_tracking(
            "none",
            pipeline,
            tmp_path / "runs" / pipeline,
            recipe=recipe * 64,
            resolved=yaml.safe_dump({"name": pipeline, "seed": 1, "stages": stages}),
            stages=["train", "score"],
            versions={},
            console=said,
            member=member,
        )
        tracking.stage("train").dataset(pipeline, "d" * 64, {}, "train")
        table = [["psnr (dB)", "higher", score, "19.5 to 21"], ["l1", "lower", 0.1, None]]
        tracking.stage("score").table("scores", ["metric", "better", "score", "95 %"], table)
        tracking.close(status)  # type: ignore[arg-type]

    return run


def test_runs_are_listed_with_state_method_data_and_score(track: Track) -> None:
    track("a", 1e-4, 20.5)
    track("b", 2e-4, 21.5, "other@quick", status="failed")
    first, second = list_runs()
    assert (first.name, first.state, first.method) == ("maps/aaaaaaaa", "done", "pix2pix")
    assert (second.name, second.state) == ("other@quick/bbbbbbbb", "failed")
    assert first.data == "generated-maps (dddddddd)"
    assert (first.scores["score/psnr (dB)"].value, first.scores["score/psnr (dB)"].interval) == (20.5, "19.5 to 21")


def test_a_list_has_short_numbers(track: Track) -> None:
    track("a", 1e-4, 20.123456789)
    columns, rows = listed(list_runs())
    assert rows[0][columns.index("score")] == "score/psnr (dB) 20.12 (19.5 to 21)"


def test_a_run_that_has_no_end_goes_on_or_was_stopped(track: Track, tmp_path: Path) -> None:
    track("a", 1e-4, 20.5)
    journal = tmp_path / "runs/maps/.tracking/aaaaaaaa/journal.jsonl"
    lines = [line for line in journal.read_text().splitlines(True) if '"e":"end"' not in line]
    journal.write_text("".join(lines))
    assert [record.state for record in list_runs()] == ["stopped"]
    with Lock(tmp_path / "runs/maps/.lock"):
        assert [record.state for record in list_runs()] == ["running"]


def settings(**stages: Any) -> RunRecord:
    return RunRecord("maps/a", Path(), "a", settings=flatten({name: {"uses": "x", **s} for name, s in stages.items()}))


def test_what_belongs_to_another_method_or_stage_is_no_difference() -> None:
    unet = {"with": {"method": "pix2pix", "options": {"generator": {"uses": "unet", "levels": 3}}, "lr": 1, "clip": 2}}
    resnet = {
        "with": {"method": "cyclegan", "options": {"generator": {"uses": "resnet"}, "pool": 50}, "lr": 2, "clip": 2}
    }
    assert differing([settings(train=unet), settings(train=resnet)]) == [
        "train.with.method",
        "train.with.options.generator.uses",
        "train.with.lr",
    ]
    assert differing([settings(train=unet), settings(train=unet, score={"with": {"bootstrap": 3}})]) == []
    flipped = {"with": {**unet["with"], "augment": [{"uses": "flip", "p": 0.5}]}}
    assert differing([settings(train=unet), settings(train=flipped)]) == ["train.with.augment.0.uses"]
    three = [settings(train=unet), settings(train=resnet), settings(train={"with": {**unet["with"], "ema": 1}})]
    assert "train.with.ema" in differing(three)


def test_a_run_of_several_trainings_is_listed_with_the_score_of_its_evaluation() -> None:
    scores = {"train-1/val/l1": Score(0.3), "score-1/l1": Score(0.2)}
    columns, rows = listed([RunRecord("maps/a", Path(), "a", scores=scores)])
    assert rows[0][columns.index("score")] == "score-1/l1 0.2"


def test_runs_are_compared_by_what_differs(track: Track) -> None:
    track("a", 1e-4, 20.5)
    track("b", 2e-4, 21.5)
    records = find_runs(["aaaa", "maps bbbbbbbb"], list_runs())
    assert differing(records) == ["train.with.optimizer.lr"]
    columns, rows = compared(records)
    assert columns == ["run", "state", "method", "data", "steps", "psnr (dB)", "l1", "lr"]
    assert [row[5:] for row in rows] == [["20.5 (19.5 to 21)", 0.1, "0.0001"], ["21.5 (19.5 to 21)", 0.1, "0.0002"]]


def test_a_sweep_stands_for_its_runs(track: Track, tmp_path: Path, said: Any) -> None:
    names = ["lr=1", "lr=2"]
    sweep = SweepRecord("none", "maps", tmp_path / "runs" / "maps", names, said)
    sweep.begin({"lr": "1, 2"})
    for number, name in enumerate(names):
        track("ab"[number], number + 1.0, 20.0 + number, member=Member(sweep.journal, name, {"lr": str(number + 1)}))
    sweep.end("done", ["lr", "psnr"], [["1", 20.0], ["2", 21.0]], tmp_path / "runs/maps/sweep.md")
    records = find_runs(["maps"], list_runs())
    assert [record.member for record in records] == names
    columns, rows = compared(records)
    assert [row[columns.index("run")] for row in rows] == names and [row[-1] for row in rows] == ["1.0", "2.0"]
    listed = CliRunner().invoke(main, ["runs", "list"])
    assert "sweep of 2" in listed.output and listed.exit_code == 0


@pytest.mark.parametrize(
    ("name", "message"), [("cccc", "no such run"), ("maps/aaaaaaab", "did you mean"), ("aaaa", "means several")]
)
def test_a_name_that_means_none_or_several(track: Track, name: str, message: str) -> None:
    track("a", 1e-4, 20.5)
    track("a", 1e-4, 20.5, "other")
    with pytest.raises(ConfigError, match=message):
        find_runs([name], list_runs())


def test_the_commands_print_one_document(track: Track) -> None:
    track("a", 1e-4, 20.5)
    track("b", 2e-4, 21.5)
    result = CliRunner().invoke(main, ["runs", "compare", "--json"])
    document = json.loads(result.stdout)
    assert document["differing"] == ["train.with.optimizer.lr"]
    assert [run["settings"] for run in document["runs"]] == [
        {"train.with.optimizer.lr": "0.0001"},
        {"train.with.optimizer.lr": "0.0002"},
    ]
    assert document["runs"][1]["scores"]["score/psnr (dB)"] == {"value": 21.5, "interval": "19.5 to 21"}
    assert len(json.loads(CliRunner().invoke(main, ["runs", "list", "--json"]).stdout)["runs"]) == 2


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline's folder with a current result, an older one, one of a sweep, and two starts."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "maps"
    for number, name in enumerate(
        ("train-00000001.partial", "train-00000002", "train-00000003", "train-00000004", "train-00000005.partial")
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / "weights").write_bytes(b"x" * 1000)
        os.utime(folder / name, (1000 + number, 1000 + number))
    (folder / "train").symlink_to("train-00000004")
    (folder / "notes-12345678").mkdir()
    (folder / "sweep.json").write_text(json.dumps({"runs": [{"folders": {"train": "train-00000003"}}]}))
    return folder


def test_cleaning_says_first_what_would_go(results: Path) -> None:
    before = sorted(path.name for path in results.iterdir())
    result = CliRunner().invoke(main, ["runs", "clean"])
    assert result.exit_code == 0 and sorted(path.name for path in results.iterdir()) == before
    assert "train-00000002: train has a newer result" in result.output
    assert "train-00000001.partial: a start of train that was not finished" in result.output
    assert "--yes" in result.output and "2 folders" in result.output
    result = CliRunner().invoke(main, ["runs", "clean", "--yes", "--json"])
    assert json.loads(result.stdout)["bytes"] == 2000
    gone = set(before) - {path.name for path in results.iterdir()}
    assert gone == {"train-00000001.partial", "train-00000002"}
    assert (results / "train" / "weights").is_file()
    assert "nothing to remove" in CliRunner().invoke(main, ["runs", "clean", "--yes"]).output


def test_records_that_wait_keep_their_files(results: Path, said: Any) -> None:
    tracking = open_tracking(
        "none", "maps", results, recipe="a" * 64, resolved="{}", stages=["train"], versions={}, console=said
    )
    tracking.stage("train")
    tracking.close("done")
    path = results / "tracking.json"
    path.write_text(path.read_text().replace('"mode": "none"', '"mode": "mlflow"'))
    found = clean.plan(results.parent)
    assert found.leftovers == () and "wait to be sent" in found.kept[0]


def test_the_record_of_a_run_goes_when_it_is_named(track: Track, tmp_path: Path) -> None:
    track("a", 1e-4, 20.5)
    track("b", 2e-4, 21.5)
    result = CliRunner().invoke(main, ["runs", "clean", "maps/aaaaaaaa"])
    assert result.exit_code == 0 and len(list_runs()) == 2
    CliRunner().invoke(main, ["runs", "clean", "maps/aaaaaaaa", "--yes"])
    assert [record.name for record in list_runs()] == ["maps/bbbbbbbb"]
    assert not (tmp_path / "runs/maps/.tracking/aaaaaaaa").exists()
