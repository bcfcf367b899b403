"""Runs the stages that have to run, each into a folder that is either whole or still called `.partial`."""

from __future__ import annotations

import json
import platform
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from translate.contracts import Artifact, Console, StageContext
from translate.distributed.place import place
from translate.errors import ContractError, PluginError, StageError, Stopped, TranslateError, in_words
from translate.pipeline.checking.facts import Checked, RunFacts
from translate.pipeline.devices import together
from translate.pipeline.fingerprint import output
from translate.pipeline.interrupted import starts
from translate.pipeline.interrupted.origin import Origin, origin_of, told
from translate.pipeline.planner import Planned, Planner
from translate.pipeline.safe_tracker import SafeTracking
from translate.plugins import ENGINE, Registry
from translate.redact import redacted
from translate.signals import stopping
from translate.storage import litter, manifest
from translate.storage.atomic import replace_dir
from translate.storage.filesystem import shortcomings
from translate.storage.pointer import follow, point

if TYPE_CHECKING:
    from translate.distributed.world import World
    from translate.tracking.sweep import Member

_SHOWN = {"images": "images", "scores": "scores.md"}
"""The file that is worth opening first in the folder of a stage, by the kind of its artifact."""

_AFTER = frozenset({"checkpoint_saved", "stage_finished", "run_finished"})
"""Events of which the result lies complete on disk when they are told."""

Status = Literal["done", "failed", "stopped"]


