"""Notes on a pipeline: what is odd, but not wrong, also by what finished stages know and by what is probable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from translate.errors import TranslateError
from translate.pipeline.checking.facts import Checked
from translate.pipeline.planner import Planner
from translate.storage import manifest
from translate.storage.pointer import follow


def all_notes(planner: Planner, checked: Mapping[str, Checked]) -> Iterator[tuple[str, str]]:
    """The notes of all stages, each with the name of its stage."""
    known: dict[str, Mapping[str, Any]] = {}
    for name, stage in checked.items():
        parents = {need: known[parent] for need, parent in stage.needs.items()}
        known[name] = _finished(planner, name) or _probable(stage, parents)
        for note in dict.fromkeys([*stage.notes, *stage.stage.notes(parents)]):
            yield name, note


def _finished(planner: Planner, name: str) -> Mapping[str, Any] | None:
    """The facts of a stage's last result, where that had the same recipe."""
    folder = follow(planner.folder / name)
    content = manifest.read(folder) if folder else None
    if content is None:
        return None
    recipe = planner.outlines[name].recipe
    same = all(content.get("recipe", {}).get(key) == value for key, value in recipe.items())
    return dict(content["facts"]) if same else None


def _probable(stage: Checked, parents: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    outlook: Mapping[str, Any] = {}
    with suppress(TranslateError):  # that something cannot be listed is told when the stage runs
        outlook = stage.stage.outlook(parents)
    return {**(stage.promise or {}), **outlook}
