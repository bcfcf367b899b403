"""A tracking server that refuses, hangs, breaks off, answers garbage, forgets: no point is lost or doubled."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import disturbed_server
import numpy as np
import planted_secrets
import pytest
import tracked_runs
import warm
from disturbed_server import FAULTS, DisturbedServer
from fake_tracking import FakeTracking

from translate.errors import TranslateError
from translate.storage.lock import Lock
from translate.tracking import StageTracker, Tracking
from translate.tracking.delivery.points import legal
from translate.tracking.delivery.ship import Count, unsent
from translate.tracking.delivery.sync import LOCK, sync
from translate.tracking.journal import Runs

Open = Callable[..., Tracking]
CHECK = Path(__file__).parents[1] / "benchmarks" / "tracking.py"
STEPS = 60


@pytest.fixture
def fake() -> FakeTracking:
    return FakeTracking()


@pytest.fixture
def server(fake: FakeTracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DisturbedServer]:
    """A server whose faults a test chooses, as the store of all runs; a run asks it ten times a second or more."""
    server = DisturbedServer(fake.answer)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "false")
    monkeypatch.setattr(disturbed_server, "HANG", 1.3)
    monkeypatch.setattr("translate.tracking.shipper.PAUSE", 0.02)
    monkeypatch.setattr("translate.tracking.shipper.LONGEST_PAUSE", 0.1)
    monkeypatch.setattr("translate.tracking.delivery.sync.PATIENCE", 2.0)
    yield server
    server.close()


def track(tracking: Tracking, steps: range = range(STEPS)) -> None:
    """Tracks eight curves and pictures at all of these steps, in a stage of their own."""
    go_on(tracking.stage("train"), steps)


def go_on(stage: StageTracker, steps: range) -> None:
    for step in steps:
        time.sleep(0.002)
        stage.metrics(tracked_runs.points_of(step), step)
        if step % tracked_runs.EVERY == 0:
            stage.image("samples", np.zeros((8, 8, 3), np.uint8), step)


def faults(fake: FakeTracking, steps: int = STEPS) -> list[str]:
    return tracked_runs.faults_of(fake.state(), steps)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_server_that_breaks_costs_no_point_and_doubles_none(
    kind: str, server: DisturbedServer, fake: FakeTracking, opened: Open, said: Any
) -> None:
    every = 7 if kind == "hang" else 3
    server.fault = lambda number: kind if number % every == 1 and number < 30 else ""
    with opened() as tracking:
        track(tracking)
    assert faults(fake) == [], said.warnings
    assert server.met >= 2
    assert tracking.unsent == 0
    assert len(said.warnings) <= 2, "trouble that comes again is told once"


def test_a_server_that_is_gone_for_a_while(
    server: DisturbedServer, fake: FakeTracking, opened: Open, said: Any
) -> None:
    server.refuse()
    with opened() as tracking:
        stage = tracking.stage("train")
        go_on(stage, range(30))
        server.listen()
        go_on(stage, range(30, STEPS))
    assert faults(fake) == []


def test_the_end_waits_for_a_while_and_says_what_is_left_and_how_to_send_it(
    server: DisturbedServer,
    fake: FakeTracking,
    opened: Open,
    said: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("translate.tracking.shipper.SOON", 0.5)
    server.fault = lambda number: "503"  # each asks to come again in an hour
    tracking = opened()
    track(tracking)
    began = time.monotonic()
    tracking.close("done")
    assert time.monotonic() - began < 15, "MLflow is imported meanwhile"
    assert re.search(r"480 points of curves and \d+ other records did not reach http://127", said.warnings[-1])
    assert "`translate track sync` or the next run sends them" in said.warnings[-1]
    assert 480 < tracking.unsent < 500
    with pytest.raises(TranslateError, match="nothing is lost, try again later"):
        sync(tmp_path / "runs", said)
    first = server.requests
    server.fault = lambda number: "answer lost" if number % 3 == 0 and number < first + 6 else ""
    assert sync(tmp_path / "runs", said) == tracking.unsent
    assert re.search(r"maps@quick: 480 points of curves and \d+ other records sent to http://127", said.lines[-1])
    assert faults(fake) == []
    assert sync(tmp_path / "runs", said) == 0


def test_a_slow_end_is_bounded_too(
    server: DisturbedServer, fake: FakeTracking, opened: Open, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("translate.tracking.shipper.LONGEST_END", 1.0)
    monkeypatch.setattr("translate.tracking.shipper.TELLING", 0.2)
    answer = server.answer
    gate = threading.Event()

    def slow(method: str, target: str, body: bytes) -> Any:
        gate.wait(0.25)
        return answer(method, target, body)

    server.answer = slow
    tracking = opened()
    stage = tracking.stage("train")
    for number in range(100):
        stage.params({f"p{number}": 1})
    began = time.monotonic()
    tracking.close("done")
    assert time.monotonic() - began < 3
    assert 0 < tracking.unsent < 110
    assert any("on their way to" in line for line in said.lines)
    gate.set()


def test_a_training_does_not_wait_for_a_server_that_hangs(
    server: DisturbedServer, opened: Open, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("translate.tracking.shipper.PATIENCE", 0.1)
    server.fault = lambda number: "hang"
    tracking = opened()
    stage = tracking.stage("train")
    longest = 0.0
    for step in range(400):
        began = time.monotonic()
        stage.metrics(tracked_runs.points_of(step), step)
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.001)
    assert longest < 0.25, "a call waited for the server"
    tracking.close("done")


def test_a_server_that_forgot_everything_gets_it_again(
    server: DisturbedServer, fake: FakeTracking, opened: Open, said: Any
) -> None:
    with opened() as tracking:
        stage = tracking.stage("train")
        go_on(stage, range(30))
        while not any(fake.points.values()):
            time.sleep(0.01)
        fake.__init__()  # type: ignore[misc]
        go_on(stage, range(30, STEPS))
    assert faults(fake) == []
    assert len(said.warnings) <= 1


def test_a_resumed_run_goes_on_without_a_gap_and_repeats_nothing(
    server: DisturbedServer, fake: FakeTracking, opened: Open
) -> None:
    server.fault = lambda number: "answer lost" if number % 4 == 3 and number < 40 else ""
    tracking = opened()
    track(tracking, range(40))
    tracking.close("failed")
    with opened() as tracking:
        track(tracking, range(25, STEPS))
    assert faults(fake) == []


def test_a_refused_curve_does_not_take_the_others_with_it(
    server: DisturbedServer, fake: FakeTracking, opened: Open, said: Any
) -> None:
    def strict(method: str, target: str, body: bytes) -> Any:
        if target.endswith("log-batch") and b'"train/odd"' in body:
            return 400, json.dumps({"error_code": "INVALID_PARAMETER_VALUE", "message": "no odd ones"}).encode()
        return fake.answer(method, target, body)

    server.answer = strict
    with opened() as tracking:
        stage = tracking.stage("train")
        for step in range(50):
            stage.metrics({"odd": 1.0, "even": 2.0}, step)
    (points,) = fake.points.values()
    assert [step for name, step, _, _ in points if name == "train/even"] == list(range(50))
    assert all(name != "train/odd" for name, *_ in points)
    assert any("refused metrics: train/odd: " in text and "no odd ones" in text for text in said.warnings)


@pytest.mark.parametrize(
    ("name", "told"),
    [("train/loss", "train/loss"), ("a//b/./c", "a/b/c"), ("../x", "x"), ("/", "_"), ("[%]", "___"), ("é", "é")],
)
def test_names_that_any_store_takes(name: str, told: str) -> None:
    assert legal(name) == told
    assert len(legal("n" * 1000)) == 250


def test_a_journal_that_lost_its_end_is_sent_again_from_its_start(
    server: DisturbedServer, fake: FakeTracking, opened: Open, said: Any, tmp_path: Path
) -> None:
    tracking = opened()
    track(tracking, range(20))
    tracking.close("failed")
    folder = tmp_path / "runs" / "maps@quick"
    runs = Runs(folder)
    (run,) = runs
    lines = runs.journal(run).read_bytes().splitlines(keepends=True)
    runs.journal(run).write_bytes(b"".join(lines[:15]))
    assert unsent(runs, run)
    with opened() as tracking:
        track(tracking, range(20))
    steps = {step for points in fake.points.values() for name, step, _, _ in points if name == "train/curve0"}
    assert steps == set(range(20))


def test_one_pipeline_does_not_keep_the_others_from_being_sent(
    server: DisturbedServer,
    fake: FakeTracking,
    opened: Open,
    said: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("translate.tracking.shipper.SOON", 0.1)
    server.refuse()
    with opened() as tracking:
        track(tracking)
    server.listen()
    others = {name: tmp_path / "runs" / name for name in ("a-damaged", "b-in-use")}
    for folder in others.values():
        folder.mkdir()
        (folder / "tracking.json").write_text('{"version": 1, "runs": []}')
    (others["a-damaged"] / "tracking.json").write_text("[]")
    with Lock(others["b-in-use"] / LOCK), pytest.raises(TranslateError, match=r"not a list[^\n]*\n[^\n]*in use"):
        sync(tmp_path / "runs", said)
    assert faults(fake) == []


def test_counts_in_words() -> None:
    assert str(Count(2000, 3)) == "2,000 points of curves and 3 other records"
    assert str(Count(1, 0)) == "1 point of curves"
    assert str(Count(0, 1)) == "1 record"
    assert not Count() and str(Count()) == "nothing"


def test_kills_while_records_are_on_their_way(tmp_path: Path) -> None:
    """The short form of the check in tests/benchmarks."""
    done = warm.run([CHECK, "kills", "--count", "2", "--steps", "120", "--most", "2"], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"kills: \d+ in \d runs of 120 steps, 0 wrong", done.stdout)


def test_secrets_are_nowhere(tmp_path: Path) -> None:
    """The short form of the check in tests/benchmarks, without a training."""

    def run(arguments: Any, folder: Path, environment: Any, site: Path) -> str:
        command = [sys.executable, "-m", "translate", *arguments]
        variables = {**environment, "PYTHONWARNINGS": "ignore"}
        with (tmp_path / "said").open("w+") as said:
            program = warm.Program(command, folder, {**_plain(), **variables}, stdout=said, stderr=said, sites=[site])
            with program:
                program.wait(120)
            said.seek(0)
            return said.read()

    talk: list[str] = []
    assert planted_secrets.look_through(tmp_path, talk.append, run, training=False) == []
    assert len(planted_secrets.SECRETS) >= 30
    assert any("sinks" in line for line in talk)


def _plain() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith("MLFLOW_")}
