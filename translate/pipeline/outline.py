"""Outlines of stages: all that planning needs to know of a stage that was checked, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from translate.pipeline.checking.facts import Checked
from translate.pipeline.fingerprint import code, recipe
from translate.plugins import Registry


@dataclass(frozen=True)
class Outline:
    """A stage as planning sees it."""

    name: str
    uses: str
    produces: str
    """The kind of its artifact."""
    needs: Mapping[str, str]
    options: Mapping[str, Any]
    """All options, defaults included."""
    notes: tuple[str, ...]
    recipe: Mapping[str, Any]
    """The part of its fingerprint that is known before anything ran; see `fingerprint.recipe`."""
    inputs: Callable[[], Iterable[Path]]
    """External files and folders, asked anew each time, since an earlier stage may have made them."""
    code: Mapping[str, str]
    """The hash of each plugin package behind it."""
    continuable: Mapping[str, Literal["free", "schedule"]]
    """`Stage.continuable`."""


def outline(checked: Checked, registry: Registry) -> Outline:
    """The outline of a checked stage."""
    static = recipe(checked, registry)
    return Outline(
        name=checked.name,
        uses=checked.uses,
        produces=checked.kind.produces,
        needs=checked.needs,
        options=checked.options,
        notes=checked.notes,
        recipe=static,
        inputs=checked.stage.inputs,
        code=code(static, registry),
        continuable=checked.kind.continuable,
    )
