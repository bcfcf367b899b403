"""Models of a run in the store: each kept checkpoint a logged model, with its scores and the data they were got on."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from translate.errors import StageError
from translate.tracking.client import entities
from translate.tracking.journal import Event
from translate.tracking.redact import flatten, redact
from translate.tracking.registry.kept import BUNDLE, Kept, read_facts, require
from translate.tracking.registry.versions import Registry
from translate.tracking.registry.weights import bundle_files, write_checkpoint_bundle

if TYPE_CHECKING:
    from translate.contracts import Console

KIND = "image-to-image"
"""The `model_type` of all models."""
_LONGEST = 500
"""Characters of a param of a logged model."""
_ABSENT = frozenset({"ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED", "FEATURE_DISABLED"})
"""Answers of a server that knows no logged models."""


@dataclass(frozen=True)
class ModelLog:
    """Writes the models of one run into a store, and registers the one that its training was for.

    `pipeline` is the name of the registered model. A call that was broken off may be made again: it goes on with the
    logged model that is there.
    """

    client: Any
    uri: str
    experiment_id: str
    run_id: str
    pipeline: str
    console: Console

    def write(self, event: Event, bundle: Path, folder: Path) -> None:
        """Writes the model of an event. `bundle` is the folder of the training's bundle; `folder` is the same, or that
        of a checkpoint.

        Errors: those of MLflow, OSError; FileNotFoundError where the bundle's stage was renamed in the middle, so that
        the same is asked for again with the folder's new name.
        """
        scores = {name: (float(value), int(time)) for name, (value, time) in event.get("scores", {}).items()}
        model = Kept(folder, event.get("step"), folder != bundle, scores)
        facts = read_facts(bundle)
        require(bundle)
        if not hasattr(self.client, "create_logged_model"):
            return self._write_into_run(model, event, facts)
        try:
            logged = self._logged(model, event, facts)
        except Exception as error:
            if getattr(error, "error_code", None) not in _ABSENT:
                raise
            return self._write_into_run(model, event, facts)
        if getattr(logged.status, "value", logged.status) != "READY":
            self._score(logged, model, event)
            self._upload(logged, model, bundle)
            require(bundle)
            self.client.finalize_logged_model(logged.model_id, "READY")
        if not model.is_checkpoint:
            self._registry().register(bundle, facts, self._about(event), logged)
        return None

    def _registry(self) -> Registry:
        return Registry(self.client, self.uri, self.run_id, self.pipeline, self.console)

    def _about(self, event: Event) -> dict[str, str]:
        """What is said of a model beside its own facts: stage and data."""
        dataset = event.get("dataset") or []
        return {"stage": str(event.get("stage", "")), **({"dataset": str(dataset[0])} if dataset else {})}

    def _logged(self, model: Kept, event: Event, facts: Mapping[str, Any]) -> Any:
        """The logged model of this run, which is made where it is missing, and is one of the run's outputs."""
        name, there = self._name(model, event), None
        for candidate in self._models_of_run():
            if candidate.name == name:
                there = candidate
        if there is None:
            weights = "checkpoint" if model.is_checkpoint else str(facts.get("weights"))
            options = {
                "method": facts.get("method"),
                "weights": weights,
                "step": model.step,
                **facts.get("options", {}),
            }
            params = {key: value[:_LONGEST] for key, value in flatten(options).items()}
            tags = {**self._about(event), "step": str(model.step), "weights": weights}
            there = self.client.create_logged_model(self.experiment_id, name, self.run_id, tags, params, KIND)
        outputs = self.client.get_run(self.run_id).outputs
        if there.model_id not in {output.model_id for output in (outputs.model_outputs if outputs else ())}:
            self.client.log_outputs(self.run_id, [entities().LoggedModelOutput(there.model_id, model.step or 0)])
        return there

    def _name(self, model: Kept, event: Event) -> str:
        """`translator` is what the run's first training made; others have the name of their stage with them."""
        stage = str(event.get("stage", ""))
        stages = [each.tags.get("stage", stage) for each in self._models_of_run() if each.name == BUNDLE]
        prefix = "" if all(each == stage for each in stages) else f"{stage}-"
        return f"{prefix}step-{model.step}" if model.is_checkpoint else f"{prefix}{BUNDLE}"

    def _models_of_run(self) -> list[Any]:
        models: list[Any] = []
        token = None
        while True:
            wanted = f"source_run_id = '{self.run_id}'"
            page = self.client.search_logged_models([self.experiment_id], wanted, page_token=token)
            models += page
            token = page.token
            if not token:
                return models

    def _score(self, logged: Any, model: Kept, event: Event) -> None:
        """Ties the run's own points to the model: the same names, steps and times, so that none is there twice."""
        name, digest = event.get("dataset") or (None, None)
        metrics = [
            entities().Metric(curve, value, time or event["t"], model.step or 0, logged.model_id, name, digest)
            for curve, (value, time) in model.scores.items()
        ]
        if metrics:
            self.client.log_batch(self.run_id, metrics=metrics)

    def _upload(self, logged: Any, model: Kept, bundle: Path) -> None:
        if not model.is_checkpoint:
            for path in bundle_files(bundle):
                inside = path.parent.relative_to(bundle).as_posix()
                self.client.log_model_artifact(logged.model_id, path, None if inside == "." else inside)
            return
        with tempfile.TemporaryDirectory(prefix="translate-model-", ignore_cleanup_errors=True) as folder:
            try:
                write_checkpoint_bundle(model, bundle, Path(folder))
            except StageError as error:  # damaged: its scores are there, and its weights are nowhere
                self.console.warn(f"tracking: {redact(str(error))}; the store has this checkpoint without its weights")
                return
            self.client.log_model_artifacts(logged.model_id, folder)

    def _write_into_run(self, model: Kept, event: Event, facts: Mapping[str, Any]) -> None:
        """Where there are no logged models: the bundle alone, among the artifacts of the run."""
        if model.is_checkpoint:
            return
        for path in bundle_files(model.folder):
            inside = path.parent.relative_to(model.folder).as_posix()
            self.client.log_artifact(self.run_id, path, BUNDLE if inside == "." else f"{BUNDLE}/{inside}")
        require(model.folder)
        self._registry().register(model.folder, facts, self._about(event), None)
