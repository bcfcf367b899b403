"""The store's database: killed while it is made, on a full disk, made by several at once, moved, older."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import warm
from database_template import UNDO

from translate.doctor import diagnose
from translate.errors import ConfigError, TranslateError
from translate.tracking import Tracking, database as databases, ui
from translate.tracking.client import client
from translate.tracking.database import State, prepare, schema_revisions, state_of
from translate.tracking.delivery.ship import left
from translate.tracking.delivery.sync import sync
from translate.tracking.journal import Runs
from translate.tracking.moved import follow
from translate.tracking.registry.fetch import fetch_model
from translate.tracking.store_uri import DEFAULT_STORE, UnreachableError, database, from_anywhere, is_folder

Open = Callable[..., Tracking]
PROTOCOL = Path(__file__).parents[1] / "benchmarks" / "tracking_store.py"
MADE_BY_MLFLOW = f"""
{UNDO}
import runpy
runpy.run_path({str(PROTOCOL)!r}, run_name="__main__")
"""
"""The protocols in a process that has its imports, but no copies of a database that was made before."""


def execute(file: Path, *statements: str) -> list[Any]:
    """Runs SQL on a database; the rows of the last statement."""
    rows: list[Any] = []
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            rows = connection.execute(statement).fetchall()
    return rows


def points(file: Path) -> list[tuple[str, int, float]]:
    return [tuple(row) for row in execute(file, "SELECT key, step, value FROM metrics ORDER BY key, step")]


def sync_command() -> str:
    """What `translate track sync` prints; a process of its own knows nothing of what MLflow cached in this one."""
    done = warm.translate(Path.cwd(), "track", "sync")
    assert done.returncode == 0, done.stderr
    return done.stdout


def doctor() -> Any:
    (finding,) = [finding for finding in diagnose() if finding.name == "tracking"]
    return finding


@pytest.fixture
def quick_making(migrated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new database is a copy of one that MLflow made before."""

    class Client:
        def __init__(self, uri: str) -> None:
            self.file = database(uri)

        def search_experiments(self) -> None:
            assert self.file is not None
            shutil.copyfile(migrated, self.file)

    monkeypatch.setattr("translate.tracking.database.client", Client)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory; the store is its `mlflow.db`, by its full path: MLflow caches stores by address."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    for name in ("EXPERIMENT_NAME", "RUN_NAME", "RUN_ID"):
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)
    return tmp_path


def nothing(file: Path) -> None:
    file.write_bytes(b"")


def first_tables(file: Path) -> None:
    execute(file, "CREATE TABLE experiments (experiment_id INTEGER)", "CREATE TABLE runs (run_uuid TEXT)")


def all_but_the_last(file: Path) -> None:
    execute(
        file,
        "DELETE FROM experiments",
        "DROP TABLE model_version_tags",
        "CREATE TABLE _alembic_tmp_trace_tags (key TEXT)",
        "UPDATE alembic_version SET version_num = '2d6e25af4d3e'",
    )


@pytest.mark.parametrize("breaking", [nothing, first_tables, all_but_the_last])
def test_a_half_made_database_is_kept_aside_and_made_anew(
    here: Path, migrated: Path, quick_making: None, opened: Open, said: Any, breaking: Callable[[Path], None]
) -> None:
    file = here / "mlflow.db"
    if breaking is all_but_the_last:
        shutil.copyfile(migrated, file)
    breaking(file)
    os.utime(file, (0, 0))
    broken = file.read_bytes()
    assert doctor().status == "warn"
    with pytest.raises(ConfigError, match=r"broke off.*track sync"):
        ui.serve(console=said)
    with opened() as tracking:
        tracking.stage("train").metrics({"loss": 0.5}, 1)
    assert points(file) == [("train/loss", 1, 0.5)]
    assert (here / "mlflow.db.half-made").read_bytes() == broken
    assert any("broken off" in text and "mlflow.db.half-made" in text for text in said.warnings)
    assert doctor().status == "ok"
    assert sorted(path.name for path in here.iterdir() if path.name.startswith(".")) == []


