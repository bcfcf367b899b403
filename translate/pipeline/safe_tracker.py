"""Where a run is recorded: MLflow, a plugin's tracker or the journal alone, none of which can end a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import yaml

from translate.contracts import Console, Tracker
from translate.errors import PluginError
from translate.pipeline.planner import Planner
from translate.plugins import Registry

if TYPE_CHECKING:
    import numpy as np

    from translate.tracking.sweep import Member

_METHODS = tuple(name for name in vars(Tracker) if not name.startswith("_"))
"""The methods that a plugin's tracker must have."""


class SafeTracking:
    """The trackers of one run. Errors of a tracker become warnings: results matter more than records."""

    def __init__(
        self,
        planner: Planner,
        registry: Registry,
        stages: Sequence[str],
        console: Console,
        member: Member | None = None,
    ) -> None:
        self._console, self._member = console, member
        self._own: Tracker | None = None
        self._who = ""
        self._tracking: Any = None
        self._warned: set[str] = set()
        self._guard("opening", lambda: self._open(planner, registry, stages))()

    def stage(self, name: str) -> Tracker:
        """The tracker of the stage that starts now."""
        if self._own is not None:
            return cast(Tracker, SafeTracker(PrefixedTracker(self._own, name), self._guard))
        tracker = self._guard("stage", lambda: self._tracking.stage(name))() if self._tracking else None
        return cast(Tracker, SafeTracker(tracker, self._guard))

    def close(self, status: Literal["done", "failed", "stopped"]) -> None:
        """Ends the record with how the run ended."""
        if self._tracking:
            self._guard("close", lambda: self._tracking.close(status))()

    def settle(self) -> None:
        """Ends the records of earlier runs that were killed."""
        if self._tracking:
            self._guard("settle", self._tracking.settle)()

    @property
    def page(self) -> str | None:
        """Says where the run's page is; None for a plugin's tracker, and where no store answered."""
        return cast("str | None", self._tracking.page) if self._tracking else None

    @property
    def unsent(self) -> int:
        """Records that did not reach the tracking store; known when the run was closed."""
        return int(self._tracking.unsent) if self._tracking else 0

    def _open(self, planner: Planner, registry: Registry, stages: Sequence[str]) -> None:
        pipeline = planner.pipeline
        own = registry.emit("tracker", pipeline=pipeline.title, folder=planner.folder)
        if own is not None:
            self._who = f" by {type(own).__module__}.{type(own).__qualname__}"
            missing = [name for name in _METHODS if not callable(getattr(own, name, None))]
            if missing:
                raise PluginError(f"it is no translate.Tracker: it lacks {', '.join(missing)}")
            self._own = own
        else:
            from translate.tracking import open_tracking

            self._tracking = open_tracking(
                pipeline.tracking,
                pipeline.title,
                planner.folder,
                recipe=planner.recipe_hash(),
                resolved=resolved(planner),
                stages=stages,
                versions={name: plugin.version for name, plugin in registry.loaded().items()},
                console=self._console,
                member=self._member,
            )

    def _guard(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, except that an error becomes a warning (the first of each name) and the result None."""

        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                return call(*args, **kwargs)
            except Exception as error:
                if name not in self._warned:
                    self._warned.add(name)
                    text = f"{type(error).__name__}: {error}"
                    self._console.warn(f"tracking{self._who}: {name} failed, and the run goes on without it: {text}")
                return None

        return guarded


class SafeTracker:
    """A tracker behind a guard; without a tracker, every call does nothing."""

    def __init__(self, inner: Any, guard: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> None:
        self._inner, self._guard = inner, guard

    def __getattr__(self, name: str) -> Any:
        if self._inner is None:
            return lambda *args, **kwargs: None
        return self._guard(name, getattr(self._inner, name))


class PrefixedTracker:
    """A plugin's tracker for one stage; every name gets the stage's in front: `train/cycle`."""

    def __init__(self, inner: Tracker, stage: str) -> None:
        self._inner, self._stage = inner, stage

    def params(self, values: Mapping[str, Any]) -> None:
        self._inner.params(self._named(values))

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        self._inner.metrics(self._named(values), step)

    def image(self, key: str, image: np.ndarray[Any, Any], step: int) -> None:
        self._inner.image(f"{self._stage}/{key}", image, step)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self._inner.table(f"{self._stage}/{name}", columns, rows)

    def file(self, path: Path, folder: str = "") -> None:
        self._inner.file(path, f"{self._stage}/{folder}".rstrip("/"))

    def tags(self, values: Mapping[str, str]) -> None:
        self._inner.tags(self._named(values))

    def dataset(self, name: str, digest: str, facts: Mapping[str, Any], context: str) -> None:
        self._inner.dataset(name, digest, facts, context)

    def model(self, folder: Path) -> None:
        self._inner.model(folder)

    def flush(self) -> None:
        self._inner.flush()

    def _named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {f"{self._stage}/{key}": value for key, value in values.items()}


def resolved(planner: Planner) -> str:
    """The pipeline as YAML, with extended files, profile, `--set`, unfolded stages and all defaults in it."""
    pipeline = planner.pipeline
    stages = {}
    for name, stage in planner.outlines.items():
        stages[name] = {"uses": stage.uses, "needs": stage.needs, "with": stage.options}
        if stage.recipe["seed"] != pipeline.seed:
            stages[name]["seed"] = stage.recipe["seed"]
    content = {"version": 1, "name": pipeline.name, "profile": pipeline.profile, "seed": pipeline.seed}
    return yaml.safe_dump({**content, "stages": stages}, sort_keys=False, allow_unicode=True)
