"""A conversion of a folder as an MLflow run: its parameters, metrics, rows and page of pictures."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from translate.contracts import Console
from translate.tracking.browsing.view import told
from translate.tracking.redact import flatten, masked, redact
from translate.tracking.store import Store
from translate.tracking.store_uri import FilesError, UnreachableError, requested, store_uri

EXPERIMENT = "conversions"
PAUSES = (0.5, 1.0, 2.0, None)
"""Seconds after each try of a server that does not answer; none after the last."""


def track_conversion(
    output: Path, params: Mapping[str, Any], metrics: Mapping[str, float], files: Sequence[Path], console: Console
) -> str | None:
    """Logs one conversion into the experiment `conversions`; returns the id of the run and where its page is.

    Where the store is away a warning says so, and the result is None: the images are there all the same.
    """
    now = int(time.time() * 1000)
    name = str(params.get("direction", ""))
    record = uuid.uuid4().hex  # finds the run again that an earlier try has made
    store = Store(store_uri(), EXPERIMENT, output.absolute(), name, console, requested(), record=record)
    for pause in PAUSES:
        try:
            store.open(None, now)
            store.send([{"e": "params", "v": flatten(masked(dict(params)))}])
            store.send([{"e": "metrics", "t": now, "s": 0, "v": dict(metrics)}])
            for file in files:
                _send_file(store, file, console)
            store.send([{"e": "end", "status": "done", "t": int(time.time() * 1000)}])
        except UnreachableError as error:
            if pause is not None and store.uri.startswith("http"):
                time.sleep(pause)
                continue
            console.warn(f"not tracked: {_at(store_uri(), str(error))}")
            return None
        break
    return f"run {store.run_id}, {told(store.page)}"


def _at(uri: str, text: str) -> str:
    """A mistake with the store that it is about, once."""
    return text if text.startswith(redact(uri)) else f"{redact(uri)}: {text}"


def _send_file(store: Store, file: Path, console: Console) -> None:
    try:
        store.send([{"e": "file", "path": str(file.absolute()), "folder": ""}])
    except FilesError as error:
        console.warn(f"not tracked: {file.name}: {error}")
