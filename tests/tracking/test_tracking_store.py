from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.version import Version

from translate.errors import ConfigError, TranslateError
from translate.storage.lock import Lock
from translate.tracking import Tracking
from translate.tracking.delivery.sync import LOCK, sync
from translate.tracking.journal import Runs
from translate.tracking.registry.fetch import fetch_model

Open = Callable[..., Tracking]


def runs_of(store: Any, experiment: str = "maps") -> list[Any]:
    found = store.get_experiment_by_name(experiment)
    return list(store.search_runs([found.experiment_id], order_by=["start_time ASC"])) if found else []


def history(store: Any, run: Any, key: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in store.get_metric_history(run.info.run_id, key)]


def bundle(folder: Path) -> Path:
    """A trained stage's folder: a bundle among other things."""
    (folder / "samples" / "a_to_b").mkdir(parents=True)
    (folder / "checkpoints").mkdir()
    (folder / "translator.json").write_text(json.dumps({"files": {"model.safetensors": "0" * 64}}))
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "README.md").write_text("# card")
    (folder / "samples" / "0001.png").write_bytes(b"png")
    (folder / "samples" / "a_to_b" / "0001.png").write_bytes(b"png")
    (folder / "checkpoints" / "huge").write_bytes(b"x")
    return folder


def test_one_run_holds_everything(store: Any, opened: Open, said: Any, tmp_path: Path) -> None:
    trained = bundle(tmp_path / "runs" / "maps@quick" / "train-1234.partial")
    with opened() as tracking:
        train = tracking.stage("train")
        train.params({"parameters": 11_378_179})
        train.tags({"device": "cpu"})
        train.dataset("maps", "d" * 64, {"kind": "unpaired", "password": "hunter2"}, "train")
        for step in range(0, 2500, 10):
            train.metrics({"cycle": 1 / (step + 1), "weird name [%]": step}, step)
        for step in (0, 100, 200):
            train.image("samples/a_to_b", np.full((8, 12, 3), step, np.uint8), step)
        train.model(trained)
        trained.rename(trained.with_suffix(""))
        score = tracking.stage("score")
        score.metrics({"psnr": 20.5}, 0)
        score.table("scores", ["metric", "score", "copy"], [["psnr", 20.5, None]])
    assert said.warnings == []
    (run,) = runs_of(store)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "aaaaaaaa quick, only train")
    assert run.info.start_time <= run.info.end_time
    assert history(store, run, "train/cycle") == [(s, 1 / (s + 1)) for s in range(0, 2500, 10)]
    assert len(history(store, run, "train/weird name ___")) == 250
    assert run.data.params["method"] == "cyclegan"
    assert run.data.params["lr"] == "0.0002"
    assert run.data.params["train.parameters"] == "11378179"
    assert run.data.tags["version/cyclegan"] == "0.1.0"
    assert run.data.tags["train/device"] == "cpu"
    assert "| psnr | 20.5 |  |" in run.data.tags["mlflow.note.content"]
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.tags[0].value) == ("maps", "train")
    names = {file.path for file in store.list_artifacts(run.info.run_id)}
    assert {"images", "samples", "tables", "pipeline.yaml", "report.html"} <= names
    (model,) = run.outputs.model_outputs
    assert store.get_logged_model(model.model_id).name == "translator"
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"hunter2" not in everything


def test_the_step_slider_has_its_data(store: Any, opened: Open) -> None:
    from PIL import Image

    with opened() as tracking:
        train = tracking.stage("train")
        for step in (0, 50, 1000):
            train.image("samples/a_to_b", np.full((8, 12, 3), step % 256, np.uint8), step)
    (run,) = runs_of(store)
    names = [file.path for file in store.list_artifacts(run.info.run_id, "images")]
    form = re.compile(
        r"images/1-pictures[~#]train a_to_b[+%]step[+%](\d+)[+%]timestamp[+%]\d+[+%][0-9a-z-]+"
        r"([+%]compressed)?\.(png|webp)"
    )
    steps = sorted((int(match[1]), match[3]) for name in names if (match := form.fullmatch(name)))
    assert steps == [(s, kind) for s in (0, 50, 1000) for kind in ("png", "webp")]
    assert run.data.tags["mlflow.loggedImages"] == "True"
    named = Path(store.download_artifacts(run.info.run_id, "samples/train/samples/a_to_b/00001000.png"))
    with Image.open(named) as picture:
        assert np.array(picture).tolist() == np.full((8, 12, 3), 1000 % 256, np.uint8).tolist()


