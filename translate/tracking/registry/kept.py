"""The models that a training leaves: its bundle and the checkpoints beside it, each with its scores."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from translate.errors import StageError
from translate.storage import checkpoint

BUNDLE = "translator"
"""The bundle's folder in that of a train stage, and its name in the store."""
FACTS = "translator.json"
_STEP = re.compile(rb'"s":(\d+)[,}]')


@dataclass(frozen=True)
class Kept:
    """A model at a `step` (None: of nobody's training). `folder` is that of its bundle, or with `is_checkpoint` that of
    its checkpoint.

    `scores` are [value, milliseconds since 1970] by the names that the run's curves have.
    """

    folder: Path
    step: int | None
    is_checkpoint: bool = False
    scores: Mapping[str, tuple[float, int]] = field(default_factory=dict)


def kept_models(bundle: Path, stage: str, journal: Path) -> Iterator[Kept]:
    """The model in a bundle's folder, and those of the other checkpoints that its training has kept, the newest first.

    `journal` says when each score was recorded, so that it is the same point in the store. A bundle without a training
    beside it is alone.
    """
    facts = read_facts(bundle)
    step = facts.get("step")
    history = {int(entry["step"]): entry for entry in _validations(bundle.parent)}
    own = {} if step is None else {step: facts.get("metrics") or {}}
    steps = [each for each in checkpoint.steps(bundle.parent / checkpoint.FOLDER) if each != step]
    scored = {each: _curves(history.get(each, {}), stage) for each in steps}
    scored |= {each: _curves(metrics, stage) for each, metrics in own.items()}
    times = _times(journal, scored)
    for each, values in scored.items():
        for name in values:
            values[name] = (values[name][0], times.get((each, name), 0))
    yield Kept(bundle, step, scores=scored.get(step, {}) if step is not None else {})
    for each in reversed(steps):
        folder = bundle.parent / checkpoint.FOLDER / checkpoint.name_of(each)
        yield Kept(folder, each, is_checkpoint=True, scores=scored[each])


def read_facts(bundle: Path) -> dict[str, Any]:
    """The content of a bundle's `translator.json`; empty where it cannot be read."""
    try:
        facts = json.loads((bundle / FACTS).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def require(bundle: Path) -> None:
    """Makes sure that a bundle's folder is still there. Errors: FileNotFoundError, as when its stage was renamed."""
    if not bundle.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the folder of a model was renamed", str(bundle))


def _validations(stage: Path) -> list[Mapping[str, Any]]:
    """The validations of a training as its newest checkpoint remembers them."""
    try:
        newest = checkpoint.newest(stage / checkpoint.FOLDER, quick=True).folder
        progress = checkpoint.read_state(newest)["progress"] if newest else {}
    except (StageError, OSError, ValueError, KeyError):  # the scores are missing then, and the model is there
        return []
    return list(progress.get("validations", ()))


def _curves(scores: Mapping[str, Any], stage: str) -> dict[str, tuple[float, int]]:
    """Scores by curve under the names that the run has them, with no time yet. Infinities are text."""
    return {f"{stage}/{curve}": (float(value), 0) for curve, value in scores.items() if curve != "step"}


def _times(journal: Path, scored: Mapping[int, Mapping[str, Any]]) -> dict[tuple[int, str], int]:
    """When each score was recorded, in milliseconds, by step and name; what is not there was recorded elsewhere."""
    times: dict[tuple[int, str], int] = {}
    if not journal.is_file():
        return times
    with journal.open("rb") as file:
        for line in file:
            found = _STEP.search(line)
            wanted = scored.get(int(found[1])) if found and b'"e":"metrics"' in line else None
            if not found or not wanted:
                continue
            try:
                event = json.loads(line)
                times |= {(int(event["s"]), name): int(event["t"]) for name in event["v"] if name in wanted}
            except (ValueError, KeyError, TypeError):  # a line that was cut off
                continue
    return times
