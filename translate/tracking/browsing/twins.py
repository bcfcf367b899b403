"""Stages that do once more what another one does, in more bits: their pictures look the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

DEPTH = "bits"
"""The option of `infer` that changes no picture for the eye."""


def twins(stages: Mapping[str, Any]) -> dict[str, str]:
    """The stages that convert the same images in the same way as an earlier one but for the number of bits, with the
    stage that each repeats.

    `stages` are those of a resolved pipeline, in their order. What is made of their images is no twin: a network may
    hide in the deeper ones what is lost in the others.
    """
    repeated: dict[str, str] = {}
    first: dict[str, str] = {}
    for name, stage in stages.items():
        if not isinstance(stage, Mapping) or stage.get("uses") != "infer":
            continue
        options = {key: value for key, value in dict(stage.get("with") or {}).items() if key != DEPTH}
        what = json.dumps([stage.get("needs"), options], sort_keys=True, default=str)
        if what in first:
            repeated[name] = first[what]
        else:
            first[what] = name
    return repeated
