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
    """A mistake in a pipeline; it is reported with the line and column of its place in the file."""

    path: tuple[str | int, ...]
    """Keys below the stage: `("with", "metrics", 0)` is the first item of its option `metrics`."""
    message: str
    """What is wrong and what to write instead, in one line."""


@dataclass(frozen=True)
class Need:
    """An input of a stage, filled by `needs: {NAME: STAGE}` in a pipeline."""

    kind: str
    """Kind of artifact, as `Stage.produces` says it: `dataset`, `model`, `images`, `scores`, or a plugin's own word."""
    optional: bool = False
    """True where it may be left out."""


class Tracker(Protocol):
    """Records a run: settings, curves, pictures, tables and files.

    A stage calls it often and from its main thread, so a call must return at once; what takes time (a server) belongs
    in the background. An exception that leaves a call is shown once as a warning, and the run goes on. Names reach a
    plugin's tracker with the stage in front: `train/cycle`.
    """

    def params(self, values: Mapping[str, Any]) -> None:
        """Records settings, as a nested or flat mapping. A setting that was recorded before keeps its first value."""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Adds a point at `step` to each curve that `values` names. NaN and infinity are values like others.

        Steps grow. A training that was resumed from a checkpoint repeats some: a step that a curve already has is left
        out.
        """

    def image(self, key: str, image: np.ndarray[Any, Any], step: int) -> None:
        """Records a picture (height x width x 3, uint8, RGB) as the one of `key` at `step`.

        The pictures of a key show the same inputs at growing steps. The array may be reused after the call.
        """

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Records a small table; one of the same name is replaced. Each row has a cell (or None) for each column.

        A cell that is a `Path` stands for the picture in that file.
        """

    def file(self, path: Path, folder: str = "") -> None:
        """Keeps a file or a folder with the run, below `folder`.

        It need not exist yet when the call returns: a stage's folder is renamed from `<stage>.partial` to its final
        name when the stage is done, and a tracker that copies later looks there, too.
        """

    def tags(self, values: Mapping[str, str]) -> None:
        """Labels the run. A later value of a tag replaces an earlier one."""

    def dataset(self, name: str, digest: str, facts: Mapping[str, Any], context: str) -> None:
        """Records which data went in: its name, a hash of its content, its facts, and what for (`train`, `test`)."""

    def model(self, folder: Path) -> None:
        """Keeps the trained model whose bundle (`translator.json` and what it lists) lies in `folder`."""

    def flush(self) -> None:
        """Makes everything recorded so far survive a power cut. Called before each checkpoint is written."""


class Progress(Protocol):
    """A running count of work, shown while a `with console.progress(...)` block lasts."""

    def advance(self, n: int = 1, /, **fields: Any) -> None:
        """Adds `n` to the count and shows `fields` (such as losses) beside it; a field stays until it is replaced."""


class Console(Protocol):
    """Talks to the person at the terminal. Its methods are called from several threads and raise nothing."""

    def say(self, text: str) -> None:
        """Shows a message: what was done, and where it lies."""

    def warn(self, text: str) -> None:
        """Shows what may surprise but stops nothing. It goes to stderr, also where stdout carries JSON."""

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Shows a table; numbers are flush right, floats have four significant digits, None is a dash."""

    def progress(self, title: str, total: int, done: int = 0, unit: str = "images") -> Any:
        """A context manager whose value is a `Progress` from `done` to `total` units; a `total` of 0 is unknown."""


class Components(Protocol):
    """Finds, checks and builds components of all kinds, built in or from plugins."""

    def get(self, kind: ComponentKind, name: str) -> type[Any]:
        """The class of a component. Errors: ConfigError for an unknown name, PluginError for a broken plugin."""

    def build(self, use: Use, **kwargs: Any) -> Any:
        """An instance of what a pipeline names, with its options checked; `kwargs` go to the constructor.

        For networks `kwargs` are `in_channels`, `out_channels` and defaults for options; those that a network does not
        know are left out. Errors: ConfigError, PluginError.
        """

    def config(self, kind: ComponentKind, name: str, options: Any) -> Any:
        """`options` as the component's Config, ready for work. Errors: ConfigError, PluginError."""

    def provider(self, kind: ComponentKind, name: str) -> Mapping[str, str]:
        """Who provides a component: `distribution`, `version`, `module`, `plugin` and `revision`."""

    def names(self, kind: ComponentKind) -> Sequence[str]:
        """The names that can be used: of built-in components, and of what the plugins provide that were named."""

    def check(self, kind: ComponentKind, name: str, options: Any) -> tuple[Any, list[Problem]]:
        """The options with all defaults as plain data, and what is wrong with them; they come back as they are then."""


@dataclass(frozen=True)
class StageContext:
    """Everything that a stage is given for its work."""

    pipeline: str
    """Name of the pipeline, with its profile: `maps-cyclegan@quick`."""
    stage: str
    """Name of the stage in the pipeline."""
    folder: Path
    """The folder to write into. It is empty at the first start, and holds what an interrupted start of the same
    fingerprint left at the next."""
    inputs: Mapping[str, Artifact]
    """The finished artifact of each filled need."""
    seed: int
    """Seed of all that it draws."""
    device: str
    """Device to compute on: `cpu`, `cuda`, `cuda:1`, `xpu`, `mps`."""
    tracker: Tracker
    """Records curves, pictures and tables of the run; names get the stage's in front."""
    console: Console
    """Speaks to the person at the terminal."""
    registry: Components
    """Finds and builds components by name."""
    emit: Callable[..., None]
    """`emit(event, **facts)` tells plugins of an event, such as `step_finished`."""
    fingerprint: str = ""
    """Hash of everything that decides the result."""
    previous: Path | None = None
    """Folder of an earlier result of the stage to continue from (`run --continue`); see `Stage.continuable`."""
    debug: bool = False
    """True with `--debug`: slower, and finds the operation that made a value not finite."""


