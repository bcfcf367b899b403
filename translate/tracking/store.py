"""The one place that talks to MLflow: opens a run and writes journal events into it."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from translate.text import legible
from translate.tracking.browsing.names import metric_name, picture_name, without_baselines
from translate.tracking.browsing.tables import RunTables
from translate.tracking.browsing.view import UI, main_columns, run_page, set_view
from translate.tracking.client import client, entities
from translate.tracking.datasets import address_of
from translate.tracking.delivery.answers import GoneError, RefusedError, translated
from translate.tracking.delivery.files import Listing
from translate.tracking.delivery.points import Points, legal
from translate.tracking.delivery.prepare import prepare_store
from translate.tracking.journal import Event
from translate.tracking.redact import legible_values, redact
from translate.tracking.registry.logged import ModelLog
from translate.tracking.store_uri import (
    ARTIFACTS,
    BusyError,
    FilesError,
    UnreachableError,
    database,
)

if TYPE_CHECKING:
    from translate.contracts import Console

FINAL: Mapping[str, str] = MappingProxyType({"done": "FINISHED", "failed": "FAILED", "stopped": "KILLED"})
_PARAMS = 100
_PARENT = "mlflow.parentRunId"
_RECORD = "mlflow.translate.record"
"""The tag with which a run is found again whose making was never answered."""


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
        *,
        record: str = "",
    ) -> None:
        self.uri = uri
        self.experiment_id = ""
        self.run_id = ""
        self._pipeline = pipeline
        self._folder = folder
        self._recipe = recipe
        self._console = console
        self._requested = requested
        self._record = record
        self._in_doubt = True
        """Whether the last picture may be there although no answer said so."""
        self._params: set[str] = set()
        self._tables = RunTables()

    @property
    def url(self) -> str | None:
        """The page of the run, where the store is a server."""
        return self.page if self.uri.startswith("http") else None

    @property
    def page(self) -> str:
        """The page of the run; where the store is no server, below the address of `translate ui`."""
        server = redact(self.uri).rstrip("/") if self.uri.startswith("http") else UI
        return server + run_page(self.experiment_id, self.run_id)

    def open(self, run_id: str | None, started: int) -> None:
        """Continues a run if it is still there, otherwise begins one (`started`: milliseconds since 1970).

        A run, an experiment or a name that `requested` holds goes before. `record`, a name that no other run has, finds
        the run again where the answer to its making was lost. Errors: UnreachableError.
        """
        prepare_store(self.uri, self._console)
        try:
            with translated():
                self._client = client(self.uri)
                run = self._requested_run() or self._own_run(run_id, started)
        except RefusedError as refusal:
            raise UnreachableError(str(refusal)) from refusal
        if not run.info.run_id:
            raise UnreachableError(f"{redact(self.uri)} answers, but names no run")
        self.experiment_id = str(run.info.experiment_id)
        self.run_id = run.info.run_id
        self._params = set(run.data.params)
        self._points = Points(self._client, self.run_id, known=self._in_doubt)

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
        except UnreachableError as error:
            self._in_doubt = True
            if isinstance(error, BusyError):  # the database, not the place of the files: the call works a moment later
                raise
            raise FilesError(str(error)) from error
        self._in_doubt = False

    def lacking(self, events: Iterable[Event]) -> list[Event]:
        """Those of sent events whose pictures or files are not there, although a server took them.

        Errors: UnreachableError.
        """
        listing = Listing(self._client, self.run_id)
        with translated():
            return [event for event in events if not self._has(listing, event)]

    def _has(self, listing: Listing, event: Event) -> bool:
        """Whether the files of an event are there, as far as one can tell, or cannot be sent again."""
        if event["e"] == "table":
            return listing.has(f"tables/{event['name']}.json")
        if event["e"] not in ("image", "file"):
            return True
        path = self._folder / event["path"]
        if not path.is_file():
            return True
        if event["e"] == "file":
            return listing.has(posixpath.join(event["folder"], path.name))
        plain = listing.has(f"samples/{event['key']}/{path.name}")
        return plain and listing.has_picture(legal(picture_name(event["key"])), event)

    def _write(self, write: Callable[[Any], None], kind: str, content: list[Event] | Event) -> None:
        try:
            with translated():
                try:
                    write(content)
                except FileNotFoundError:  # a stage's folder was renamed in the middle: it is found under its new name
                    write(content)
        except RefusedError as refusal:
            with translated():
                if self._find(self.run_id) is None:
                    raise GoneError(f"{redact(self.uri)} has no run {self.run_id} any more") from refusal
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
        run = (self._find(run_id) if run_id else None) or self._unanswered(experiment)
        if run is not None:
            return run
        asked = self._requested.get("name") or self._requested.get("title")
        name = legible(asked or f"{self._folder.name} {self._recipe[:8]}")
        tags = {_PARENT: self._requested["parent"]} if "parent" in self._requested else {}
        if self._record:
            tags[_RECORD] = self._record
        run = self._client.create_run(experiment, started, tags, run_name=redact(name))
        self._in_doubt = False
        return run

    def _unanswered(self, experiment: str) -> Any:
        """The run that was made for this record by a request whose answer was lost; None where there is none."""
        if not self._record:
            return None
        wanted = f"tags.`{_RECORD}` = '{self._record}'"
        return next(iter(self._client.search_runs([experiment], wanted, order_by=["attributes.start_time ASC"])), None)

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
        if experiment.name != name:
            raise UnreachableError(f"{redact(self.uri)} answers, but not as a tracking server does")
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
        if run.info.run_id != run_id:
            raise UnreachableError(f"{redact(self.uri)} answers, but not as a tracking server does")
        return run if run.info.lifecycle_stage == "active" else None

    def _send_start(self, events: list[Event]) -> None:
        self._client.update_run(self.run_id, status="RUNNING")

    def _send_stage(self, events: list[Event]) -> None:
        self._client.set_tag(self.run_id, "stage", events[0]["name"])
        with suppress(Exception):
            self._client.set_tag(self.run_id, "state", f"running: {events[0]['name']}")

    def _send_child(self, events: list[Event]) -> None:
        if events[0]["run_id"]:
            self._client.set_tag(events[0]["run_id"], _PARENT, self.run_id)

    def _send_end(self, events: list[Event]) -> None:
        self._client.set_terminated(self.run_id, FINAL[events[0]["status"]], events[0]["t"])
        with suppress(Exception):  # how the table of runs looks: no record waits for it
            self._client.set_tag(self.run_id, "state", events[0]["status"])
            data = self._client.get_run(self.run_id).data
            columns = main_columns(data.params, data.metrics, self._tables.by_name.values())
            set_view(self._client, self.experiment_id, columns, events[0]["t"])

    def _send_metrics(self, events: list[Event]) -> None:
        named = []
        for event in events:
            values = {metric_name(name): value for name, value in without_baselines(event["v"]).items()}
            named.append({**event, "v": values})
        self._points.send(named)

    def _send_params(self, events: list[Event]) -> None:
        new = {legal(k): v[:6000] for k, v in events[0]["v"].items()}
        params = [entities().Param(k, v) for k, v in new.items() if k not in self._params]
        for start in range(0, len(params), _PARAMS):
            self._client.log_batch(self.run_id, params=params[start : start + _PARAMS], synchronous=True)
        self._params |= set(new)

    def _send_tags(self, events: list[Event]) -> None:
        tags = [entities().RunTag(legal(k), v[:8000]) for k, v in events[0]["v"].items()]
        self._client.log_batch(self.run_id, tags=tags, synchronous=True)

    def _files_of_image(self, event: Event) -> None:
        path = self._folder / event["path"]
        if not path.is_file():
            return
        from mlflow import Image

        image = Image(str(path))
        image.to_pil().load()  # which closes the file
        key = legal(picture_name(event["key"]))
        # `log_image` gives MLflow's step slider; the same picture under a plain name can be found by a person.
        if not (self._in_doubt and Listing(self._client, self.run_id).has_picture(key, event)):
            self._client.log_image(self.run_id, image, key=key, step=event["s"], timestamp=event["t"], synchronous=True)
        self._client.log_artifact(self.run_id, path, f"samples/{event['key']}")

    def remember(self, event: Event) -> None:
        """Takes note of an event that was sent before: the description is written as a whole."""
        if event["e"] == "table":
            self._tables.by_name[event["name"]] = event

    def _send_table(self, events: list[Event]) -> None:
        self.remember(events[0])
        self._tables.describe(self._client, self.run_id, self._requested.get("note", ""))

    def _files_of_table(self, event: Event) -> None:
        self._tables.send_file(self._client, self.run_id, event, self._locate)

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


def _artifacts(uri: str, pipeline: str) -> str | None:
    """Where the artifacts of a database file lie: `mlartifacts/` beside it. A server decides for itself."""
    file = database(uri)
    return (file.parent / ARTIFACTS / pipeline).as_uri() if file else None
