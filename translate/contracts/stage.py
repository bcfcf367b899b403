"""Stages: the steps of a pipeline, what they are given, and what they leave."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from translate.contracts.artifacts import Artifact
from translate.contracts.options import C, ComponentKind, Configured, Use

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Problem:
    """A mistake in a pipeline: where (keys below the stage, such as `("with", "metrics", 0)`) and what."""

    path: tuple[str | int, ...]
    message: str


@dataclass(frozen=True)
class Need:
    """An input of a stage: the kind of artifact, and whether it may be left out."""

    kind: str
    optional: bool = False


class Tracker(Protocol):
    """Where a run is recorded. Names are prefixed by the stage by whoever hands the tracker out."""

    def params(self, values: Mapping[str, Any]) -> None: ...
    def metrics(self, values: Mapping[str, float], step: int) -> None: ...
    def image(self, key: str, image: np.ndarray[Any, Any], step: int) -> None: ...
    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None: ...
    def file(self, path: Path, folder: str = "") -> None: ...
    def tags(self, values: Mapping[str, str]) -> None: ...
    def dataset(self, name: str, digest: str, facts: Mapping[str, Any], context: str) -> None: ...
    def model(self, folder: Path) -> None: ...
    def flush(self) -> None: ...


class Progress(Protocol):
    """A running count of work: `advance` by n, with fields such as losses to show beside it."""

    def advance(self, n: int = 1, /, **fields: Any) -> None: ...


class Console(Protocol):
    """What a stage says to the person at the terminal."""

    def say(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None: ...
    def progress(self, title: str, total: int, done: int = 0, unit: str = "images") -> Any: ...


class Components(Protocol):
    """The registry, as a stage sees it."""

    def get(self, kind: ComponentKind, name: str) -> type[Any]: ...
    def build(self, use: Use, **kwargs: Any) -> Any: ...
    def provider(self, kind: ComponentKind, name: str) -> Mapping[str, str]: ...
    def check(self, kind: ComponentKind, name: str, options: Any) -> tuple[Any, list[Problem]]: ...


@dataclass(frozen=True)
class StageContext:
    """What a stage gets to work with.

    `folder` is empty at the first start and holds what an interrupted start of the same fingerprint left. `previous`
    is an earlier result of the same stage to continue from. `emit(event, **facts)` fires an event hook.
    """

    pipeline: str
    stage: str
    folder: Path
    inputs: Mapping[str, Artifact]
    seed: int
    device: str
    tracker: Tracker
    console: Console
    registry: Components
    emit: Callable[..., None]
    fingerprint: str = ""
    previous: Path | None = None
    debug: bool = False


class Stage(Configured[C], ABC):
    """A step of a pipeline that turns artifacts into an artifact, in a folder of its own."""

    needs: ClassVar[Mapping[str, Need]] = {}
    produces: ClassVar[str]
    neutral: ClassVar[frozenset[str]] = frozenset()
    """Options that do not change the result (workers, logging): they are left out of the fingerprint."""
    continuable: ClassVar[Mapping[str, Literal["free", "schedule"]]] = {}
    """Options that `run --continue STAGE` may change and go on from the earlier result, by their dotted path below
    `with` (`optimizer.lr`; a path stands for all below it). `free`: they act from here on, whatever came before.
    `schedule`: they lengthen or reshape a plan of which a part is done. Every other option is structural: it needs a
    fresh start. A stage that names some finds the earlier result in `context.previous`."""

    def __init__(self, config: C, registry: Components, seed: int = 0) -> None:
        self.config = config
        self.registry = registry
        self.seed = seed

    @classmethod
    def effect_of(cls, option: str) -> Literal["free", "schedule", "structural"]:
        """What a change of an option, by its dotted path below `with`, means for a result that is continued.

        The longest path in `continuable` that leads to the option decides.
        """
        path = option
        while path:
            if path in cls.continuable:
                return cls.continuable[path]
            path = path.rpartition(".")[0]
        return "structural"

    def check(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
        """Mistakes that show before anything runs. `parents` holds what each needed stage promises."""
        return ()

    def promise(self, parents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """What is known of the result before it exists; only called when `check` found nothing."""
        return {}

    def defaults(self) -> Mapping[str, Any]:
        """Options that only the stage can complete (those of a method), as they will act; asked after `check`.

        They are fingerprinted instead of what the file says, so that writing down a default changes nothing.
        """
        return {}

    def notes(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
        """Remarks for `translate plan`: odd, but not wrong."""
        return ()

    def inputs(self) -> Iterable[Path]:
        """External files and folders whose content belongs to the fingerprint."""
        return ()

    def uses(self) -> Iterable[tuple[ComponentKind, str]]:
        """Components named by the options outside of `Use` fields (a method): their revisions are fingerprinted."""
        return ()

    @abstractmethod
    def run(self, context: StageContext) -> dict[str, Any]:
        """Does the work in `context.folder`; returns the facts for the manifest."""