@dataclass(frozen=True)
class Result:
    """The results of a run: the pipeline's folder, the folder of every stage, and the names of those that ran."""

    folder: Path
    stages: Mapping[str, Path]
    ran: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict, the scores, and the first picture of the report."""
        from translate.tracking.reports.notebook import overview  # it reads pictures, which a run need not

        return overview(self.folder, self.stages)


@dataclass
class Runner:
    """One run of a pipeline. The caller holds the lock of the pipeline's folder."""

    planner: Planner
    checked: Mapping[str, Checked]
    registry: Registry
    console: Console
    force: frozenset[str] = frozenset()
    continued: str | None = None
    """The stage that continues from earlier work although its options changed (`--continue`)."""
    device: str = "auto"
    debug: bool = False
    member: Member | None = None
    """Its place in the sweep of which it is a run."""
    world: World | None = None
    """The processes of a run on several devices, of which this one leads."""
    ran: list[str] = field(default_factory=list)
    unsent: int = 0
    """Records that did not reach the tracking store."""
    page: str | None = None
    """Says where the run's page in MLflow is."""

    def run(self, names: Sequence[str]) -> Result:
        """Runs what has to run of `names`. Errors: StageError, PluginError, ConfigError; SystemExit(75) on SIGTERM."""
        starts.clear(self.planner.folder)
        planned = self.planner.plan(names, self.force)
        pending = [p.name for p in planned if p.state != "done" or p.name in self.force]
        origin = self._origin(planned)
        if pending:
            self._run(names, pending, origin)
        else:
            for p in planned:
                self._current(p)
            self.console.say("nothing to do")
            self._end_killed()
        self._tell_results(planned)
        return Result(self.planner.folder, {name: self.planner.folder / name for name in names}, tuple(self.ran))

    def _run(self, names: Sequence[str], pending: list[str], origin: Origin | None) -> None:
        from translate.device import resolve

        self.device = resolve(self.device, place())
        for name in pending:
            self.checked[name].stage.check_device(self.device)
        folder, title = self.planner.folder, self.planner.pipeline.title
        emit = self._emit
        status: Status = "failed"
        tracking = SafeTracking(self.planner, self.registry, pending, self.console, self.member)
        try:
            with stopping():
                for note in shortcomings(folder):
                    self.console.say(f"note: {note}")
                emit("run_started", pipeline=title, folder=folder, stages=pending)
                self._stages(names, origin, tracking)
            status = "done"
        except (KeyboardInterrupt, SystemExit):
            status = "stopped"
            raise
        finally:
            tracking.close(status)
            self.unsent, self.page = tracking.unsent, tracking.page
            emit("run_finished", pipeline=title, folder=folder, status=status)

    def _end_killed(self) -> None:
        """Where a run was killed behind its last stage: there is nothing to do but to say so in its record."""
        from translate.tracking.delivery.killed import has_killed

        with suppress(TranslateError, OSError):  # what cannot be read is told when something is tracked
            if has_killed(self.planner.folder):
                SafeTracking(self.planner, self.registry, [], self.console, self.member).settle()

    def _stages(self, names: Sequence[str], origin: Origin | None, tracking: SafeTracking) -> None:
        done: dict[str, Planned] = {}
        facts = RunFacts(self.checked, self.registry)
        for position, name in enumerate(names):
            planned = self.planner.stage(name, done)
            if planned.state == "done" and name not in self.force:
                self._current(planned)
            else:
                why = "--force" if planned.state == "done" else planned.reason
                self.console.say(f"{name}: runs, since {'it ' if planned.state in ('absent', 'partial') else ''}{why}")
                for note in planned.notes:
                    self.console.say(f"{name}: note: {note}")
                self._stage(planned, done, why, origin if name == self.continued else None, tracking)
                planned = self.planner.stage(name, done)
                if planned.state != "done":
                    raise StageError(f"stage {name} failed: its inputs changed while it ran: {planned.reason}")
            done[name] = planned
            assert planned.manifest is not None
            facts.finished(name, planned.manifest["facts"], names[position + 1 :])

    def _stage(
        self, planned: Planned, done: Mapping[str, Planned], why: str, origin: Origin | None, tracking: SafeTracking
    ) -> None:
        """Runs one stage in its `.partial` folder, writes the manifest last, and only then gives it its name."""
        folder = self.planner.folder
        final = folder / planned.folder
        working = starts.partial_of(final)
        if planned.name in self.force and working.exists():
            shutil.rmtree(working)
        asked = starts.Asked(planned.name, planned.fingerprint, planned.recipe, planned.listings)
        continued_from = starts.begin(working, asked, origin.folder.name if origin else None)
        if origin is not None and origin.interrupted:
            starts.take_over(origin.folder, working)
        previous = _result(folder, continued_from)
        working.mkdir(parents=True, exist_ok=True)
        started, clock = _now(), time.monotonic()
        context = self._context(planned, done, working, previous, tracking)
        context.emit("stage_started", folder=working)
        facts = self._work(planned, context)
        seconds = round(time.monotonic() - clock, 1)
        content = {
            "pipeline": context.pipeline,
            "stage": planned.name,
            "uses": planned.outline.uses,
            "kind": planned.outline.produces,
            "fingerprint": planned.fingerprint,
            "why": why,
            "continued_from": continued_from,
            "started": started,
            "finished": _now(),
            "seconds": seconds,
            "versions": self._versions(),
            "facts": facts,
            "recipe": planned.recipe,
            "inputs": planned.listings,
            "code": planned.outline.code,
            "parents": {need: done[parent].folder for need, parent in planned.outline.needs.items()},
        }
        litter.clear(working, below=True)  # what is no part of the result is not to be in its hash
        manifest.write(working, content)
        replace_dir(working, final)
        starts.finish(working)
        point(folder / planned.name, planned.folder)
        self.ran.append(planned.name)
        context.emit("stage_finished", folder=final, facts=facts)
        self.console.say(f"{planned.name}: done in {seconds:g} s")

    def _context(
        self,
        planned: Planned,
        done: Mapping[str, Planned],
        working: Path,
        previous: Path | None,
        tracking: SafeTracking,
    ) -> StageContext:
        title, registry = self.planner.pipeline.title, self.registry

        def emit(event: str, **facts: Any) -> None:
            self._emit(event, **{"pipeline": title, "stage": planned.name, **facts})

        return StageContext(
            pipeline=title,
            stage=planned.name,
            folder=working,
            inputs={need: self._artifact(done[parent]) for need, parent in planned.outline.needs.items()},
            seed=self.checked[planned.name].stage.seed,
            device=self.device,
            tracker=tracking.stage(planned.name),
            console=self.console,
            registry=registry,
            emit=emit,
            fingerprint=planned.fingerprint,
            previous=previous,
            debug=self.debug,
        )

    def _work(self, planned: Planned, context: StageContext) -> dict[str, Any]:
        """The stage's own work. Errors: StageError with the stage and the cause, whatever it raised."""
        try:
            checked = self.checked[planned.name]
            if self.world is not None and checked.stage.distributed:
                together.tell(self.world, context)
            facts: dict[str, Any] = redacted({**(checked.promise or {}), **checked.stage.run(context)})
            json.dumps(facts, allow_nan=False)
        except Stopped:
            raise
        except (Exception, SystemExit) as error:
            user = isinstance(error, TranslateError)
            blamed = isinstance(error, PluginError) or (user and not isinstance(error, ContractError))
            whose = "" if blamed else self.registry.blame(error) or self._provider(planned)
            raise StageError(f"stage {planned.name} failed: {in_words(error)}{whose}") from error
        return facts

    def _provider(self, planned: Planned) -> str:
        """Who provides the method of a stage: an error that a method causes may show in the engine's code."""
        for kind, name in self.checked[planned.name].stage.uses():
            who = self.registry.provider(kind, name)
            if kind == "methods" and who["distribution"] != ENGINE:
                return f" (plugin {who['plugin']!r} of {who['distribution']} {who['version']})"
        return ""

    def _artifact(self, planned: Planned) -> Artifact:
        assert planned.manifest is not None
        path = self.planner.folder / planned.folder
        return Artifact(planned.outline.produces, path, planned.manifest["facts"], output(planned.manifest))

    def _origin(self, planned: Sequence[Planned]) -> Origin | None:
        """The earlier work that `--continue` starts from, once every changed option allows it. Errors: ConfigError."""
        by_name = {p.name: p for p in planned}
        stage = by_name.get(self.continued or "")
        if stage is None or stage.state == "done":
            return None
        inputs = {}
        if stage.state != "waits":
            inputs = {need: self._artifact(by_name[parent]) for need, parent in stage.outline.needs.items()}
        instance = self.checked[stage.name].stage
        origin = origin_of(stage, instance, inputs, self.planner.folder)
        for line in told(origin, instance) if origin is not None else ():
            self.console.say(f"{stage.name}: {line}")
        return origin

    def _current(self, planned: Planned) -> None:
        link = self.planner.folder / planned.name
        target = follow(link)
        if target is None or target.name != planned.folder:
            point(link, planned.folder)
        self.console.say(f"{planned.name}: current, {planned.reason}")
        for warning in planned.warnings:
            self.console.warn(f"{planned.name}: {warning}")
        for note in planned.notes:
            self.console.say(f"{planned.name}: note: {note}")

    def _tell_results(self, planned: Sequence[Planned]) -> None:
        """Where the results lie, relative to the working directory."""
        folder = self.planner.folder
        places = {p.name: folder / p.name / _SHOWN.get(p.outline.produces, "") for p in planned}
        if (folder / "report.html").is_file():
            places["report"] = folder / "report.html"
        width = max(map(len, places))
        self.console.say("\n".join(f"  {name.ljust(width)}  {path.as_posix()}" for name, path in places.items()))
        if self.ran and self.planner.pipeline.tracking == "mlflow" and not self.unsent:
            self.console.say(f"curves and pictures: {self.page or '`translate ui` shows them'}")

    def _versions(self) -> dict[str, str]:
        libraries = [name for name in ("torch", "numpy", "kornia", "albumentations") if name in sys.modules]
        plugins = {p.distribution: p.version for p in self.registry.loaded().values()}
        return {"python": platform.python_version(), **{name: version(name) for name in libraries}, **plugins}

    def _emit(self, event: str, **facts: Any) -> None:
        """Tells plugins of an event. Errors: PluginError, but for events after the work: then the result is safe, and
        what a listener raises is a warning."""
        try:
            self.registry.emit(event, **facts)
        except PluginError as error:
            if event not in _AFTER:
                raise
            self.console.warn(str(error))


def _result(folder: Path, name: str | None) -> Path | None:
    """The result of that name from which a stage goes on; None for a start that was taken over, or is gone."""
    if name is None or name.endswith(starts.PARTIAL):
        return None
    return folder / name if (folder / name).is_dir() else None


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