def test_a_file_that_somebody_else_is_making_is_left_to_him(here: Path, quick_making: None, migrated: Path) -> None:
    file = here / "mlflow.db"
    first_tables(file)
    threading.Timer(1.0, lambda: shutil.copyfile(migrated, file)).start()
    assert prepare(file) is None
    assert [path.name for path in here.iterdir()] == ["mlflow.db"]


def test_the_journal_of_a_vanished_database_does_not_spoil_the_next(here: Path, quick_making: None) -> None:
    (here / "mlflow.db-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"x" * 4096)
    prepare(here / "mlflow.db")
    assert state_of(here / "mlflow.db") is State.READY


def test_a_disk_that_is_full_leaves_nothing_behind(
    here: Path, quick_making: None, opened: Open, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(reader: Any, writer: Any) -> None:
        writer.write(reader.read(300_000))
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full, opened() as tracking:
        full.setattr("translate.tracking.database.shutil.copyfileobj", half)
        tracking.stage("train").metrics({"loss": 0.5}, 1)
        while not said.warnings:
            time.sleep(0.01)
    assert "No space left on device" in said.warnings[0]
    prepare(here / "mlflow.db")
    assert sync(here / "runs", said) >= 0
    assert points(here / "mlflow.db") == [("train/loss", 1, 0.5)]
    assert not list(here.glob("*.tmp")) + list(here.glob(".*.tmp"))


def test_the_end_of_a_run_waits_for_a_database_that_is_being_made(
    here: Path, quick_making: None, opened: Open, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = databases._make

    started = threading.Event()

    def slow(file: Path) -> None:
        started.set()
        time.sleep(2)
        make(file)
        monkeypatch.setattr("translate.tracking.shipper.PATIENCE", 60.0)

    monkeypatch.setattr("translate.tracking.database._make", slow)
    monkeypatch.setattr("translate.tracking.shipper.PATIENCE", 0.2)
    with opened() as tracking:
        tracking.stage("train").metrics({"loss": 0.5}, 1)
        assert started.wait(60)
    assert said.warnings == []
    assert points(here / "mlflow.db") == [("train/loss", 1, 0.5)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the protocol forks its runs")
@pytest.mark.parametrize(("protocol", "count"), [("kills", 3), ("full", 2), ("together", 1)])
def test_the_first_making_survives(protocol: str, count: int, tmp_path: Path) -> None:
    """Short forms of the protocols in tests/benchmarks."""
    command = ["-c", MADE_BY_MLFLOW, protocol, "--count", str(count), *(["--runs", "4"] * (count == 1))]
    result = warm.run(command, tmp_path, os.environ | {"TMPDIR": str(tmp_path)})
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{protocol}: 0 of {count} failed" in result.stdout


def test_what_an_earlier_run_left_is_sent_by_the_next_one(store: Any, opened: Open, said: Any, here: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{here}/mlflow.db/no-such-folder/mlflow.db")
        with opened() as tracking:
            tracking.stage("train").metrics({"loss": 0.5}, 1)
    with opened("b" * 64) as tracking:
        tracking.stage("train").metrics({"loss": 0.25}, 1)
    assert sorted(points(here / "mlflow.db")) == [("train/loss", 1, 0.25), ("train/loss", 1, 0.5)]


def test_a_deleted_database_is_written_anew_from_the_journals(
    here: Path, quick_making: None, opened: Open, said: Any
) -> None:
    for value in (0.5, 0.25):
        with opened() as tracking:
            tracking.stage("train").metrics({"loss": value}, 1)
    (here / "mlflow.db").unlink()
    told = sync_command()
    assert re.search(r"maps@quick: 1 point of curves and \d+ other records sent to sqlite.*\n\d+ records sent\n", told)
    assert sync_command() == "nothing was left to send\n"
    assert sorted(points(here / "mlflow.db")) == [("train/loss", 1, 0.25), ("train/loss", 1, 0.5)]


@pytest.mark.parametrize("root", ["s3://bucket/maps", "file:///proc/nowhere/maps"])
def test_a_place_of_files_that_cannot_be_written_blocks_files_alone(
    store: Any, opened: Open, said: Any, here: Path, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    experiment = store.create_experiment("maps", root)
    with opened() as tracking:
        stage = tracking.stage("train")
        for step in range(3):
            stage.metrics({"loss": float(step)}, step)
            stage.image("samples", np.zeros((4, 4, 3), np.uint8), step)
        stage.table("scores", ["metric", "score"], [["psnr", 20.5]])
        stage.metrics({"loss": 3.0}, 3)
    assert points(here / "mlflow.db") == [("train/loss", step, float(step)) for step in range(4)]
    (run,) = store.search_runs([experiment])
    assert run.info.status == "FINISHED"
    assert "| psnr | 20.5 |" in run.data.tags["mlflow.note.content"]
    assert sum("files cannot be stored" in text for text in said.warnings) == 1
    with pytest.raises(TranslateError, match="nothing is lost"):
        sync(here / "runs", said)
    address = (here / "elsewhere").as_uri()
    execute(here / "mlflow.db", f"UPDATE runs SET artifact_uri = '{address}'")
    assert sync_command().endswith("\n6 records sent\n")  # three pictures, a table, the settings and the report
    names = sorted(path.name for path in (here / "elsewhere").iterdir())
    assert names == ["images", "pipeline.yaml", "report.html", "samples", "tables"]
    assert points(here / "mlflow.db") == [("train/loss", step, float(step)) for step in range(4)]
    runs = Runs(here / "runs" / "maps@quick")
    assert [left(runs, run) for run in runs] == [0]


def test_names_of_mlflow_are_honoured(store: Any, opened: Open, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    monkeypatch.setenv("MLFLOW_RUN_NAME", "my run")
    with opened() as tracking:
        tracking.stage("train").metrics({"loss": 0.5}, 1)
    experiment = store.get_experiment_by_name("mine")
    assert experiment.artifact_location == (here / "mlartifacts" / "mine").as_uri()
    (run,) = store.search_runs([experiment.experiment_id])
    assert run.info.run_name == "my run"
    assert store.get_experiment_by_name("maps") is None


def test_a_run_of_mlflow_is_continued(
    store: Any, opened: Open, said: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store.create_run(store.create_experiment("mine"), run_name="theirs")
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
    with opened() as tracking:
        tracking.stage("train").metrics({"loss": 0.5}, 1)
    assert store.get_run(run.info.run_id).data.metrics == {"train/loss": 0.5}
    assert execute(here / "mlflow.db", "SELECT COUNT(*) FROM runs") == [(1,)]
    monkeypatch.setenv("MLFLOW_RUN_ID", "f" * 32)
    with opened("b" * 64) as tracking:
        tracking.stage("train").metrics({"loss": 0.25}, 1)
    assert any(f"no run {'f' * 32} (MLFLOW_RUN_ID)" in text for text in said.warnings)
    assert execute(here / "mlflow.db", "SELECT COUNT(*) FROM runs") == [(2,)]


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_project_that_was_moved_takes_its_artifacts_along(
    tmp_path: Path, migrated: Path, opened: Open, said: Any, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tmp_path / "old project", tmp_path / "new project"
    old.mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{old}/mlflow.db")
    shutil.copyfile(migrated, old / "mlflow.db")
    with opened() as tracking:
        tracking.stage("train").image("samples", np.zeros((4, 4, 3), np.uint8), 1)
    if how == "moved":
        old.rename(new)
    else:
        shutil.copytree(old, new)
    before = sorted(old.rglob("*"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{new}/mlflow.db")
    with opened("b" * 64) as tracking:
        tracking.stage("train").image("samples", np.zeros((4, 4, 3), np.uint8), 1)
    assert sorted(old.rglob("*")) == before
    places = [unquote(row[0]) for row in execute(new / "mlflow.db", "SELECT artifact_uri FROM runs")]
    assert len(places) == 2
    for place in places:
        folder = Path(place.removeprefix("file://"))
        assert folder.is_relative_to(new)
        assert (folder / "samples" / "train" / "samples" / "00000001.png").is_file()
    assert follow(new / "mlflow.db") == 0


def test_sync_points_a_moved_store_at_its_artifacts_although_nothing_is_left_to_send(
    tmp_path: Path, migrated: Path, opened: Open, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{old}/mlflow.db")
    shutil.copyfile(migrated, old / "mlflow.db")
    with opened() as tracking:
        tracking.stage("train").metrics({"loss": 0.5}, 1)
    old.rename(new)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{new}/mlflow.db")
    assert sync(tmp_path / "runs", said) == 0
    assert any("mlflow.db was moved" in line for line in said.lines)
    ((place,),) = execute(new / "mlflow.db", "SELECT artifact_uri FROM runs")
    assert place.startswith(new.as_uri())


def test_artifacts_that_were_put_elsewhere_on_purpose_stay_there(store: Any, here: Path) -> None:
    elsewhere = here / "disk"
    elsewhere.mkdir()
    store.create_experiment("maps", (elsewhere / "mlartifacts" / "maps").as_uri())
    store.create_experiment("cloud", "s3://bucket/mlartifacts/cloud")
    assert follow(here / "mlflow.db") == 0


def test_another_schema_is_said_with_the_command_that_helps(
    store: Any, opened: Open, said: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, _ = schema_revisions()
    for revision, command in (
        ("451aebb31d03", "mlflow db upgrade sqlite:///"),
        ("fff", "pip install --upgrade mlflow"),
    ):
        said.warnings.clear()
        execute(here / "mlflow.db", f"UPDATE alembic_version SET version_num = '{revision}'")
        before = (here / "mlflow.db").read_bytes()
        with opened() as tracking:
            tracking.stage("train").metrics({"loss": 0.5}, 1)
        assert command in said.warnings[0]
        assert (here / "mlflow.db").read_bytes() == before
        assert (doctor().status, command in doctor().mend) == ("fail", True)
        with pytest.raises(ConfigError, match=command):
            fetch_model("models:/maps/1")
        with pytest.raises(ConfigError, match=command):
            ui.serve(console=said)
    execute(here / "mlflow.db", f"UPDATE alembic_version SET version_num = '{head}'")
    assert sync(here / "runs", said) > 0
    assert set(points(here / "mlflow.db")) == {("train/loss", 1, 0.5)}


def test_the_newest_schema_is_the_one_that_mlflow_makes(migrated: Path) -> None:
    head, known = schema_revisions()
    assert execute(migrated, "SELECT version_num FROM alembic_version") == [(head,)]
    assert len(known) > 20


def test_a_file_that_is_no_database_stays_as_it_is(here: Path, opened: Open, said: Any) -> None:
    text = b"this is not a database, and never was one" * 100
    (here / "mlflow.db").write_bytes(text)
    with opened() as tracking:
        tracking.stage("train").metrics({"loss": 0.5}, 1)
    assert "is no database, or damaged; rename it to mlflow.db.damaged" in said.warnings[0]
    assert (here / "mlflow.db").read_bytes() == text
    assert doctor().status == "fail"


def test_a_folder_instead_of_a_database(here: Path, opened: Open, said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow from 3.13 on refuses folders; those before write there."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")
    with opened() as tracking:
        tracking.stage("train").metrics({"loss": 0.5}, 1)
    assert bool(tracking.unsent) == bool(said.warnings)
    if said.warnings:
        assert "./mlruns is a folder" in said.warnings[0]
        assert "MLFLOW_TRACKING_URI=sqlite:///mlflow.db" in said.warnings[0]
        assert len(said.warnings) == 2  # the second says that the records are kept
        assert doctor().status == "warn"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{here}/mlflow.db")
        assert sync(here / "runs", said) > 0
        assert points(here / "mlflow.db") == [("train/loss", 1, 0.5)]
    else:
        assert list((here / "mlruns").rglob("loss"))


def test_two_runs_that_make_the_same_experiment_share_it(
    store: Any, opened: Open, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second finds the experiment missing, and it is there when he makes it."""
    from mlflow import MlflowClient

    search = MlflowClient.get_experiment_by_name
    calls = 0

    def late(client: Any, name: str) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            store.create_experiment(name)
            return None
        return search(client, name)

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", late)
    with opened() as tracking:
        tracking.stage("train").metrics({"loss": 0.5}, 1)
    assert said.warnings == []
    assert calls == 2


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sqlite:///a.db", "a.db"),
        ("sqlite:////x/a%20b.db?timeout=20", "/x/a b.db"),
        ("sqlite+pysqlite:////x/a.db", "/x/a.db"),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("postgresql://me@host/sqlite", None),
        ("./mlruns", None),
    ],
)
def test_the_file_of_a_store(uri: str, path: str | None) -> None:
    assert database(uri) == (Path(path).absolute() if path else None)


@pytest.mark.parametrize(
    ("uri", "folder"),
    [
        ("./mlruns", True),
        ("file:///x/mlruns", True),
        ("http://host", False),
        ("databricks", False),
        ("sqlite://", False),
    ],
)
def test_stores_in_folders(uri: str, folder: bool) -> None:
    assert is_folder(uri) is folder


def test_a_folder_of_somebody_else_is_named_with_what_helps(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any, *args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("translate.storage.lock.FileLock.acquire", refuse)
    with pytest.raises(UnreachableError, match=r"cannot be written \(Permission denied\); set MLFLOW_TRACKING_URI"):
        prepare(here / "mlflow.db")


def test_a_home_that_cannot_be_written_does_not_matter(tmp_path: Path, migrated: Path) -> None:
    script = """
        from pathlib import Path
        from translate.console import console
        from translate.tracking import open_tracking
        with open_tracking("mlflow", "maps", Path("runs/maps"), recipe="a" * 64, resolved="{}", stages=["train"],
                           versions={}, console=console()) as tracking:
            tracking.stage("train").metrics({"loss": 1.0}, 1)
    """
    shutil.copyfile(migrated, tmp_path / "mlflow.db")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "XDG_"))}
    environment |= {"PYTHONPATH": str(PROTOCOL.parents[2]), "HOME": "/proc/nowhere"}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, env=environment, capture_output=True, check=True
    )
    assert (result.stdout, result.stderr) == (b"", b"")
    assert points(tmp_path / "mlflow.db") == [("train/loss", 1, 1.0)]
    listing = json.loads((tmp_path / "runs" / "maps" / "tracking.json").read_text())
    assert listing["runs"][0]["store"] == "sqlite:///mlflow.db"


def test_a_database_that_others_keep_busy_is_waited_for(
    store: Any, opened: Open, said: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen runs that end at once hold the database in turn, for longer than an unreachable store is waited for."""
    from translate.tracking.store import Store
    from translate.tracking.store_uri import BusyError

    monkeypatch.setattr("translate.tracking.shipper.PATIENCE", 0.3)
    monkeypatch.setattr("translate.tracking.shipper.PAUSE", 0.5)
    send, tries = Store.send, 0

    def busy(self: Store, *args: Any, **kwargs: Any) -> None:
        nonlocal tries
        tries += 1
        if tries < 10:
            raise BusyError("database is locked")
        monkeypatch.setattr("translate.tracking.shipper.PATIENCE", 60.0)
        send(self, *args, **kwargs)

    monkeypatch.setattr(Store, "send", busy)
    with opened() as tracking:
        tracking.stage("train").metrics({"loss": 0.5}, 1)
        while not tries:
            time.sleep(0.01)
    assert points(here / "mlflow.db") == [("train/loss", 1, 0.5)]
    assert said.warnings == []


def test_whoever_changes_the_folder_gets_the_database_there(
    migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copyfile(migrated, folder / "mlflow.db")
        monkeypatch.chdir(folder)
        client(DEFAULT_STORE).create_experiment(f"in {name}")
    monkeypatch.chdir(tmp_path)
    for name, other in (("one", "two"), ("two", "one")):
        names = {row[1] for row in execute(tmp_path / name / "mlflow.db", "SELECT * FROM experiments")}
        assert f"in {name}" in names and f"in {other}" not in names


def test_an_address_that_holds_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert from_anywhere(DEFAULT_STORE) == f"sqlite:///{tmp_path}/mlflow.db"
    assert from_anywhere("sqlite+pysqlite:///runs/a.db") == f"sqlite+pysqlite:///{tmp_path}/runs/a.db"
    others = ("sqlite:////data/a.db", "sqlite:///a.db?timeout=30", "sqlite:///:memory:", "http://server:5000", "runs")
    for uri in others:
        assert from_anywhere(uri) == uri
    (tmp_path / "100%").mkdir()
    monkeypatch.chdir(tmp_path / "100%")
    assert from_anywhere(DEFAULT_STORE) == DEFAULT_STORE
