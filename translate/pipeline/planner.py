"""Which stages have to run, and why: `translate plan`, and the first thing that `translate run` does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from translate.errors import ConfigError
from translate.pipeline.fingerprint import Change, StatCache, changes, complete, output
from translate.pipeline.interrupted import starts
from translate.pipeline.interrupted.starts import Interrupted
from translate.pipeline.outline import Outline
from translate.pipeline.schema import Pipeline
from translate.storage import manifest
from translate.storage.atomic import digest
from translate.storage.pointer import follow
from translate.text import suggest

State = Literal["done", "stale", "partial", "absent", "waits"]


@dataclass(frozen=True)
class Planned:
    """A stage as it stands: its state, why, and what its fingerprint covers (empty while it waits)."""

    outline: Outline
    state: State
    reason: str
    notes: tuple[str, ...] = ()
    fingerprint: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    listings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    changed: tuple[Change, ...] = ()
    previous: Path | None = None
    """The result of this stage that was made last, with another fingerprint."""
    finished: str = ""
    """The time at which that one was finished, in ISO 8601."""
    interrupted: tuple[Interrupted, ...] = ()
    """Its starts with other fingerprints that did not finish, the newest first."""
    manifest: Mapping[str, Any] | None = None
    """The manifest of the result, where the state is done."""
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.outline.name

    @property
    def folder(self) -> str:
        """The name of the folder of its result, below the pipeline's."""
        return f"{self.name}-{self.fingerprint[:8]}"

    def to_json(self) -> dict[str, Any]:
        return {
            "stage": self.name,
            "uses": self.outline.uses,
            "needs": dict(self.outline.needs),
            "state": self.state,
            "reason": self.reason,
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "fingerprint": self.fingerprint or None,
            "interrupted": [start.to_json() for start in self.interrupted],
        }