def test_the_bundle_is_registered_once_and_found_again(store: Any, opened: Open, tmp_path: Path) -> None:
    trained = bundle(tmp_path / "train-1")
    for recipe in "ab":
        with opened(recipe * 64) as tracking:
            stage = tracking.stage("train")
            stage.model(trained)
            stage.model(trained)
    versions = store.search_model_versions("name = 'maps'")
    assert sorted(int(version.version) for version in versions) == [1, 2]
    folder = fetch_model("models:/maps/2")
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert files == ["README.md", "model.safetensors", "samples/0001.png", "translator.json"]
    assert fetch_model("models:/maps/latest") == folder
    run = runs_of(store)[1]
    assert fetch_model(f"runs:/{run.info.run_id}/translator") == folder


@pytest.mark.parametrize("ref", ["models:/none/1", "models:/maps/7", "models:/maps@best", "runs:/0/translator"])
def test_a_model_that_is_not_there(store: Any, ref: str) -> None:
    with pytest.raises(ConfigError, match="not found in sqlite"):
        fetch_model(ref)


def test_no_store_is_made_by_looking_for_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ConfigError, match="there is no tracking store"):
        fetch_model("models:/maps/1")
    assert list(tmp_path.iterdir()) == []


def test_the_same_recipe_continues_its_run_and_a_changed_one_opens_another(store: Any, opened: Open) -> None:
    tracking = opened()
    tracking.stage("prepare")
    tracking.stage("train").metrics({"loss": 1.0}, 1)
    tracking.close("failed")
    assert [run.info.status for run in runs_of(store)] == ["FAILED"]
    with opened() as tracking:
        tracking.stage("train").metrics({"loss": 0.5}, 2)
    (run,) = runs_of(store)
    assert run.info.status == "FINISHED"
    assert history(store, run, "train/loss") == [(1, 1.0), (2, 0.5)]
    with opened("b" * 64) as tracking:
        tracking.stage("train").metrics({"loss": 0.7}, 1)
    assert [history(store, run, "train/loss") for run in runs_of(store)] == [[(1, 1.0), (2, 0.5)], [(1, 0.7)]]


def test_a_finished_stage_that_runs_again_opens_another_run(store: Any, opened: Open) -> None:
    for value in (1.0, 2.0):
        with opened() as tracking:
            tracking.stage("train").metrics({"loss": value}, 1)
            tracking.stage("score").metrics({"psnr": value}, 0)
    assert [history(store, run, "train/loss") for run in runs_of(store)] == [[(1, 1.0)], [(1, 2.0)]]
    assert [history(store, run, "score/psnr") for run in runs_of(store)] == [[(0, 1.0)], [(0, 2.0)]]


def test_a_run_with_nothing_to_do_leaves_no_trace(store: Any, opened: Open, tmp_path: Path) -> None:
    with opened():
        pass
    assert not (tmp_path / "runs").exists()
    assert runs_of(store) == []


def test_an_interrupted_run_says_so(store: Any, opened: Open) -> None:
    with pytest.raises(SystemExit), opened() as tracking:
        tracking.stage("train")
        raise SystemExit(75)
    assert [run.info.status for run in runs_of(store)] == ["KILLED"]


def test_steps_behind_a_checkpoint_are_not_recorded_twice(store: Any, opened: Open) -> None:
    tracking = opened()
    stage = tracking.stage("train")
    for step in range(10):
        stage.metrics({"loss": float(step)}, step)
    stage.image("samples", np.zeros((4, 4, 3), np.uint8), 5)
    tracking.close("stopped")
    with opened() as tracking:
        stage = tracking.stage("train")
        stage.image("samples", np.ones((4, 4, 3), np.uint8), 5)
        for step in range(5, 15):
            stage.metrics({"loss": step + 0.001, "new": 1.0}, step)
    (run,) = runs_of(store)
    assert history(store, run, "train/loss") == [(s, s + 0.001 * (s > 9)) for s in range(15)]
    assert len(history(store, run, "train/new")) == 10
    assert len(store.list_artifacts(run.info.run_id, "images")) == 2


