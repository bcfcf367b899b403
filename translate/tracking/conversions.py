"""A conversion of a folder as an MLflow run: its parameters, metrics, rows and page of pictures."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from translate.contracts import Console
from translate.tracking.redact import flatten, masked, redact
from translate.tracking.store import Store
from translate.tracking.store_uri import FilesError, UnreachableError, requested, store_uri

EXPERIMENT = "conversions"


def track_conversion(
    output: Path, params: Mapping[str, Any], metrics: Mapping[str, float], files: Sequence[Path], console: Console
) -> str | None:
    """Logs one conversion into the experiment `conversions` and returns the id of the run.

    Where the store is away a warning says so, and the result is None: the images are there all the same.
    """
    now = int(time.time() * 1000)
    store = Store(store_uri(), EXPERIMENT, output.absolute(), str(params.get("direction", "")), console, requested())
    try:
        store.open(None, now)
        store.send([{"e": "params", "v": flatten(masked(dict(params)))}])
        store.send([{"e": "metrics", "t": now, "s": 0, "v": dict(metrics)}])
        for file in files:
            _send_file(store, file, console)
        store.send([{"e": "end", "status": "done", "t": int(time.time() * 1000)}])
    except UnreachableError as error:
        console.warn(f"not tracked: {_at(store_uri(), str(error))}")
        return None
    return store.run_id


def _at(uri: str, text: str) -> str:
    """A mistake with the store that it is about, once."""
    return text if text.startswith(redact(uri)) else f"{redact(uri)}: {text}"


def _send_file(store: Store, file: Path, console: Console) -> None:
    try:
        store.send([{"e": "file", "path": str(file.absolute()), "folder": ""}])
    except FilesError as error:
        console.warn(f"not tracked: {file.name}: {error}")
