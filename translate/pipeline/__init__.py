"""Pipelines from Python: `translate.run("pipelines/maps_cyclegan.yaml", profile="quick")`."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from translate.contracts import Console
    from translate.pipeline.planner import Planned, Planner
    from translate.pipeline.runner import Result
    from translate.plugins import Registry

__all__ = ["check", "plan", "run"]

File = str | PathLike[str]


def check(
    file: File, profile: str | None = None, set: Sequence[str] = (), registry: Registry | None = None
) -> list[str]:
    """Validates a pipeline file; without `profile`, also the file with each of its profiles. Returns notes.

    Errors: PipelineError (a ConfigError) that lists every mistake as `file:line:column: path: message`.
    """
    from translate.pipeline import schema
    from translate.pipeline.location import Issue, PipelineError

    first = schema.load(Path(file), profile, set)
    profiles = (profile,) if profile else (None, *first.profiles)
    issues: list[Issue] = []
    notes: dict[str, None] = {}
    for each in profiles:
        try:
            planner = _planner(file, each, set, registry)
        except PipelineError as error:
            issues += error.issues
        else:
            notes |= {f"{name}: {note}": None for name, stage in planner.checked.items() for note in stage.notes}
    if issues:
        raise PipelineError(issues)
    return list(notes)


def plan(
    file: File,
    profile: str | None = None,
    set: Sequence[str] = (),
    until: str | None = None,
    registry: Registry | None = None,
) -> list[Planned]:
    """Every stage with its state (done, stale, partial, absent, waits) and the reason. Errors: ConfigError."""
    planner = _planner(file, profile, set, registry)
    return planner.plan(planner.select(until))


def run(
    file: File,
    profile: str | None = None,
    set: Sequence[str] = (),
    force: Iterable[str] = (),
    until: str | None = None,
    continue_: str | None = None,
    device: str = "auto",
    debug: bool = False,
    console: Console | None = None,
    registry: Registry | None = None,
) -> Result:
    """Runs the stages of a pipeline that are not current; outputs lie in `runs/<pipeline>[@<profile>]/<stage>`.

    `set` holds texts such as `stages.train.with.epochs=5`; `force` names stages that run again; `until` the last one;
    `continue_` one that goes on from its previous result although its options changed. `device` is auto, cpu, cuda or
    cuda:N. Errors: ConfigError before anything ran; StageError naming stage and cause; SystemExit(75) on SIGTERM.
    """
    from translate.console import console as make_console
    from translate.pipeline.runner import Runner
    from translate.storage.lock import Lock

    planner = _planner(file, profile, set, registry)
    names = planner.select(until)
    for name, option in [*((name, "--force") for name in force), *([(continue_, "--continue")] if continue_ else [])]:
        planner.known(name, option, names)
    with Lock(planner.folder / ".lock"):
        runner = Runner(planner, console or make_console(), frozenset(force), continue_, device, debug)
        return runner.run(names)


def _planner(file: File, profile: str | None, set: Sequence[str], registry: Registry | None) -> Planner:
    from translate.pipeline import schema
    from translate.pipeline.checker import check as check_stages
    from translate.pipeline.planner import Planner
    from translate.plugins import Registry

    registry = registry or Registry()
    pipeline = schema.load(Path(file), profile, set)
    with _without_collecting():
        return Planner(pipeline, check_stages(pipeline, registry), registry)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """A plugin imports torch, which makes a million objects that stay: to look for garbage among them, now or later,
    takes longer than all the rest of planning."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.freeze()
            gc.enable()
