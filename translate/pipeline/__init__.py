"""Pipelines from Python: `translate.run("pipelines/maps_cyclegan.yaml", profile="quick")`, or of a mapping."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from translate.console import console as make_console
from translate.contracts import Console
from translate.distributed.place import place
from translate.errors import ConfigError
from translate.pipeline import schema
from translate.pipeline.checking.checker import check as check_stages
from translate.pipeline.checking.facts import Checked
from translate.pipeline.checking.notes import all_notes
from translate.pipeline.devices import together
from translate.pipeline.document import read
from translate.pipeline.fingerprint import plugin_sources
from translate.pipeline.location import Issue, PipelineError
from translate.pipeline.outline import outline
from translate.pipeline.plan_cache import PlanCache
from translate.pipeline.planner import Planned, Planner
from translate.pipeline.runner import Result, Runner
from translate.pipeline.schema import Pipeline
from translate.pipeline.sweeping.axes import Child, axes_of, children
from translate.plugins import Registry, switches
from translate.storage.lock import Lock

if TYPE_CHECKING:
    from translate.distributed.world import World
    from translate.pipeline.sweeping.sweep import SweepResult
    from translate.tracking.sweep import Member

__all__ = ["check", "plan", "run", "sweep"]

File = str | PathLike[str] | Mapping[str, Any]
"""A pipeline: the path of a file, or a mapping that holds the same, `{"version": 1, "name": ..., "stages": ...}`."""

RUNS = Path("runs")
"""The folder of all outputs, below the working directory."""


def check(
    file: File, profile: str | None = None, set: Sequence[str] = (), registry: Registry | None = None
) -> list[str]:
    """Validates a pipeline file, or a mapping; without `profile`, also with each of its profiles. Returns notes.

    Errors: PipelineError (a ConfigError) that lists every mistake as `file:line:column: path: message`, of a mapping as
    `mapping path: message`.
    """
    document = read(_source(file))
    first = schema.load(document, profile, set)
    profiles = (profile,) if profile else (None, *first.profiles)
    issues: list[Issue] = []
    notes: dict[str, None] = {}
    for each in profiles:
        try:
            planner, checked = _planner(schema.load(document, each, set), registry or Registry())
        except PipelineError as error:
            issues += error.issues
        else:
            notes |= {f"{name}: {note}": None for name, note in all_notes(planner, checked)}
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
    """Every stage with its state (done, stale, partial, absent, waits) and the reason. Errors: ConfigError.

    Where nothing changed since the last call, this imports no plugin.
    """
    pipeline = schema.load(_source(file), profile, set)
    cache = PlanCache(RUNS, pipeline) if registry is None and not switches() and not pipeline.issues else None
    outlines = cache.load() if cache else None
    if outlines is None:
        registry = registry or Registry()
        planner, _ = _planner(pipeline, registry)
        if cache:
            cache.save(planner.outlines, plugin_sources(registry))
    else:
        planner = Planner(pipeline, outlines, RUNS)
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

    `file` is the path of a pipeline file, or a mapping that holds the same: then errors name the dotted path in place
    of a line. Numbers of numpy, tuples and `pathlib` paths count as what a file would have.
    `set` holds texts such as `stages.train.with.epochs=5`; `force` names stages that run again; `until` the last one;
    the name of a stage with a matrix stands for all that it became. `continue_` is one that goes on from its previous
    result although its options changed. `device` is auto, cpu,
    cuda, cuda:N or mps. Errors: ConfigError before anything ran; StageError naming stage and cause; SystemExit(75) on
    SIGTERM.
    """
    others = _others()
    with together.one_voice(others):
        pipeline = schema.load(_source(file), profile, set)
        options = _Options(frozenset(force), until, continue_, device, debug)
        result = _run(pipeline, options, console or make_console(), registry or Registry(), others=others)
        if others is not None:
            others.part()
    return result


