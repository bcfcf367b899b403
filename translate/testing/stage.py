"""The conformance of stages."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from translate.console import PlainConsole
from translate.contracts import Artifact, Components, Need, Problem, Stage, StageContext, Tracker
from translate.errors import ConfigError
from translate.plugins import Registry
from translate.storage.atomic import hash_tree
from translate.testing.component import ComponentChecks
from translate.testing.report import check

SEED = 7
_ABSENT = object()


def assert_stage_conforms(
    cls: type[Stage[Any]],
    *,
    options: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Artifact] | None = None,
    registry: Registry | None = None,
) -> None:
    """Checks, plans and runs the stage twice in folders of its own.

    `inputs` are finished artifacts for its needs; a stage that needs some does not run without them.
    Errors: AssertionError that names every failed check and what to change.
    """
    StageChecks(cls, options=options, inputs=inputs, registry=registry).demand()


class NullTracker:
    """A tracker that records nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


def quiet_context(
    folder: Path,
    *,
    inputs: Mapping[str, Artifact] | None = None,
    registry: Components | None = None,
    tracker: Tracker | None = None,
) -> StageContext:
    """A context for a stage outside of any pipeline: an empty `folder`, a silent console, no tracking."""
    return StageContext(
        "testing",
        "stage",
        folder,
        dict(inputs or {}),
        SEED,
        "cpu",
        tracker or NullTracker(),
        PlainConsole(io.StringIO(), io.StringIO()),
        registry or Registry(),
        lambda event, **facts: None,
    )


class StageChecks(ComponentChecks):
    """A stage says what it needs and leaves, keeps its promise, and does the same work again."""

    kind = "stages"

    def __init__(
        self,
        cls: type[Stage[Any]],
        *,
        inputs: Mapping[str, Artifact] | None = None,
        registry: Registry | None = None,
        **common: Any,
    ) -> None:
        super().__init__(cls, **common)
        self.inputs, self.registry = dict(inputs or {}), registry or Registry()

    def made(self) -> Stage[Any]:
        stage: Stage[Any] = self.cls(self.config(), self.registry, SEED)
        return stage

    def applies(self, name: str) -> bool:
        needed = {n for n, need in getattr(self.cls, "needs", {}).items() if not getattr(need, "optional", False)}
        return name not in ("promise", "run") or needed <= {*self.inputs}

    @property
    def parents(self) -> dict[str, Mapping[str, Any]]:
        return {name: artifact.facts for name, artifact in self.inputs.items()}

    @check("says what it needs", "options")
    def needs(self) -> Iterator[str]:
        for name, need in self.cls.needs.items():
            if not isinstance(need, Need):
                yield f"needs[{name!r}] is {need!r}; write translate.Need('dataset')"
        options = {field.alias or name for name, field in self.cls.Config.model_fields.items()}
        listed = ", ".join(sorted(options)) or "none"
        for name in sorted({*self.cls.neutral} - options):
            yield f"`neutral` names {name!r}, which is no option; there are {listed}"
        for path, effect in self.cls.continuable.items():
            if path.partition(".")[0] not in options:
                yield f"`continuable` names {path!r}, which is no option; there are {listed}"
            if effect not in ("free", "schedule"):
                yield f"continuable[{path!r}] is {effect!r}; write 'free' or 'schedule', or leave out what is neither"
        if unknown := sorted({*self.inputs} - {*self.cls.needs}):
            raise ConfigError(
                f"`inputs` names {unknown[0]!r}; the stage needs {', '.join(self.cls.needs) or 'nothing'}"
            )

    @check("promises what it can", "needs")
    def promise(self) -> Iterator[str]:
        stage = self.made()
        for problem in stage.check(self.parents):
            if not isinstance(problem, Problem):
                yield f"check() yields {type(problem).__name__}; yield translate.Problem(path, message)"
            else:
                yield f"check() finds {problem.message!r}; give `options` (and `inputs`) that it accepts"
        if not isinstance(stage.promise(self.parents), dict):
            yield f"promise() returns {type(stage.promise(self.parents)).__name__}; return a dict"
        for what, kind in (("inputs", Path), ("uses", tuple)):
            if wrong := [each for each in getattr(stage, what)() if not isinstance(each, kind)]:
                yield f"{what}() yields {type(wrong[0]).__name__}, not {kind.__name__}; see translate.Stage.{what}"
        if notes := [note for note in stage.notes(self.parents) if not isinstance(note, str)]:
            yield f"notes() yields {type(notes[0]).__name__}; yield sentences"

    @check("runs, keeps its promise, and does it again", "promise")
    def run(self) -> Iterator[str]:
        left = []
        with tempfile.TemporaryDirectory() as folder:
            before = {name: hash_tree(artifact.path) for name, artifact in self.inputs.items()}
            for number in range(2):
                at = Path(folder) / str(number)
                at.mkdir()
                stage = self.made()
                facts = stage.run(quiet_context(at, inputs=self.inputs, registry=self.registry))
                if not isinstance(facts, dict):
                    yield f"run() returns {type(facts).__name__}; return the facts as a dict"
                    return
                try:
                    json.dumps(facts)
                except TypeError as error:
                    yield f"run() returns facts that are no JSON ({error}); the manifest records them"
                for name, promised in stage.promise(self.parents).items():
                    if facts.get(name, _ABSENT) != promised:
                        yield f"run() returns {name!r} as {facts.get(name)!r}, but promise() said {promised!r}"
                left.append(hash_tree(at))
            strays = {path.name for path in Path(folder).iterdir()} - {"0", "1"}
            changed = [name for name, artifact in self.inputs.items() if hash_tree(artifact.path) != before[name]]
        if strays:
            yield f"run() writes {sorted(strays)[0]!r} beside its folder; write below context.folder alone"
        if changed:
            yield f"run() changes its input {changed[0]!r}; write below context.folder alone"
        if differ := sorted(name for name in {**left[0], **left[1]} if left[0].get(name) != left[1].get(name)):
            yield f"run() writes another {differ[0]!r} the second time; draw from context.seed, not the clock"
