"""The one place that talks to MLflow: opens a run and writes journal events into it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from translate.text import legible, number
from translate.tracking.client import client
from translate.tracking.database import prepare
from translate.tracking.datasets import address_of
from translate.tracking.in_words import in_words
from translate.tracking.journal import Event
from translate.tracking.moved import follow
from translate.tracking.redact import legible_values, redact
from translate.tracking.registry.logged import ModelLog
from translate.tracking.store_uri import (
    ARTIFACTS,
    DEFAULT_STORE,
    PAGE,
    BusyError,
    FilesError,
    UnreachableError,
    database,
    is_folder,
)

if TYPE_CHECKING:
    from translate.contracts import Console

FINAL: Mapping[str, str] = MappingProxyType({"done": "FINISHED", "failed": "FAILED", "stopped": "KILLED"})
REFUSALS = frozenset(
    {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS", "NOT_IMPLEMENTED", "FEATURE_DISABLED"}
)
"""Answers about one record, which sending it again would not change. All others mean: later."""

BATCH = 1000
"""Metric values per request, the most that the tracking API takes."""
_KEY = re.compile(r"[^\w\-./ ]")
_PARAMS = 100
_PARENT = "mlflow.parentRunId"


def prepare_store(uri: str, console: Console) -> None:
    """Gets a store ready on this machine: imports MLflow, makes a missing database, mends what can be mended.

    It takes seconds for a new database. Servers are not asked anything. Errors: UnreachableError.
    """
    try:
        with _Translated():
            if file := database(uri):
                _prepare_file(file, console)
            client(uri)
    except _RefusedError as refusal:
        if not is_folder(uri):
            raise UnreachableError(str(refusal)) from refusal
        hint = f"set MLFLOW_TRACKING_URI={DEFAULT_STORE}, or unset it"
        raise UnreachableError(f"{uri} is a folder, and this MLflow records into databases; {hint}") from refusal


def _prepare_file(file: Path, console: Console) -> None:
    aside = prepare(file)
    if aside:
        console.warn(f"tracking: the making of {file.name} had broken off; a new one was made, see {aside.name}")
    if follow(file):
        console.say(f"tracking: {file.name} was moved; its artifacts are those in {file.parent / ARTIFACTS}")


class Store:
    """A run in a tracking store, written to from one thread."""

    def __init__(
        self,
        uri: str,
        pipeline: str,
        folder: Path,
        recipe: str,
        console: Console,
        requested: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.uri = uri
        self.experiment_id = ""
        self.run_id = ""
        self._pipeline = pipeline
        self._folder = folder
        self._recipe = recipe
        self._console = console
        self._requested = requested
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

        A run, an experiment or a name that `requested` holds goes before. Errors: UnreachableError.
        """
        prepare_store(self.uri, self._console)
        try:
            with _Translated():
                self._client = client(self.uri)
                run = self._requested_run() or self._own_run(run_id, started)
        except _RefusedError as refusal:
            raise UnreachableError(str(refusal)) from refusal
        self.experiment_id = str(run.info.experiment_id)
        self.run_id = run.info.run_id
        self._params = set(run.data.params)

    def send(self, events: list[Event], files: bool = True) -> None:
        """Writes events of one kind; what the store refuses for good is reported.

        `files=False` leaves out pictures and other files. Errors: UnreachableError; FilesError when all but the files
        was written.
        """
        kind = events[0]["e"]
        if write := getattr(self, f"_send_{kind}", None):
            self._write(write, kind, legible_values(events))
        if files:
            self.send_files(events[0])

    def send_files(self, event: Event) -> None:
        """Writes the files that belong to an event, if any. Errors: FilesError."""
        write = getattr(self, f"_files_of_{event['e']}", None)
        if write is None:
            return
        try:
            self._write(write, event["e"], event)
        except BusyError:  # the database and not the place of the files: the same call works a moment later
            raise
        except UnreachableError as error:
            raise FilesError(str(error)) from error

    def _write(self, write: Callable[[Any], None], kind: str, content: list[Event] | Event) -> None:
        try:
            with _Translated():
                try:
                    write(content)
                except FileNotFoundError:  # a stage's folder was renamed in the middle: it is found under its new name
                    write(content)
        except _RefusedError as refusal:
            self._console.warn(f"tracking: {redact(self.uri)} refused {kind}: {refusal}")

    def _requested_run(self) -> Any:
        """The run that MLFLOW_RUN_ID names, None if it names none or one that is not there."""
        run_id = self._requested.get("run_id")
        run = self._find(run_id) if run_id else None
        if run_id and run is None:
            self._console.warn(f"tracking: {redact(self.uri)} has no run {run_id} (MLFLOW_RUN_ID); another is opened")
        return run

    def _own_run(self, run_id: str | None, started: int) -> Any:
        experiment = self._experiment()
        if run_id and (run := self._find(run_id)) is not None:
            return run
        name = legible(self._requested.get("name") or f"{self._folder.name} {self._recipe[:8]}")
        parent = {_PARENT: self._requested["parent"]} if "parent" in self._requested else {}
        return self._client.create_run(experiment, started, parent, run_name=name)

    def _experiment(self) -> str:
        """The id of the experiment, which is made if it is missing. Several runs may want to make it at once."""
        from mlflow.exceptions import MlflowException

        name = self._requested.get("experiment") or self._pipeline
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            tags = {"mlflow.experimentKind": "custom_model_development"}
            try:
                return str(self._client.create_experiment(name, _artifacts(self.uri, name), tags))
            except MlflowException:
                experiment = self._client.get_experiment_by_name(name)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage == "deleted":
            self._client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)

    def _find(self, run_id: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            run = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # the latter: no id at all
                return None
            raise
        return run if run.info.lifecycle_stage == "active" else None

    def _send_start(self, events: list[Event]) -> None:
        self._client.update_run(self.run_id, status="RUNNING")

    def _send_stage(self, events: list[Event]) -> None:
        self._client.set_tag(self.run_id, "stage", events[0]["name"])

    def _send_child(self, events: list[Event]) -> None:
        if events[0]["run_id"]:
            self._client.set_tag(events[0]["run_id"], _PARENT, self.run_id)

    def _send_end(self, events: list[Event]) -> None:
        self._client.set_terminated(self.run_id, FINAL[events[0]["status"]], events[0]["t"])

    def _send_metrics(self, events: list[Event]) -> None:
        from mlflow.entities import Metric

        points = []
        for event in events:
            points += [Metric(_KEY.sub("_", name), v, event["t"], event["s"]) for name, v in event["v"].items()]
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

    def _files_of_image(self, event: Event) -> None:
        path = self._folder / event["path"]
        if not path.is_file():
            return
        from mlflow import Image

        image = Image(str(path))
        key = _KEY.sub("_", event["key"])
        # `log_image` gives MLflow's step slider; the same picture under a plain name can be found by a person.
        self._client.log_image(self.run_id, image, key=key, step=event["s"], timestamp=event["t"], synchronous=True)
        self._client.log_artifact(self.run_id, path, f"samples/{event['key']}")

    def _send_table(self, events: list[Event]) -> None:
        self._tables[events[0]["name"]] = events[0]
        self._client.set_tag(self.run_id, "mlflow.note.content", _markdown(self._tables.values()))

    def _files_of_table(self, event: Event) -> None:
        content = {"columns": event["columns"], "data": event["rows"]}
        self._client.log_dict(self.run_id, content, f"tables/{event['name']}.json")
        tables = [{"path": f"tables/{name}.json", "type": "table"} for name in self._tables]
        self._client.set_tag(self.run_id, "mlflow.loggedArtifacts", json.dumps(tables))

    def _files_of_file(self, event: Event) -> None:
        path = self._locate(event["path"])
        if path is not None:
            send = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
            send(self.run_id, path, event["folder"] or None)

    def _send_dataset(self, events: list[Event]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        event = events[0]
        kind, source = address_of(event, self._folder)
        dataset = Dataset(event["name"], event["digest"], kind, source, profile=json.dumps(event["facts"]))
        tag = InputTag("mlflow.data.context", event["context"])
        self._client.log_inputs(self.run_id, datasets=[DatasetInput(dataset, [tag])])

    def _files_of_model(self, event: Event) -> None:
        """The bundle of a training, or one of the checkpoints beside it, as a logged model."""
        folder = self._locate(event["path"])
        bundle = self._locate(event["bundle"]) if "bundle" in event else folder
        if folder is not None and bundle is not None:
            log = ModelLog(self._client, self.uri, self.experiment_id, self.run_id, self._pipeline, self._console)
            log.write(legible_values(event), bundle, folder)

    def _locate(self, name: str) -> Path | None:
        """A journaled path as it is now: what lay in `<stage>.partial` may have moved. None, and a warning, if gone."""
        path = self._folder / name
        for candidate in (path, Path(str(path).replace(".partial", "", 1))):
            if candidate.exists():
                return candidate
        self._console.warn(f"tracking: {path} is gone before it could be sent")
        return None


class _RefusedError(Exception):
    """The store will never take this record."""


class _Translated:
    """Turns what MLflow raises into `UnreachableError` or a refusal."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if error is None or isinstance(error, UnreachableError) or not isinstance(error, Exception):
            return
        text = in_words(error)
        if getattr(error, "error_code", None) in REFUSALS or isinstance(error, (TypeError, ValueError)):
            raise _RefusedError(text) from error
        if isinstance(error, ModuleNotFoundError):
            text += f" (pip install {error.name})"
        raise (BusyError if "database is locked" in str(error) else UnreachableError)(text) from error


def _artifacts(uri: str, pipeline: str) -> str | None:
    """Where the artifacts of a database file lie: `mlartifacts/` beside it. A server decides for itself."""
    file = database(uri)
    return (file.parent / ARTIFACTS / pipeline).as_uri() if file else None


def _markdown(tables: Iterable[Event]) -> str:
    """The tables as Markdown, for the page of the run."""
    parts = []
    for table in tables:
        head = " | ".join(table["columns"])
        lines = [f"**{table['name']}**", "", f"| {head} |", f"|{'---|' * len(table['columns'])}"]
        lines += [f"| {' | '.join(map(_cell, row))} |" for row in table["rows"]]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _cell(value: Any) -> str:
    return "" if value is None else number(value).replace("|", "\\|")