Effect = Literal["free", "schedule", "structural"]
"""The meaning of a changed option for a result that is continued; see `Stage.continuable`."""


def effect_of(continuable: Mapping[str, Literal["free", "schedule"]], option: str) -> Effect:
    """The effect of an option, by its dotted path below `with`: that of the longest path which leads to it.

    `*` in a path of `continuable` stands for any one name.
    """
    path = option
    while path:
        for leading, effect in continuable.items():
            if _matches(leading.split("."), path.split(".")):
                return effect
        path = path.rpartition(".")[0]
    return "structural"


def _matches(pattern: list[str], names: list[str]) -> bool:
    """Whether the names are those of a pattern, in which `*` is any."""
    return len(pattern) == len(names) and all(p in ("*", n) for p, n in zip(pattern, names, strict=True))


class Stage(Configured[C], ABC):
    """A step of a pipeline that turns artifacts into an artifact, in a folder of its own.

    `self.config` holds its options, `self.registry` finds the components that they name, and `self.seed` is derived
    from the pipeline's seed and the stage's name. Where `parents` is an argument, it maps each filled need to the facts
    that its stage promises, as far as they are known; `DatasetFacts.of(parents, "data")` and its kin read them.
    """

    needs: ClassVar[Mapping[str, Need]] = {}
    """Its inputs by name."""
    produces: ClassVar[str]
    """The kind of artifact that it leaves."""
    distributed: ClassVar[bool] = False
    """Whether all processes of a run on several devices do its work together, `run` being called in each of them; else
    one does it, and the others wait."""
    neutral: ClassVar[frozenset[str]] = frozenset()
    """Options that do not change the result (workers, logging): they are left out of the fingerprint."""
    continuable: ClassVar[Mapping[str, Literal["free", "schedule"]]] = {}
    """Options that `run --continue STAGE` may change and go on from the earlier result, by their dotted path below
    `with` (`optimizer.lr`, or `players.*.clip` where `*` is any name; a path stands for all below it). `free`: they act
    from here on, whatever came before. `schedule`: they lengthen or reshape a plan of which a part is done. Every other
    option is structural: it needs a fresh start. A stage that names some finds the earlier result in
    `context.previous`; what an interrupted start left it finds in `context.folder`, as after any interruption."""

    def __init__(self, config: C, registry: Components, seed: int = 0) -> None:
        self.config = config
        self.registry = registry
        self.seed = seed

    @classmethod
    def effect_of(cls, option: str) -> Effect:
        """Says what the change of an option, by its dotted path below `with`, means for a result that is continued.

        The longest path in `continuable` that leads to the option decides.
        """
        return effect_of(cls.continuable, option)

    def check(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
        """Mistakes that show before anything runs. It is asked often: read a few images at
        most, and train nothing.

        Errors: a TranslateError counts as a mistake of the whole stage.
        """
        return ()

    def promise(self, parents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Facts of the result that are known before it exists; only called when `check` found nothing.

        JSON values by name. `run` has to return the same value for each of them.
        """
        return {}

    def outlook(self, parents: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        """Facts beyond the promise that are probable before it runs, such as counts of images: for notes alone."""
        return {}

    def defaults(self) -> Mapping[str, Any]:
        """Options that only the stage can complete (those of a method), as they will act; asked after `check`.

        They are fingerprinted instead of what the file says, so that writing down a default changes nothing.
        """
        return {}

    def notes(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
        """Sentences for `translate check` and `plan`, on what is odd, but not wrong.

        For `check`, `parents` also has the `outlook` of each, or what it knows since it is finished.
        """
        return ()

    def inputs(self) -> Iterable[Path]:
        """External files and folders whose content decides the result: when it changes, the stage runs again."""
        return ()

    def uses(self) -> Iterable[tuple[ComponentKind, str]]:
        """Components that options name outside of `Use` fields, as (kind, name): their revisions are fingerprinted."""
        return ()

    def check_takeover(self, folder: Path, inputs: Mapping[str, Artifact]) -> None:
        """Refuses to go on from the interrupted start in `folder`, which had other options; asked by `run --continue`.

        All that changed is `continuable`. The folder becomes that of the new start afterwards, and stays as it is where
        this raises. `inputs` are the finished artifacts of the needs.
        Errors: a TranslateError with the reason, such as a folder from which nothing can be taken up.
        """

    def check_device(self, device: str) -> None:
        """Refuses a device that cannot do what the options ask for; asked once the device is known, before any stage of
        a run begins.

        Errors: a TranslateError with the reason and what to write instead.
        """

    @abstractmethod
    def run(self, context: StageContext) -> dict[str, Any]:
        """Does the work, and returns the facts for the manifest: JSON values by name.

        It writes below `context.folder` alone, which becomes the result when it returns. Equal options, inputs and seed
        give an equal result, whatever the clock, the device's speed or an interruption.

        Errors: a TranslateError is shown to the user as it is; anything else as a fault of the code.
        """
