"""A tiny training in the store: its checkpoints, its versions, and what MLflow serves of it."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import translate
from translate.console import PlainConsole, QuietConsole
from translate.imaging.io import decode, encode
from translate.tracking.registry.fetch import fetch_model
from translate.tracking.registry.logged import ModelLog
from translate.tracking.registry.versions import Registry, is_better, is_try

PIPELINE = """
version: 1
name: tiny
seed: 1
stages:
  prepare: {uses: preprocess, with: {source: {uses: generated-maps, kind: paired, size: 16, train: 4, test: 2}}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: pix2pix
      options:
        generator: {uses: unet, levels: 3, filters: 4}
        discriminator: {uses: patchgan, filters: 4, layers: 1}
      max_steps: 8
      validate: {every: {steps: 4}, metrics: [l1, psnr]}
      keep: {best: l1, last: 1, every: {steps: 4}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Path]:
    """A folder in which a tiny pipeline was run, and which is the working directory."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "mlflow.db").write_bytes(migrated.read_bytes())
    (folder / "tiny.yaml").write_text(PIPELINE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        translate.run("tiny.yaml", console=QuietConsole(PlainConsole()))
        yield folder


@pytest.fixture
def mlflow_store(project: Path) -> Any:
    from translate.tracking.client import client

    return client(f"sqlite:///{project}/mlflow.db")


@pytest.fixture
def png(rng: np.random.Generator) -> bytes:
    """A picture of no special size."""
    return encode(rng.integers(0, 256, (21, 34, 3), np.uint8), ".png")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def run_of(store: Any) -> Any:
    experiment = store.get_experiment_by_name("tiny")
    (run,) = store.search_runs([experiment.experiment_id])
    return run


def expected(png: bytes) -> np.ndarray[Any, Any]:
    (Path.cwd() / "in.png").write_bytes(png)
    model = translate.load(Path("runs/tiny/train"), "cpu")
    return np.asarray(model("in.png"))


def pixels(text: str) -> np.ndarray[Any, Any]:
    return decode(base64.b64decode(text), "answer").pixels


def close(answer: str, png: bytes) -> bool:
    return int(np.abs(pixels(answer).astype(int) - expected(png).astype(int)).max()) <= 1


def test_every_kept_checkpoint_is_a_model_with_scores_and_data(mlflow_store: Any, project: Path) -> None:
    run = run_of(mlflow_store)
    models = mlflow_store.search_logged_models([run.info.experiment_id])
    steps = {int(path.name) for path in (project / "runs/tiny/train/checkpoints").iterdir() if path.name.isdigit()}
    bundle = json.loads((project / "runs/tiny/train/translator/translator.json").read_text())
    assert {int(model.tags["step"]) for model in models} == steps | {bundle["step"]} == {4, 8}
    assert {output.model_id for output in run.outputs.model_outputs} == {model.model_id for model in models}
    (used,) = run.inputs.dataset_inputs
    for model in models:
        assert model.status == "READY" and model.params["method"] == "pix2pix"
        scores = {metric.key: metric for metric in model.metrics}
        assert {"train/val/l1", "train/val/psnr"} <= set(scores)
        for name, metric in scores.items():
            history = {point.step: point.value for point in mlflow_store.get_metric_history(run.info.run_id, name)}
            assert len(history) == 2, "the run's own points, and not another one"
            assert metric.value == history[int(model.tags["step"])]
            assert (metric.dataset_name, metric.dataset_digest) == (used.dataset.name, used.dataset.digest)
        translate.load(fetch_model(f"models:/{model.model_id}"), "cpu")
    assert [model.name for model in models if int(model.tags["step"]) == bundle["step"]] == ["translator"]


def test_a_checkpoint_in_the_store_has_its_own_weights(mlflow_store: Any, project: Path, png: bytes) -> None:
    run = run_of(mlflow_store)
    (other,) = [
        model for model in mlflow_store.search_logged_models([run.info.experiment_id]) if model.name != "translator"
    ]
    (project / "in.png").write_bytes(png)
    ours = translate.load(fetch_model(f"models:/{other.model_id}"), "cpu")("in.png")
    which = "last" if other.tags["step"] == "8" else "best"
    if which == "last":
        assert np.array_equal(ours, translate.load("runs/tiny/train", "cpu", weights="last")("in.png"))
    assert not np.array_equal(ours, expected(png))


def test_the_version_says_what_it_is(mlflow_store: Any) -> None:
    version = mlflow_store.get_model_version_by_alias("tiny", "best")
    assert str(version.version) == "1"
    assert {"method", "step", "score", "metric", "dataset"} <= set(version.tags)
    assert version.tags["method"] == "pix2pix" and version.tags["metric"] == "l1"
    assert version.tags["dataset"] == "generated-maps"
    assert version.description.startswith("# pix2pix") and "![" not in version.description
    folder = fetch_model("models:/tiny@best")
    assert folder == fetch_model("models:/tiny/1") == fetch_model("models:/tiny/latest")
    assert folder == fetch_model("models:/tiny@latest")
    assert folder == fetch_model(f"runs:/{run_of(mlflow_store).info.run_id}/translator")


def test_the_data_has_an_address_that_mlflow_reads(mlflow_store: Any) -> None:
    import mlflow.data

    (used,) = run_of(mlflow_store).inputs.dataset_inputs
    source = mlflow.data.get_source(used)
    assert Path(source.load()).joinpath("dataset.json").is_file() or list(Path(source.uri).iterdir())


@pytest.mark.filterwarnings("ignore")  # MLflow warns of its own type hints where they are imported
@pytest.mark.parametrize("ref", ["models:/tiny@best", "models:/tiny/1", "runs:/ID/translator", "FOLDER"])
def test_mlflow_loads_it_and_gives_the_same_picture(mlflow_store: Any, project: Path, png: bytes, ref: str) -> None:
    import mlflow.pyfunc
    import pandas

    ref = ref.replace("ID", run_of(mlflow_store).info.run_id)
    ref = ref.replace("FOLDER", str(project / "runs/tiny/train/translator"))
    model = mlflow.pyfunc.load_model(ref)
    text = base64.b64encode(png).decode()
    for value in (text, png):
        answer = model.predict(pandas.DataFrame({"image": [value]}))
        assert close(answer["image"][0], png)


def test_mlflow_serves_it(project: Path, png: bytes) -> None:
    with _server() as port:
        text = base64.b64encode(png).decode()
        for body in (
            {"dataframe_split": {"columns": ["image"], "data": [[text], [text]]}},
            {"dataframe_records": [{"image": text}], "params": {"direction": "a_to_b"}},
            {"inputs": [text]},
            {"inputs": {"image": text}},
            {"instances": [{"image": text}]},
        ):
            answers = _post(port, body)["predictions"]
            assert answers and all(close(row["image"], png) for row in answers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            _post(port, {"inputs": [base64.b64encode(b"no picture").decode()]})
        assert refused.value.code == 400 and "row 0, column 'image'" in refused.value.read().decode()


@contextmanager
def _server() -> Iterator[int]:
    """`mlflow models serve` of the best version; the port on which it answers."""
    for _ in range(3):  # somebody else may take the port before the server does
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
        command += ["-m", "models:/tiny@best", "--port", str(port), "--host", "127.0.0.1"]
        with Path("serve.log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=_with_commands())
        try:
            if _answers(f"http://127.0.0.1:{port}/ping", server):
                yield port
                return
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()
    raise AssertionError(Path("serve.log").read_text())


def _with_commands() -> dict[str, str]:
    """This environment, where commands of its Python are found: MLflow starts `uvicorn` by its name alone."""
    return {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


def _answers(address: str, server: subprocess.Popen[bytes]) -> bool:
    """Waits until a server answers; False where it ends before."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5)
        except OSError:
            time.sleep(0.2)
        else:
            return True
    return False


def _post(port: int, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.loads(answer.read()))


def test_sending_it_again_makes_no_second_model(mlflow_store: Any, project: Path) -> None:
    from translate.tracking.delivery.sync import sync
    from translate.tracking.journal import Runs

    run = run_of(mlflow_store)
    before = [model.model_id for model in mlflow_store.search_logged_models([run.info.experiment_id])]
    runs = Runs(project / "runs" / "tiny")
    for tracked in runs:
        runs.update(tracked, offset=0)
    sync(project / "runs", QuietConsole(PlainConsole()))
    after = [model.model_id for model in mlflow_store.search_logged_models([run.info.experiment_id])]
    assert after == before and len(mlflow_store.search_model_versions("name = 'tiny'")) == 1


def version(images: int, score: float | None = None, data: str = "a", better: str = "lower") -> dict[str, str]:
    scored = {} if score is None else {"score": str(score), "metric": "l1", "better": better}
    return {"images": str(images), "data": data, **scored}


@pytest.mark.parametrize(
    ("mine", "best", "expected"),
    [
        (version(40), version(2000), True),
        (version(40, 0.1), version(2000, 0.2), True),
        (version(1000), version(2000), False),
        (version(40), {}, False),
        ({}, version(2000), False),
    ],
)
def test_a_try_is_what_was_trained_much_shorter(mine: Any, best: Any, expected: bool) -> None:
    assert is_try(mine, best) is expected


@pytest.mark.parametrize(
    ("mine", "best", "expected"),
    [
        (version(1000, 0.1), version(2000, 0.2), True),
        (version(2000, 0.2), version(1000, 0.1), False),
        (version(1000, 0.2, better="higher"), version(2000, 0.1, better="higher"), True),
        (version(1000, 0.1, data="b"), version(2000, 0.2), False),
        (version(2000, 0.9, data="b"), version(1000, 0.2), True),
        (version(2000, float("nan")), version(1000, 0.2), False),
        (version(2000), version(2000), True),
        (version(2000, 0.3), version(40, 0.1), True),
        ({}, {}, True),
    ],
)
def test_the_better_of_two_versions(mine: Any, best: Any, expected: bool) -> None:
    assert is_better(mine, best) is expected


def test_a_try_moves_neither_best_nor_latest(store: Any, said: Any, tmp_path: Path) -> None:
    def trained(images: int, score: float) -> None:
        run = store.create_run("0")
        log = Registry(store, f"sqlite:///{tmp_path}/mlflow.db", run.info.run_id, "maps", said)
        facts = {
            "data": "a",
            "training": {"images": images, "score": {"metric": "l1", "value": score, "better": "lower"}},
        }
        log.register(tmp_path, facts, {}, None)
        log.register(tmp_path, facts, {}, None)

    trained(2000, 0.2)
    trained(40, 0.1)
    assert len(store.search_model_versions("name = 'maps'")) == 1
    assert "a try of 40 images beside the 2,000 of maps version 1" in said.lines[-1]
    trained(1500, 0.3)
    assert len(store.search_model_versions("name = 'maps'")) == 2
    assert str(store.get_model_version_by_alias("maps", "best").version) == "1"
    trained(1500, 0.15)
    assert str(store.get_model_version_by_alias("maps", "best").version) == "3"


class Other:
    """A client of the store that lacks some methods, or fails in them once."""

    def __init__(self, client: Any, lacks: tuple[str, ...] = (), fails: tuple[str, ...] = ()) -> None:
        self._client, self._lacks, self._fails = client, lacks, list(fails)

    def __getattr__(self, name: str) -> Any:
        if name in self._lacks:
            raise AttributeError(name)
        if name in self._fails:
            self._fails.remove(name)
            return self._fail
        return getattr(self._client, name)

    def _fail(self, *args: Any) -> None:
        raise ConnectionError("gone")


class Renaming:
    """A client before whose first call of one method a folder gets another name."""

    def __init__(self, client: Any, before: str, folder: Path, name: Path) -> None:
        self._client, self._before, self._folder, self._name = client, before, folder, name

    def __getattr__(self, name: str) -> Any:
        if name == self._before and self._folder.is_dir():
            self._folder.rename(self._name)
        return getattr(self._client, name)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "translator.json").write_text(json.dumps({"method": "pix2pix", "files": {"model.safetensors": "0"}}))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def log_of(client: Any, store: Any, tmp_path: Path, said: Any) -> ModelLog:
    run = store.create_run(store.get_experiment_by_name("maps").experiment_id)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    return ModelLog(client, uri, run.info.experiment_id, run.info.run_id, "maps", said)


