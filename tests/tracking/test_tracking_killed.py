"""A run that was killed before it could write its end does not run for ever in the store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from translate.storage.lock import Lock
from translate.tracking.delivery.killed import has_killed
from translate.tracking.delivery.sync import sync
from translate.tracking.journal import Runs
from translate.tracking.shipper import Shipper
from translate.tracking.sweep import Member, SweepRecord

Kill = Callable[..., None]


@pytest.fixture
def kill(opened: Any) -> Kill:
    """Leaves a run as it is when its process is killed: all stages are done, or one is at work."""

    def leave(*, done: bool = True, recipe: str = "a" * 64) -> None:
        tracking = opened(recipe)
        tracking.stage("train").metrics({"loss": 1.0}, 1)
        if done:
            tracking._finish_stages()
        tracking._sampler.close()
        tracking._journal.close()
        tracking._shipper.finish()

    return leave


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs/maps@quick"


def states(store: Any) -> dict[str, tuple[str, str]]:
    experiment = store.get_experiment_by_name("maps")
    runs = store.search_runs([experiment.experiment_id])
    return {run.info.run_name[:8]: (run.info.status, run.data.tags.get("state", "")) for run in runs}


@pytest.mark.parametrize(("done", "expected"), [(True, ("FINISHED", "done")), (False, ("KILLED", "stopped"))])
def test_sync_ends_it(store: Any, kill: Kill, folder: Path, said: Any, done: bool, expected: tuple[str, str]) -> None:
    kill(done=done)
    assert [*states(store).values()] == [("RUNNING", "running: train")]
    with Lock(folder / ".lock"):  # somebody works there
        sync(folder, said)
    assert [*states(store).values()] == [("RUNNING", "running: train")]
    sync(folder, said)
    assert [*states(store).values()] == [expected]
    assert not has_killed(folder) and sync(folder, said) == 0


def test_it_ended_when_it_did_its_last_thing(store: Any, kill: Kill, folder: Path, said: Any) -> None:
    kill()
    journal = folder / ".tracking/aaaaaaaa/journal.jsonl"
    lines = journal.read_text().splitlines()
    past = {**json.loads(lines[-1]), "t": json.loads(lines[-1])["t"] + 5}
    journal.write_text("\n".join([*lines, json.dumps(past)]) + "\n")
    sync(folder, said)
    (run,) = store.search_runs([store.get_experiment_by_name("maps").experiment_id])
    assert run.info.end_time == past["t"]


def test_the_next_run_ends_it_and_goes_on_with_its_own(store: Any, opened: Any, kill: Kill) -> None:
    kill(done=False)
    with opened("b" * 64) as tracking:
        tracking.stage("train")
    assert states(store) == {"aaaaaaaa": ("KILLED", "stopped"), "bbbbbbbb": ("FINISHED", "done")}
    with opened("a" * 64) as tracking:
        tracking.stage("train")
    assert [state for state, _ in states(store).values()] == ["FINISHED", "FINISHED"]


def test_a_run_that_has_nothing_to_do_ends_it(store: Any, opened: Any, kill: Kill, folder: Path, said: Any) -> None:
    kill(done=False)  # killed behind the last stage, of which the results are there
    assert has_killed(folder)
    opened().settle()
    assert [*states(store).values()] == [("FINISHED", "done")]
    assert (folder / "report.html").is_file()
    assert "tracking: aaaaaaaa was killed before its end; it is recorded as done" in said.lines
    assert not has_killed(folder)


def test_a_member_leaves_its_sweep_running(store: Any, opened: Any, folder: Path, said: Any) -> None:
    sweep = SweepRecord("mlflow", "maps@quick", folder, ["lr=1"], said)
    sweep.begin({"lr": "1"})
    tracking = opened()
    tracking.member = Member(sweep.journal, "lr=1")
    with tracking:
        tracking.stage("train")
    assert states(store)["lr=1"] == ("FINISHED", "done")
    experiment = store.get_experiment_by_name("maps")
    assert sorted(run.info.status for run in store.search_runs([experiment.experiment_id])) == ["FINISHED", "RUNNING"]
    Shipper(Runs(folder), next(iter(Runs(folder))), said).finish()
    sync(folder, said)
    assert {run.info.status for run in store.search_runs([experiment.experiment_id])} == {"FINISHED", "KILLED"}