def sweep(
    file: File,
    sweep: Sequence[str],
    profile: str | None = None,
    set: Sequence[str] = (),
    force: Iterable[str] = (),
    until: str | None = None,
    device: str = "auto",
    debug: bool = False,
    console: Console | None = None,
    registry: Registry | None = None,
) -> SweepResult:
    """Runs a pipeline once for each combination of values, and compares the scores in `runs/<pipeline>/sweep.md`.

    `sweep` holds texts such as `train.with.optimizer.lr=1e-4,2e-4` and `seed=1,2,3`: a path as for `set`, or one that
    begins with the name of a stage. Everything else is as in `run`. All runs are checked before the first one starts;
    an error in one of them is told, and does not stop the others (`SweepResult.failed`). Errors: ConfigError before
    anything ran; SystemExit(75) on SIGTERM.
    """
    # late: records need numpy, and `plan` does not
    from translate.pipeline.sweeping.sweep import Sweep
    from translate.tracking.sweep import SweepRecord

    if place().shared:
        raise ConfigError("a sweep makes its runs one after another, in one process: run it without torchrun")
    registry, out, document = registry or Registry(), console or make_console(), read(_source(file))
    base = schema.load(document, profile, set)
    axes = axes_of(sweep, [*base.unfolded, *(name for name, _ in base.stages())])
    runs = children(axes)
    issues: dict[str, Issue] = {}
    for child in runs:
        try:
            planner, _ = _planner(schema.load(document, profile, [*set, *child.sets]), registry)
            planner.select(until)
        except PipelineError as error:
            issues |= {str(issue): issue for issue in error.issues}
    if issues:
        raise PipelineError(list(issues.values()))
    options = _Options(frozenset(force), until, None, device, debug)

    def run_one(child: Child, member: Member) -> Result:
        pipeline = schema.load(document, profile, [*set, *child.sets])
        return _run(pipeline, options, out, registry, member)

    folder = RUNS / base.title
    shared = bool(registry.hook.translate_tracker.get_hookimpls())
    record = SweepRecord(base.tracking, base.title, folder, [child.name for child in runs], out, shared=shared)
    return Sweep(folder, axes, runs, record, out).run(run_one)


@dataclass(frozen=True)
class _Options:
    """How a pipeline is run; see `run`."""

    force: frozenset[str]
    until: str | None
    continue_: str | None
    device: str
    debug: bool


def _run(
    pipeline: Pipeline,
    options: _Options,
    console: Console,
    registry: Registry,
    member: Member | None = None,
    others: World | None = None,
) -> Result:
    """Runs a pipeline, by itself, as a `member` of a sweep, or with `others`. Errors: as `run`."""
    planner, checked = _planner(pipeline, registry)
    names = planner.select(options.until)
    if others is not None and not others.leads:
        return _follow(others, planner, names, checked, options, registry)
    forced = frozenset(each for name in options.force for each in planner.members(name, "--force", names))
    continued = options.continue_
    if continued:
        continued = planner.member(continued, "--continue", names)
    with Lock(planner.folder / ".lock"):
        runner = Runner(planner, checked, registry, console, forced, continued, options.device, options.debug, member)
        runner.world = others
        try:
            return runner.run(names)
        finally:
            if others is not None:
                others.tell(None)


def _others() -> World | None:
    """All processes of a run on several devices, met; None where this one is alone."""
    if not place().shared:
        return None
    from translate.distributed.world import join  # late: torch

    return join()


def _follow(
    others: World,
    planner: Planner,
    names: Sequence[str],
    checked: Mapping[str, Checked],
    options: _Options,
    registry: Registry,
) -> Result:
    """The run in a process that does not lead. Errors: as `run`."""
    from translate.device import resolve

    ran = together.follow(others, checked, resolve(options.device, place()), registry)
    return Result(planner.folder, {name: planner.folder / name for name in names}, tuple(ran))


def _source(file: File) -> Path | Mapping[str, Any]:
    return file if isinstance(file, Mapping) else Path(file)


def _planner(pipeline: Pipeline, registry: Registry) -> tuple[Planner, dict[str, Checked]]:
    """The planner of a pipeline whose stages were all checked, and these stages. Errors: PipelineError."""
    with _without_collecting():
        checked = check_stages(pipeline, registry)
        outlines = {name: outline(stage, registry) for name, stage in checked.items()}
    return Planner(pipeline, outlines, RUNS), checked


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
