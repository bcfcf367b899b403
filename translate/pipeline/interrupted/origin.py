"""`run --continue STAGE`: which earlier work a stage goes on from although its options changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from translate.contracts import Artifact, Stage
from translate.errors import ConfigError, TranslateError
from translate.pipeline.fingerprint import Change
from translate.pipeline.interrupted.starts import effect, partial_of
from translate.pipeline.planner import Planned


@dataclass(frozen=True)
class Origin:
    """Earlier work to go on from: the `folder` of a result, or of a start that was `interrupted`, and in `words`."""

    folder: Path
    interrupted: bool
    words: str
    changed: tuple[Change, ...]
    active: float
    newer: tuple[str, ...] = ()
    """Why newer work was passed over."""


def origin_of(planned: Planned, stage: Stage[Any], inputs: Mapping[str, Artifact], folder: Path) -> Origin | None:
    """The newest work from which a stage can go on, once every changed option allows it.

    `inputs` are the artifacts of its needs, `folder` is the pipeline's. None where the stage's own interrupted start is
    resumed. Errors: ConfigError with what is in the way of the newest.
    """
    option = f"--continue {planned.name}"
    if planned.state == "waits":
        raise ConfigError(f"{option}: {planned.reason}; run what it waits for first, with --until")
    if planned.state == "partial" and _can_go_on(stage, partial_of(folder / planned.folder), inputs):
        return None
    refusals: list[str] = []
    advice = ""  # the other way to build on the newest work
    for origin in sorted(_origins(planned), key=lambda origin: origin.active, reverse=True):
        fixed = [change.text for change in origin.changed if effect(stage.continuable, change) == "structural"]
        if fixed:
            since = f" (since {origin.words})" if origin.interrupted else ""
            advice = advice if refusals else _weights_of(origin, stage)
            refusals.append(f"structural changes need a fresh start: {'; '.join(fixed)}{since}")
            continue
        try:
            if origin.interrupted:
                stage.check_takeover(origin.folder, inputs)
            return replace(origin, newer=tuple(refusals))
        except TranslateError as error:
            refusals.append(str(error))
    reason = f"{refusals[0]}{advice}" if refusals else "there is no earlier result; run without --continue"
    raise ConfigError(f"{option}: {reason}")


def _weights_of(origin: Origin, stage: Stage[Any]) -> str:
    """The other way to build on earlier work, where a stage has it."""
    whose = "the weights of its last checkpoint" if origin.interrupted else "its weights"
    return f"; `init: {origin.folder.as_posix()}` starts from {whose}" if "init" in stage.needs else ""


def told(origin: Origin, stage: Stage[Any]) -> list[str]:
    """The lines that say where a stage goes on, what each change means there, and why not from newer work."""
    changed = "; ".join(f"{change.text} ({effect(stage.continuable, change)})" for change in origin.changed)
    passed_over = [f"passes over what is newer: {reason}" for reason in origin.newer]
    return [*passed_over, f"continues from {origin.words}: {changed}"]


def _origins(planned: Planned) -> Iterator[Origin]:
    if planned.previous is not None:
        finished = datetime.fromisoformat(planned.finished).timestamp()
        yield Origin(planned.previous, False, planned.previous.name, planned.changed, finished)
    for start in planned.interrupted:
        yield Origin(start.folder, True, str(start), start.changed, start.active)


def _can_go_on(stage: Stage[Any], own: Path, inputs: Mapping[str, Artifact]) -> bool:
    """Tells whether a start with the same options left something; one that was killed at its beginning did not."""
    try:
        stage.check_takeover(own, inputs)
    except TranslateError:
        return False
    return True