@pytest.fixture
def experiment(store: Any, tmp_path: Path) -> None:
    store.create_experiment("maps", (tmp_path / "mlartifacts" / "maps").as_uri())


def test_a_store_without_logged_models_has_the_bundle_in_its_run(
    experiment: None, store: Any, bundle: Path, tmp_path: Path, said: Any
) -> None:
    log = log_of(Other(store, lacks=("create_logged_model",)), store, tmp_path, said)
    log.write({"e": "model", "t": 1, "stage": "train", "step": 8}, bundle, bundle)
    assert store.search_logged_models([log.experiment_id]) == []
    for ref in (f"runs:/{log.run_id}/translator", "models:/maps/1", "models:/maps@best"):
        assert (fetch_model(ref) / "model.safetensors").read_bytes() == b"weights"


def test_an_upload_that_broke_off_goes_on_with_the_same_model(
    experiment: None, store: Any, bundle: Path, tmp_path: Path, said: Any
) -> None:
    log = log_of(Other(store, fails=("log_model_artifact",)), store, tmp_path, said)
    event = {"e": "model", "t": 1, "stage": "train", "step": 8}
    with pytest.raises(ConnectionError):
        log.write(event, bundle, bundle)
    (begun,) = store.search_logged_models([log.experiment_id])
    assert begun.status == "PENDING" and store.search_model_versions("name = 'maps'") == []
    log.write(event, bundle, bundle)
    (done,) = store.search_logged_models([log.experiment_id])
    assert (done.model_id, str(done.status.value)) == (begun.model_id, "READY")
    assert (fetch_model("models:/maps@best") / "model.safetensors").is_file()


