"""Outlines of the last planning, kept so that a pipeline which did not change is planned without importing a plugin.

To check a pipeline imports the plugins that it names, and these import torch, which takes a second. An outline says all
that planning needs, as plain data. It holds while everything that it was made from is the same: the pipeline with its
profile and `--set`, the installed plugins and their source, the engine's source, the environment variables of
`translate`, and the external files that stages looked at. Where anything differs, the pipeline is checked again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

from translate.pipeline.outline import Outline
from translate.pipeline.schema import Pipeline
from translate.plugins.discovery import GROUP, LIBRARIES
from translate.redact import masked
from translate.storage.atomic import digest, write_json
from translate.version import __version__

FORMAT = 3
_ENGINE = Path(__file__).resolve().parents[1]


class PlanCache:
    """The outlines of one pipeline, in a file below `root`. Reading and writing never fail: they only save time."""

    def __init__(self, root: Path, pipeline: Pipeline) -> None:
        self._path = root / ".cache" / f"plan-{pipeline.title}.json"
        self._key = digest(_circumstances(pipeline))

    def load(self) -> dict[str, Outline] | None:
        """The outlines of an equal planning, None where there is none."""
        try:
            content = json.loads(self._path.read_bytes())
            if content["key"] != self._key or content["stats"] != _stats(content["stats"]):
                return None
            return {name: _outline(name, stage) for name, stage in content["stages"].items()}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, outlines: Mapping[str, Outline], sources: Iterable[Path]) -> None:
        """Keeps outlines that were made from these source files of plugins; none where an option is a secret."""
        if any(masked(stage.options) != _listed(stage.options) for stage in outlines.values()):
            return
        stages = {}
        looked_at = list(sources)
        for name, stage in outlines.items():
            inputs = [Path(path) for path in stage.inputs()]
            stages[name] = _plain(stage, inputs)
            for path in inputs:
                # A new folder beside an input may be a split that was not there before: it changes its parent's time.
                looked_at += [path, *_parents(path)]
        stats = _stats(os.fspath(path) for path in looked_at)
        with suppress(OSError, TypeError, ValueError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._path, {"key": self._key, "stats": stats, "stages": stages})


def _circumstances(pipeline: Pipeline) -> dict[str, Any]:
    """Everything but files of plugins and data that decides how a pipeline is checked."""
    plugins = [(point.name, point.value, point.dist.version if point.dist else "") for point in _entries()]
    return {
        "format": FORMAT,
        "version": __version__,
        "pipeline": [pipeline.file, pipeline.profile, pipeline.root.plain(), pipeline.seed],
        "plugins": sorted(plugins),
        "libraries": [[name, version(name)] for name in LIBRARIES],
        "folder": os.getcwd(),  # noqa: PTH109 (as text)
        "environment": {key: value for key, value in os.environ.items() if key.startswith("TRANSLATE_")},
        "engine": _stats(os.fspath(path) for path in sorted(_ENGINE.rglob("*.py"))),
    }


def _entries() -> Iterable[Any]:
    return entry_points(group=GROUP)


def _stats(paths: Iterable[str]) -> dict[str, list[int] | None]:
    """(size, mtime, ctime) of files and folders; None where there is nothing."""
    stats: dict[str, list[int] | None] = {}
    for path in paths:
        try:
            stat = os.stat(path)  # noqa: PTH116 (hundreds of them)
        except OSError:
            stats[path] = None
        else:
            stats[path] = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
    return stats


def _listed(value: Any) -> Any:
    """Nested values as `masked` copies them, with nothing masked."""
    if isinstance(value, Mapping):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value


def _parents(path: Path) -> list[Path]:
    """The folders above a path, as far as a data set may reach; the working directory changes all the time."""
    return [parent for parent in list(path.parents)[:3] if parent != Path()]


def _plain(stage: Outline, inputs: Iterable[Path]) -> dict[str, Any]:
    return {
        "uses": stage.uses,
        "produces": stage.produces,
        "needs": dict(stage.needs),
        "options": stage.options,
        "notes": list(stage.notes),
        "recipe": stage.recipe,
        "inputs": [os.fspath(path) for path in inputs],
        "code": dict(stage.code),
        "continuable": dict(stage.continuable),
    }


def _outline(name: str, stage: Mapping[str, Any]) -> Outline:
    paths = [Path(path) for path in stage["inputs"]]
    return Outline(
        name=name,
        uses=stage["uses"],
        produces=stage["produces"],
        needs=stage["needs"],
        options=stage["options"],
        notes=tuple(stage["notes"]),
        recipe=stage["recipe"],
        inputs=partial(tuple, paths),
        code=stage["code"],
        continuable=stage["continuable"],
    )
