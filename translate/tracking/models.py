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


def fetch_model(ref: str) -> Path:
    """The folder of a tracked bundle: where it lies on this machine, else a download into the user's cache.

    `ref` is `runs:/<run id>/<path>`, `models:/<name>/<version>`, `models:/<name>/latest` or `models:/<name>@<alias>`.
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
    match = _RUN.fullmatch(source)
    if match is None:
        raise ConfigError(f"{ref}: points at {source}, which no pipeline of this tool has tracked")
    run_id, path = match.groups()
    root = urlsplit(str(store.get_run(run_id).info.artifact_uri))
    if root.scheme in ("", "file"):
        folder = Path(unquote(root.path)) / path
    else:
        folder = Path(store.download_artifacts(run_id, path, str(_cache(run_id))))
    if not folder.is_dir():
        raise ConfigError(f"{ref}: its files are no longer at {folder}")
    return folder


def _cache(run_id: str) -> Path:
    """The folder of the user's cache for the files of a run. Errors: ConfigError where it cannot be written."""
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        cache = home / "translate" / "models" / run_id
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
    if alias:
        return str(store.get_model_version_by_alias(name, alias).source)
    if version == "latest":
        versions = store.search_model_versions(f"name = '{name}'")
        if not versions:
            raise ConfigError(f"{ref}: no version of this model is registered")
        return str(max(versions, key=lambda candidate: int(candidate.version)).source)
    return str(store.get_model_version(name, version).source)