def test_sending_everything_again_adds_no_point(store: Any, opened: Open, said: Any, tmp_path: Path) -> None:
    with opened() as tracking:
        stage = tracking.stage("train")
        for step in range(100):
            stage.metrics({"loss": float(step)}, step)
        stage.params({"a": 1})
    folder = tmp_path / "runs" / "maps@quick"
    runs = Runs(folder)
    run = runs.latest()
    assert run is not None
    runs.update(run, offset=0)
    assert sync(tmp_path / "runs", said) > 100
    (tracked,) = runs_of(store)
    assert len(history(store, tracked, "train/loss")) == 100
    assert sync(folder, said) == 0


def test_a_run_deleted_on_the_server_is_written_again(store: Any, opened: Open) -> None:
    tracking = opened()
    tracking.stage("train").metrics({"loss": 1.0}, 1)
    tracking.close("stopped")
    (first,) = runs_of(store)
    store.delete_run(first.info.run_id)
    with opened() as tracking:
        tracking.stage("train").metrics({"loss": 2.0}, 2)
    (second,) = runs_of(store)
    assert history(store, second, "train/loss") == [(1, 1.0), (2, 2.0)]


def test_a_deleted_experiment_is_restored(store: Any, opened: Open) -> None:
    experiment = store.create_experiment("maps")
    store.delete_experiment(experiment)
    with opened() as tracking:
        tracking.stage("train").metrics({"loss": 1.0}, 1)
    assert len(runs_of(store)) == 1


def test_what_the_store_refuses_is_said_and_the_rest_goes_on(store: Any, opened: Open, said: Any) -> None:
    with opened(resolved="{}") as tracking:
        stage = tracking.stage("train")
        stage.dataset("x" * 2000, "d", {}, "train")
        stage.file(Path("no-such-file"))
        stage.metrics({"loss": 1.0}, 1)
    (run,) = runs_of(store)
    assert history(store, run, "train/loss") == [(1, 1.0)]
    assert any("refused dataset" in text for text in said.warnings)
    assert any("no-such-file is gone" in text for text in said.warnings)


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a server that is not there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr("translate.tracking.shipper.SOON", 1.0)
    monkeypatch.setattr("translate.tracking.delivery.sync.PATIENCE", 1.0)
    return uri


