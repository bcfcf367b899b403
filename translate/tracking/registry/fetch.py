"""Trained models that a tracking store keeps: `runs:/<id>/translator`, `models:/<name>/<version>`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from translate.errors import ConfigError
from translate.tracking.client import client
from translate.tracking.database import check_ready
from translate.tracking.in_words import in_words
from translate.tracking.moved import follow
from translate.tracking.redact import redact
from translate.tracking.store_uri import UnreachableError, database, store_uri

_RUN = re.compile(r"runs:/+([^/]+)/(.+)")
_MODEL = re.compile(r"models:/+([^/@]+)(?:/(\d+|latest)|@([\w-]+))")
_LOGGED = re.compile(r"models:/+(m-[0-9a-f]+)")
_ADDRESSES = ("file", "mlflow-artifacts", "http", "https", "s3", "gs", "wasbs", "abfss", "hdfs", "dbfs")


def fetch_model(ref: str) -> Path:
    """The folder of a tracked bundle: where it lies on this machine, else a download into the user's cache.

    `ref` is `runs:/<run id>/<path>`, `models:/<name>/<version>`, `models:/<name>/latest`, `models:/<name>@<alias>`, or
    `models:/<model id>` for what a run has kept.
    Errors: ConfigError.
    """
    file = database(store_uri())
    try:
        if file:
            check_ready(file)
            follow(file)
    except (ConfigError, UnreachableError) as error:
        raise ConfigError(f"{ref}: {error}") from error
    try:
        return _fetch(client(store_uri()), ref)
    except ConfigError:
        raise
    except Exception as error:  # whatever a store raises ends here as one sentence
        store, words = redact(store_uri()), in_words(error)
        where = "" if words.startswith(store) else f"not found in {store}: "
        raise ConfigError(f"{ref}: {where}{words}") from error


def _fetch(store: Any, ref: str) -> Path:
    source = _source(store, ref)
    run, model = _RUN.fullmatch(source), _LOGGED.fullmatch(source)
    if run:
        return _of_run(store, ref, *run.groups())
    if model:
        return _at(store, ref, str(store.get_logged_model(model[1]).artifact_location), model[1])
    if urlsplit(source).scheme in _ADDRESSES:
        return _at(store, ref, source, re.sub(r"\W", "-", source)[-60:])
    raise ConfigError(f"{ref}: points at {source}, which no pipeline of this tool has tracked")


def _of_run(store: Any, ref: str, run_id: str, path: str) -> Path:
    """A folder among the artifacts of a run, or the model that is called like it among those of the run."""
    run = store.get_run(run_id)
    root = str(run.info.artifact_uri)
    name, _, inside = path.partition("/")
    outputs = getattr(run, "outputs", None)
    for output in outputs.model_outputs if outputs else ():
        model = store.get_logged_model(output.model_id)
        if model.name == name:
            return _at(store, ref, f"{model.artifact_location}/{inside}".rstrip("/"), model.model_id)
    return _at(store, ref, f"{root}/{path}", run_id)


def _at(store: Any, ref: str, address: str, key: str) -> Path:
    """The folder of an address on this machine, or a download of it under `key`. Errors: ConfigError."""
    parts = urlsplit(address)
    if parts.scheme in ("", "file"):
        folder = Path(unquote(parts.path))
    else:
        from mlflow.artifacts import download_artifacts

        folder = Path(
            download_artifacts(artifact_uri=address, dst_path=str(_cache(key)), tracking_uri=store.tracking_uri)
        )
    if not folder.is_dir():
        raise ConfigError(f"{ref}: its files are no longer at {folder}")
    return folder


def _cache(key: str) -> Path:
    """The folder of the user's cache for files of the store. Errors: ConfigError where it cannot be written."""
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        cache = home / "translate" / "models" / key
        cache.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # the latter: nobody knows where home is
        raise ConfigError(f"{error}; set XDG_CACHE_HOME to a folder that can be written") from error
    return cache


def _source(store: Any, ref: str) -> str:
    """`models:` references followed to the run that they point at."""
    match = _MODEL.fullmatch(ref)
    if match is None:
        return ref
    name, version, alias = match.groups()
    if alias and alias.lower() != "latest":
        return str(store.get_model_version_by_alias(name, alias).source)
    if version is None or version == "latest":
        versions = store.search_model_versions(f"name = '{name}'")
        if not versions:
            raise ConfigError(f"{ref}: no version of this model is registered")
        return str(max(versions, key=lambda candidate: int(candidate.version)).source)
    return str(store.get_model_version(name, version).source)
