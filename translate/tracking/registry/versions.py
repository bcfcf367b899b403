"""Versions of a pipeline's model in the registry: which training becomes one, and which one `best` names.

A training becomes a version unless it is a try: planned for fewer than half as many images as the one that `best`
names. `best` moves to a new version that has the better score by the same metric on the same data; where the two
cannot be compared so, to one that was trained at least as long; and from a try to what is none. `latest` is MLflow's
own word for the newest version.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from translate.tracking.redact import redact
from translate.tracking.registry.kept import BUNDLE, require

if TYPE_CHECKING:
    from translate.contracts import Console

BEST = "best"
TRY = 0.5
"""A training of fewer images than this share of those of the best version is a try."""
_LONGEST = 5000
"""Characters of a description that every database of a registry takes."""
_PICTURE = re.compile(r"^!\[.*\n?", re.MULTILINE)
_VERSIONS = "mlflow.modelVersions"
"""The tag of a logged model by which MLflow's pages link it with its versions."""


@dataclass(frozen=True)
class Registry:
    """The registered model of one `pipeline`, to which a run may add a version."""

    client: Any
    uri: str
    run_id: str
    pipeline: str
    console: Console

    def register(self, bundle: Path, facts: Mapping[str, Any], about: Mapping[str, str], logged: Any) -> None:
        """Makes the model of a run a version, unless it is a try or the run has one, and lets `best` name the better.

        `logged` is the logged model, None where the bundle is among the artifacts of the run. Errors: those of MLflow.
        """
        versions = self.client.search_model_versions(f"run_id = '{self.run_id}'")
        best = self._best()
        tags = _tags(facts, about)
        if versions:
            self._point(versions[0], best)
            return
        if best is not None and is_try(tags, best.tags):
            where = f"models:/{logged.model_id}" if logged else f"runs:/{self.run_id}/{BUNDLE}"
            self.console.say(
                f"tracking: a try of {int(float(tags['images'])):,} images beside the "
                f"{int(float(best.tags['images'])):,} of {self.pipeline} version {best.version}: it is {where}, and no "
                "version"
            )
            return
        self._make()
        version = self.client.create_model_version(
            self.pipeline, self._source(logged), self.run_id, tags, description=_description(bundle), **_link(logged)
        )
        if logged:
            link = [{"name": self.pipeline, "version": str(version.version)}]
            self.client.set_logged_model_tags(logged.model_id, {_VERSIONS: json.dumps(link)})
        self._point(version, best)

    def _point(self, version: Any, best: Any) -> None:
        """Lets `best` name a version that is better than the one it names."""
        if best is None or (best.version != version.version and is_better(version.tags, best.tags)):
            self.client.set_registered_model_alias(self.pipeline, BEST, version.version)

    def _best(self) -> Any:
        """The version that `best` names, None without one."""
        try:
            return self.client.get_model_version_by_alias(self.pipeline, BEST)
        except Exception as error:
            # no such model, or no such alias
            if getattr(error, "error_code", None) in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def _make(self) -> None:
        """Makes the pipeline's entry in the model registry, unless it is there or another run makes it just now."""
        text = (
            f"Models that the pipeline {self.pipeline} has trained. `models:/{self.pipeline}@{BEST}` is the one with "
            f"the best score, `models:/{self.pipeline}/latest` the newest; what was trained much shorter is in its run "
            "alone."
        )
        try:
            self.client.create_registered_model(self.pipeline, description=text)
        except Exception as error:
            if getattr(error, "error_code", None) != "RESOURCE_ALREADY_EXISTS":
                raise

    def _source(self, logged: Any) -> str:
        """The address of the files. Where this process is the registry, it would look for the address of a logged model
        in MLflow's own default store, which may be another one."""
        if logged is None:
            return f"runs:/{self.run_id}/{BUNDLE}"
        return f"models:/{logged.model_id}" if self.uri.startswith("http") else str(logged.artifact_location)


def is_try(tags: Mapping[str, str], best: Mapping[str, str]) -> bool:
    """Whether a training was planned for so few images beside the best one that nobody means its model by a name."""
    mine, other = _float(tags.get("images")), _float(best.get("images"))
    return mine < TRY * other  # False where either is not known


def is_better(tags: Mapping[str, str], best: Mapping[str, str]) -> bool:
    """Whether the first of two versions is the one that `best` should name, by the tags of both."""
    if is_try(best, tags):
        return True
    mine, other = _float(tags.get("score")), _float(best.get("score"))
    alike = all(tags.get(key) == best.get(key) and tags.get(key) for key in ("metric", "data"))
    if alike and not math.isnan(mine) and not math.isnan(other):
        return mine > other if tags.get("better") == "higher" else mine < other
    if alike and not math.isnan(other):
        return False  # a score that is no number
    shorter = _float(tags.get("images")) < _float(best.get("images"))
    return not shorter


def _float(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan


def _tags(facts: Mapping[str, Any], about: Mapping[str, str]) -> dict[str, str]:
    """The tags of a version: what tells it from the others, and what the next one is compared with."""
    training = facts.get("training") or {}
    score = training.get("score") or {}
    values = {
        "method": facts.get("method"),
        "step": facts.get("step"),
        "weights": facts.get("weights"),
        "steps": training.get("steps"),
        "images": training.get("images"),
        "metric": score.get("metric"),
        "score": f"{float(score['value']):.6g}" if "value" in score else None,
        "better": score.get("better"),
        "pipeline": facts.get("pipeline"),
        "data": str(facts.get("data") or "")[:36],
        **about,
    }
    return {key: str(value) for key, value in values.items() if value not in (None, "")}


def _link(logged: Any) -> dict[str, str]:
    return {"model_id": logged.model_id} if logged else {}


def _description(bundle: Path) -> str:
    """The model card, without its pictures, which a registry cannot show.

    Errors: FileNotFoundError where the bundle is gone, since its stage was renamed meanwhile.
    """
    try:
        card = (bundle / "README.md").read_text("utf-8")
    except OSError:
        require(bundle)
        return ""
    return redact(_PICTURE.sub("", card).replace("## Samples\n\n", ""))[:_LONGEST]
