"""The one place that talks to MLflow: opens a run and writes journal events into it."""

from __future__ import annotations

import json
import logging
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from translate.tracking.journal import Event
from translate.tracking.redact import redact
from translate.tracking.store_uri import PAGE, UnreachableError, database

if TYPE_CHECKING:
    from translate.contracts import Console

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "ERROR",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    }
)
"""Quiet, without telemetry, and soon told that a server is dead; what the user has set himself stays."""

FINAL: Mapping[str, str] = MappingProxyType({"done": "FINISHED", "failed": "FAILED", "stopped": "KILLED"})
REFUSALS = frozenset(
    {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS", "NOT_IMPLEMENTED", "FEATURE_DISABLED"}
)
"""Answers about one record, which sending it again would not change. All others mean: later."""

BATCH = 1000
"""Metric values per request, the most that the tracking API takes."""
_KEY = re.compile(r"[^\w\-./ ]")
_PARAMS = 100


def client(uri: str) -> Any:
    """An `MlflowClient` on a store, with MLflow's own messages held back. Takes seconds for a new database."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # What MLflow's own libraries deprecate is not the user's to mend. catch_warnings is not safe in threads.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(mlflow|sqlalchemy|alembic)\b")
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient(uri)


class Store:
    """A run in a tracking store, written to from one thread."""

    def __init__(self, uri: str, pipeline: str, folder: Path, recipe: str, console: Console) -> None:
        self.uri = uri
        self.experiment_id = ""
        self.run_id = ""
        self._pipeline = pipeline
        self._folder = folder
        self._recipe = recipe
        self._console = console
        self._params: set[str] = set()
        self._tables: dict[str, Event] = {}

    @property
    def url(self) -> str | None:
        """The page of the run, where the store is a server."""
        if not self.uri.startswith("http"):
            return None
        page = f"/#/experiments/{self.experiment_id}/runs/{self.run_id}?{PAGE}"
        return redact(self.uri).rstrip("/") + page

    def open(self, run_id: str | None, started: int) -> None:
        """Continues a run if it is still there, otherwise begins one (`started`: milliseconds since 1970).

        Errors: UnreachableError.
        """
        with _Translated():
            self._client = client(self.uri)
            self.experiment_id = self._experiment()
            run = self._find(run_id) if run_id else None
            if run is None:
                name = f"{self._folder.name} {self._recipe[:8]}"
                run = self._client.create_run(self.experiment_id, started, run_name=name)
            self.run_id = run.info.run_id
            self._params = set(run.data.params)

    def send(self, events: list[Event]) -> None:
        """Writes events of one kind; what the store refuses for good is reported. Errors: UnreachableError."""
        kind = events[0]["e"]
        send = getattr(self, f"_send_{kind}")
        try:
            with _Translated():
                try:
                    send(events)
                except FileNotFoundError:  # a stage's folder was renamed in the middle: it is found under its new name
                    send(events)
        except _RefusedError as refusal:
            self._console.warn(f"tracking: {redact(self.uri)} refused {kind}: {refusal}")

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(self._pipeline)
        if found is None:
            tags = {"mlflow.experimentKind": "custom_model_development"}
            return str(self._client.create_experiment(self._pipeline, _artifacts(self.uri, self._pipeline), tags))
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _find(self, run_id: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            run = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return run if run.info.lifecycle_stage == "active" else None

    def _send_start(self, events: list[Event]) -> None:
        self._client.update_run(self.run_id, status="RUNNING")

    def _send_stage(self, events: list[Event]) -> None:
        self._client.set_tag(self.run_id, "stage", events[0]["name"])

    def _send_end(self, events: list[Event]) -> None:
        self._client.set_terminated(self.run_id, FINAL[events[0]["status"]], events[0]["t"])

    def _send_metrics(self, events: list[Event]) -> None:
        from mlflow.entities import Metric

        points = [
            Metric(_KEY.sub("_", k), v, event["t"], event["s"]) for event in events for k, v in event["v"].items()
        ]
        for start in range(0, len(points), BATCH):
            self._client.log_batch(self.run_id, metrics=points[start : start + BATCH])

    def _send_params(self, events: list[Event]) -> None:
        from mlflow.entities import Param

        new = {_KEY.sub("_", k)[:250]: v[:6000] for k, v in events[0]["v"].items()}
        params = [Param(k, v) for k, v in new.items() if k not in self._params]
        for start in range(0, len(params), _PARAMS):
            self._client.log_batch(self.run_id, params=params[start : start + _PARAMS])
        self._params |= set(new)

    def _send_tags(self, events: list[Event]) -> None:
        from mlflow.entities import RunTag

        self._client.log_batch(
            self.run_id, tags=[RunTag(_KEY.sub("_", k), v[:8000]) for k, v in events[0]["v"].items()]
        )

    def _send_image(self, events: list[Event]) -> None:
        from mlflow import Image

        event = events[0]
        path = self._folder / event["path"]
        if path.is_file():
            image = Image(str(path))
            self._client.log_image(
                self.run_id,
                image,
                key=_KEY.sub("_", event["key"]),
                step=event["s"],
                timestamp=event["t"],
                synchronous=True,
            )
            self._client.log_artifact(self.run_id, path, f"samples/{event['key']}")

    def _send_table(self, events: list[Event]) -> None:
        event = events[0]
        name = f"tables/{event['name']}.json"
        self._tables[event["name"]] = event
        self._client.log_dict(self.run_id, {"columns": event["columns"], "data": event["rows"]}, name)
        tables = [{"path": f"tables/{known}.json", "type": "table"} for known in self._tables]
        self._client.set_tag(self.run_id, "mlflow.loggedArtifacts", json.dumps(tables))
        self._client.set_tag(self.run_id, "mlflow.note.content", _markdown(self._tables.values()))

    def _send_file(self, events: list[Event]) -> None:
        path = self._locate(events[0]["path"])
        if path is not None:
            send = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
            send(self.run_id, path, events[0]["folder"] or None)

    def _send_dataset(self, events: list[Event]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        event = events[0]
        facts = json.dumps(event["facts"])
        dataset = Dataset(event["name"], event["digest"], "local", facts, profile=facts)
        tag = InputTag("mlflow.data.context", event["context"])
        self._client.log_inputs(self.run_id, datasets=[DatasetInput(dataset, [tag])])

    def _send_model(self, events: list[Event]) -> None:
        folder = self._locate(events[0]["path"])
        if folder is None:
            return
        for path in bundle_files(folder):
            inside = path.parent.relative_to(folder).as_posix()
            self._client.log_artifact(self.run_id, path, "translator" if inside == "." else f"translator/{inside}")
        if self._client.search_model_versions(f"run_id = '{self.run_id}'"):
            return
        if not self._client.search_registered_models(f"name = '{self._pipeline}'"):
            self._client.create_registered_model(self._pipeline)
        self._client.create_model_version(self._pipeline, f"runs:/{self.run_id}/translator", self.run_id)

    def _locate(self, name: str) -> Path | None:
        """A journaled path as it is now: what lay in `<stage>.partial` may have moved. None, and a warning, if gone."""
        path = self._folder / name
        for found in (path, Path(str(path).replace(".partial", "", 1))):
            if found.exists():
                return found
        self._console.warn(f"tracking: {path} is gone before it could be sent")
        return None


def bundle_files(folder: Path) -> list[Path]:
    """The files of the bundle in a folder that may hold more (checkpoints, sample pictures of every step)."""
    facts = json.loads((folder / "translator.json").read_text(encoding="utf-8"))
    names = ["translator.json", "README.md", *facts.get("files", {})]
    samples = sorted(path for path in (folder / "samples").glob("*") if path.is_file())
    return [path for path in map(folder.joinpath, names) if path.is_file()] + samples


class _RefusedError(Exception):
    pass


class _Translated:
    """Turns what MLflow raises into `UnreachableError` or a refusal."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if error is None or isinstance(error, UnreachableError) or not isinstance(error, Exception):
            return
        first = redact(str(error)).strip().splitlines()[:1]
        text = first[0][:300] if first else type(error).__name__
        if getattr(error, "error_code", None) in REFUSALS or isinstance(error, (TypeError, ValueError)):
            raise _RefusedError(text) from error
        raise UnreachableError(text) from error


def _artifacts(uri: str, pipeline: str) -> str | None:
    """Where the artifacts of a database file lie: `mlartifacts/` beside it. A server decides for itself."""
    file = database(uri)
    return (file.parent / "mlartifacts" / pipeline).as_uri() if file else None


def _markdown(tables: Iterable[Event]) -> str:
    parts = []
    for table in tables:
        head = " | ".join(table["columns"])
        rows = "\n".join("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in table["rows"])
        parts.append(f"**{table['name']}**\n\n| {head} |\n|{'---|' * len(table['columns'])}\n{rows}")
    return "\n\n".join(parts)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")