def test_a_dead_server_costs_neither_time_nor_a_point(
    store: Any, dead: str, opened: Open, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = opened()
    began = time.monotonic()
    stage = tracking.stage("train")
    for step in range(2000):
        stage.metrics({"loss": float(step)}, step)
    stage.image("samples", np.zeros((4, 4, 3), np.uint8), 1)
    stage.flush()
    assert time.monotonic() - began < 3
    began = time.monotonic()
    tracking.close("done")
    assert time.monotonic() - began < 15
    assert tracking.url is None
    assert any("translate track sync" in text and dead in text for text in said.warnings)
    with pytest.raises(TranslateError, match="nothing is lost"):
        sync(tmp_path / "runs", said)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    assert sync(tmp_path / "runs", said) > 2000
    (run,) = runs_of(store)
    assert history(store, run, "train/loss") == [(s, float(s)) for s in range(2000)]
    assert run.info.status == "FINISHED"
    assert len(store.list_artifacts(run.info.run_id, "images")) == 2


def test_a_silent_server_is_given_up(opened: Open, said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:hunter2@127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        monkeypatch.setattr("translate.tracking.shipper.PATIENCE", 1.0)
        began = time.monotonic()
        with opened() as tracking:
            tracking.stage("train").metrics({"loss": 1.0}, 1)
        assert time.monotonic() - began < 4
    assert "***@127.0.0.1" in said.warnings[-1]
    assert "hunter2" not in "".join(said.warnings)


def test_a_killed_process_loses_nothing(store: Any, said: Any, tmp_path: Path) -> None:
    script = """
        import os, signal, sys
        from pathlib import Path
        from translate.console import console
        from translate.tracking import open_tracking
        tracking = open_tracking("mlflow", "maps", Path("runs/maps"), recipe="a" * 64, resolved="{}", stages=["train"],
                                 versions={}, console=console())
        stage = tracking.stage("train")
        for step in range(500):
            stage.metrics({"loss": step / 7}, step)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, env=_environment(), check=False
    )
    assert result.returncode == -signal.SIGKILL
    assert sync(tmp_path / "runs" / "maps", said) > 0
    (run,) = runs_of(store)
    assert history(store, run, "train/loss") == [(s, s / 7) for s in range(500)]


def test_without_tracking_the_journal_is_kept_and_mlflow_not_imported(tmp_path: Path) -> None:
    script = """
        import sys
        from pathlib import Path
        from translate.console import console
        from translate.tracking import open_tracking
        with open_tracking("none", "maps", Path("runs/maps"), recipe="a" * 64, resolved="{}", stages=["train"],
                           versions={}, console=console()) as tracking:
            tracking.stage("train").metrics({"loss": 1.0}, 1)
            assert tracking.url is None
        assert "mlflow" not in sys.modules and "torch" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, env=_environment(), check=True)
    assert (tmp_path / "runs" / "maps" / "report.html").is_file()
    assert not (tmp_path / "mlflow.db").exists()


def test_a_run_tracked_without_mlflow_is_shipped_when_it_is_continued_with_it(store: Any, opened: Open) -> None:
    tracking = opened(mode="none")
    tracking.stage("train").metrics({"loss": 1.0}, 1)
    tracking.close("stopped")
    assert runs_of(store) == []
    with opened() as tracking:
        tracking.stage("train").metrics({"loss": 2.0}, 2)
    (run,) = runs_of(store)
    assert history(store, run, "train/loss") == [(1, 1.0), (2, 2.0)]


def test_two_processes_do_not_ship_the_same_journal(store: Any, opened: Open, said: Any, tmp_path: Path) -> None:
    with opened() as tracking:
        tracking.stage("train")
    folder = tmp_path / "runs" / "maps@quick"
    with Lock(folder / LOCK), pytest.raises(ConfigError, match=f"in use by process {os.getpid()}"):
        sync(folder, said)


def test_use_of_the_machine_is_recorded(store: Any, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    from translate.tracking.system import Sampler

    monkeypatch.setattr(Sampler.__init__, "__defaults__", (0.05,))
    with opened() as tracking:
        tracking.stage("train")
        time.sleep(0.4)
    (run,) = runs_of(store)
    values = dict(history(store, run, "system/process_memory_megabytes"))
    assert list(values) == list(range(len(values)))
    assert len(values) >= 2
    assert all(10 < value < 1e5 for value in values.values())


def test_nothing_is_said_by_mlflow_itself(tmp_path: Path) -> None:
    """A fresh store is migrated without a line on the terminal, and without telemetry."""
    script = """
        import os
        from pathlib import Path
        from translate.console import console
        from translate.tracking import open_tracking
        with open_tracking("mlflow", "maps", Path("runs/maps"), recipe="a" * 64, resolved="{}", stages=["train"],
                           versions={}, console=console()) as tracking:
            tracking.stage("train").metrics({"loss": 1.0}, 1)
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        env=_environment(),
        check=True,
        capture_output=True,
    )
    assert (result.stdout, result.stderr) == (b"", b"")
    names = {path.name for path in tmp_path.iterdir()}
    if Version(version("mlflow")) < Version("3.17"):
        names -= {"mlruns"}  # older versions make this folder whenever they open a database
    assert sorted(names) == ["mlartifacts", "mlflow.db", "runs"]


def _environment() -> dict[str, str]:
    root = Path(__file__).resolve().parents[2]
    return {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")} | {"PYTHONPATH": str(root)}