@pytest.mark.parametrize(
    "before", ["create_logged_model", "log_model_artifact", "finalize_logged_model", "create_registered_model"]
)
def test_a_model_is_whole_although_its_stage_is_renamed_while_it_is_sent(
    experiment: None, store: Any, bundle: Path, tmp_path: Path, said: Any, before: str
) -> None:
    (bundle / "README.md").write_text("# the card")
    done = tmp_path / "done"
    log = log_of(Renaming(store, before, bundle, done), store, tmp_path, said)
    event = {"e": "model", "t": 1, "stage": "train", "step": 8}
    with pytest.raises(FileNotFoundError):  # the store then looks for the folder again
        log.write(event, bundle, bundle)
    log.write(event, done, done)
    assert len(store.search_logged_models([log.experiment_id])) == 1
    best = store.get_model_version_by_alias("maps", "best")
    assert best.description == "# the card" and best.tags["method"] == "pix2pix"
    assert {path.name for path in fetch_model("models:/maps@best").iterdir()} >= {"model.safetensors", "README.md"}


def test_two_trainings_of_a_run_have_models_of_their_own(
    experiment: None, store: Any, bundle: Path, tmp_path: Path, said: Any
) -> None:
    log = log_of(store, store, tmp_path, said)
    for stage in ("teacher", "student"):
        log.write({"e": "model", "t": 1, "stage": stage, "step": 8}, bundle, bundle)
    names = {model.name for model in store.search_logged_models([log.experiment_id])}
    assert names == {"translator", "student-translator"}
    assert len(store.search_model_versions("name = 'maps'")) == 1