class Planner:
    """Compares what a pipeline asks for with what lies in its folder."""

    def __init__(self, pipeline: Pipeline, outlines: Mapping[str, Outline], root: Path = Path("runs")) -> None:
        self.pipeline, self.outlines = pipeline, outlines
        self.folder = root / pipeline.title
        self._cache = StatCache(root / ".cache" / "files.json")

    def recipe_hash(self) -> str:
        """One hash for the recipes of all stages: a run that is resumed has the same."""
        return digest({name: [stage.recipe, stage.needs] for name, stage in self.outlines.items()})

    def select(self, until: str | None) -> list[str]:
        """The stages up to `until` with all that they need, or all. Errors: ConfigError for a name that is none."""
        if until is None:
            return list(self.outlines)
        selected = set(self.members(until, "--until", self.outlines))
        for name in reversed(list(self.outlines)):  # parents stand before the stages that need them
            if name in selected:
                selected.update(self.outlines[name].needs.values())
        return [name for name in self.outlines if name in selected]

    def members(self, name: str, option: str, stages: Iterable[str]) -> tuple[str, ...]:
        """The stages that a name means: one of the `stages` of this run, or all those of them that a matrix made of it.

        Errors: ConfigError when it is none of them.
        """
        stages = list(stages)
        if name in stages:
            return (name,)
        members = tuple(member for member in self.pipeline.unfolded.get(name, ()) if member in stages)
        if not members:
            near = suggest(name, stages) or f"; the stages are {', '.join(stages)}"
            raise ConfigError(f"{option} {name}: there is no such stage in this run{near}")
        return members

    def member(self, name: str, option: str, stages: Iterable[str]) -> str:
        """The one stage that a name means. Errors: ConfigError when it is none, or stands for several."""
        members = self.members(name, option, stages)
        if len(members) > 1:
            raise ConfigError(f"{option} {name}: its matrix makes several stages of it; name one: {', '.join(members)}")
        return members[0]

    def plan(self, names: Sequence[str], again: frozenset[str] = frozenset()) -> list[Planned]:
        """Every stage in turn; one whose parents have to run first waits. Stages in `again` run whatever is there."""
        planned: dict[str, Planned] = {}
        for name in names:
            awaited = [
                parent
                for parent in dict.fromkeys(self.outlines[name].needs.values())
                if planned[parent].state != "done" or parent in again
            ]
            planned[name] = self._waiting(name, awaited) if awaited else self.stage(name, planned)
        self._cache.save()
        return list(planned.values())

    def stage(self, name: str, parents: Mapping[str, Planned]) -> Planned:
        """One stage whose parents are all done."""
        outline = self.outlines[name]
        outputs = {need: output(parents[parent].manifest or {}) for need, parent in outline.needs.items()}
        listings = {Path(path).as_posix(): self._cache.listing(Path(path)) for path in outline.inputs()}
        self._cache.save()
        whole = complete(outline.recipe, listings, outputs)
        fingerprint = digest(whole)
        final = self.folder / f"{name}-{fingerprint[:8]}"
        planned = partial(
            Planned, outline, notes=outline.notes, fingerprint=fingerprint, recipe=whole, listings=listings
        )
        content = _manifest(final, name)
        if content and content["fingerprint"] == fingerprint:
            damage = manifest.verify(final, content=content, quick=True)
            if damage:
                return planned(state="stale", reason=_listed(damage))
            reason = f"nothing changed since {content['finished'].replace('T', ' ')[:16]}"
            return planned(state="done", reason=reason, manifest=content, warnings=self._edited(name, content))
        previous = self._previous(name)
        old = _manifest(previous, name) if previous else None
        changed = changes(old["recipe"], whole, outline.needs, old["inputs"], listings) if old else []
        unfinished = starts.find(self.folder, outline, whole, listings, own=final)
        finished = old["finished"] if old else ""
        state, reason = self._state(outline, final, _listed([change.text for change in changed]), unfinished, finished)
        return planned(
            state=state,
            reason=reason,
            changed=tuple(changed),
            previous=previous,
            finished=finished,
            interrupted=tuple(unfinished),
        )

    def _state(
        self, outline: Outline, final: Path, difference: str, unfinished: Sequence[Interrupted], finished: str
    ) -> tuple[State, str]:
        """The state of a stage that has to run, and why; `difference` is that to a result of the time `finished`."""
        working = starts.partial_of(final)
        if working.is_dir():
            reached = starts.progress(working)
            return "partial", f"did not finish; it resumes {f'at {reached}' if reached else 'where it stopped'}"
        told = starts.told(unfinished, outline, finished)
        if difference:
            return "stale", "; ".join([difference, *told])
        return "absent", "; ".join(["has not run with these options" if told else "has not run yet", *told])

    def _waiting(self, name: str, awaited: Sequence[str]) -> Planned:
        outline = self.outlines[name]
        previous = self._previous(name)
        old = _manifest(previous, name) if previous else None
        changed = changes(old["recipe"], outline.recipe, outline.needs, {}, {}) if old else []
        unfinished = starts.find(self.folder, outline, outline.recipe, {}, own=None)
        told = [str(start) for start in unfinished[:1] if start.is_newer_than(old["finished"] if old else "")]
        reason = "; ".join([f"waits for {' and '.join(awaited)}", *(change.text for change in changed), *told])
        return Planned(
            outline,
            "waits",
            reason,
            outline.notes,
            changed=tuple(changed),
            previous=previous,
            interrupted=tuple(unfinished),
        )

    def _previous(self, name: str) -> Path | None:
        """The current result of a stage, else the newest."""
        current = follow(self.folder / name)
        if current and _manifest(current, name):
            return current
        results = []
        for path in self.folder.glob(f"{name}-*"):
            content = _manifest(path, name)
            if content:
                results.append((content["finished"], path))
        return max(results)[1] if results else None

    def _edited(self, name: str, content: Mapping[str, Any]) -> tuple[str, ...]:
        """A warning for every plugin whose source is not what it was when the stage ran."""
        return tuple(
            f"the code of {package} changed since this ran; raise its revision, or use --force {name}"
            for package, value in self.outlines[name].code.items()
            if content.get("code", {}).get(package, value) != value
        )


def _manifest(folder: Path, name: str) -> dict[str, Any] | None:
    """The manifest of a finished result of a stage; None where the folder holds none that planning can use."""
    content = manifest.read(folder)
    if not content or content.get("stage") != name or folder.name.endswith(".partial"):
        return None
    return content if content.keys() >= {"fingerprint", "recipe", "inputs", "facts", "finished"} else None


def _listed(texts: Sequence[str]) -> str:
    shown = "; ".join(texts[:4])
    return f"{shown}; and {len(texts) - 4} more" if len(texts) > 4 else shown
