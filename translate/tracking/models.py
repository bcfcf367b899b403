"""Trained models that a tracking store keeps: `runs:/<id>/translator`, `models:/<name>/<version>`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from translate.errors import ConfigError
from translate.tracking.redact import redact
from translate.tracking.store_uri import database, store_uri

_RUN = re.compile(r"runs:/+([^/]+)/(.+)")
_MODEL = re.compile(r"models:/+([^/@]+)(?:/(\d+|latest)|@([\w-]+))")


def fetch_model(ref: str) -> Path:
    """The folder of a tracked bundle: where it lies on this machine, else a download into the user's cache.

    `ref` is `runs:/<run id>/<path>`, `models:/<name>/<version>`, `models:/<name>/latest` or `models:/<name>@<alias>`.
    Errors: ConfigError.
    """
    from translate.tracking.store import client

    file = database(store_uri())
    if file and not file.is_file():
        raise ConfigError(
            f"{ref}: there is no tracking store at {file}; run a pipeline here, or set MLFLOW_TRACKING_URI"
        )
    try:
        return _fetch(client(store_uri()), ref)
    except ConfigError:
        raise
    except Exception as error:  # whatever a store raises ends here as one sentence
        first = redact(str(error)).strip().splitlines()[:1]
        raise ConfigError(
            f"{ref}: not found in {redact(store_uri())}: {''.join(first) or type(error).__name__}"
        ) from error


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
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "translate" / "models" / run_id
        cache.mkdir(parents=True, exist_ok=True)
        folder = Path(store.download_artifacts(run_id, path, str(cache)))
    if not folder.is_dir():
        raise ConfigError(f"{ref}: its files are no longer at {folder}")
    return folder


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
        return str(max(versions, key=lambda found: int(found.version)).source)
    return str(store.get_model_version(name, version).source)
