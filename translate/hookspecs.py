"""Every hook of `translate`. A plugin implements those that it needs and marks them with `@translate.hookimpl`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from translate.contracts import Method, Metric, Source, Stage, Tracker, Transform

hookspec = pluggy.HookspecMarker("translate")
hookimpl = pluggy.HookimplMarker("translate")
"""Marks a function as the implementation of the hook of the same name."""

Provided = Iterable[type[Any]] | Mapping[str, type[Any]]
"""Classes, each registered under its own `name`, or a mapping of names to classes."""


@hookspec
def translate_methods() -> Iterable[type[Method[Any]]] | Mapping[str, type[Method[Any]]]:
    """Translation methods."""
    raise AssertionError


@hookspec
def translate_networks() -> Provided:
    """Networks, subclasses of `translate.Network`, for generators, discriminators and whatever a method builds."""
    raise AssertionError


@hookspec
def translate_losses() -> Provided:
    """Loss terms, subclasses of `translate.LossTerm`, that pipelines bind with `extra_losses`."""
    raise AssertionError


@hookspec
def translate_metrics() -> Iterable[type[Metric[Any]]] | Mapping[str, type[Metric[Any]]]:
    """Metrics for `evaluate`, for `validate` in `train`, and for `translate evaluate`."""
    raise AssertionError


@hookspec
def translate_sources() -> Iterable[type[Source[Any]]] | Mapping[str, type[Source[Any]]]:
    """Sources of images for `preprocess`."""
    raise AssertionError


@hookspec
def translate_transforms() -> Iterable[type[Transform[Any]]] | Mapping[str, type[Transform[Any]]]:
    """Transforms of images for `preprocess` (deterministic ones) and for `augment` in `train`."""
    raise AssertionError


@hookspec
def translate_stages() -> Iterable[type[Stage[Any]]] | Mapping[str, type[Stage[Any]]]:
    """Pipeline stages."""
    raise AssertionError


@hookspec(firstresult=True)
def translate_tracker(pipeline: str, folder: Path) -> Tracker | None:
    """A tracker that replaces MLflow for this run; the first plugin that returns one wins."""


@hookspec
def translate_run_started(pipeline: str, folder: Path, stages: list[str]) -> None:
    """A run of a pipeline began; `stages` are those that will run."""


@hookspec
def translate_run_finished(pipeline: str, folder: Path, status: str) -> None:
    """A run ended; `status` is `done`, `failed` or `stopped`."""


@hookspec
def translate_stage_started(pipeline: str, stage: str, folder: Path) -> None:
    """A stage began to run in `folder` (its name ends in `.partial`)."""


@hookspec
def translate_stage_finished(pipeline: str, stage: str, folder: Path, facts: Mapping[str, Any]) -> None:
    """A stage is done; `facts` is what its manifest records."""


@hookspec
def translate_step_finished(pipeline: str, stage: str, step: int, metrics: Mapping[str, float]) -> None:
    """A log step of a training; `metrics` holds the losses that were fetched at this step."""


@hookspec
def translate_checkpoint_saved(pipeline: str, stage: str, step: int, folder: Path) -> None:
    """A checkpoint is complete on disk."""
