"""The frame of a pipeline file, and how it becomes the pipeline that runs, before the stages are checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, NonNegativeInt

from translate.contracts import Config
from translate.errors import ConfigError
from translate.pipeline import overlay, yamlfile
from translate.pipeline.document import Document, read
from translate.pipeline.location import Issue, Node, PipelineError, Place
from translate.pipeline.matrix import unfold
from translate.pipeline.overlay import How
from translate.plugins import KeyProblem, validate
from translate.text import suggest

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")


def _slug(name: str) -> str:
    if len(name) > 60 or not SLUG.fullmatch(name):
        raise ValueError(f"must be made of lower-case letters, digits, '-' and '_' (it names folders), not {name!r}")
    return name


Slug = Annotated[str, AfterValidator(_slug)]


class StageFrame(Config):
    """One stage: which kind, with which options, on the results of which other stages."""

    uses: str
    """Kind of the stage: `preprocess`, `train`, `infer`, `evaluate`, or `PLUGIN/NAME`."""
    options: dict[str, Any] = Field(default={}, alias="with")
    """Options of the stage; each kind has its own."""
    needs: dict[str, str] = {}
    """Stages whose results it takes, by what it calls them: `{model: train, data: prepare}`."""
    seed: NonNegativeInt | None = None
    """Another seed for this stage alone; `null` takes the pipeline's."""
    matrix: dict[str, list[Any] | dict[str, Any]] | None = None
    """Options and the values that they take in turn: `{direction: [a_to_b, b_to_a]}` makes the stages `NAME-a_to_b` and
    `NAME-b_to_a`. A key is a path below `with`, such as `optimizer.lr`, or `seed`, or `with` for all options at once; a
    mapping in place of the list names its values: `{losses: {strong: {cycle: 20}, weak: {cycle: 5}}}`."""


class StagePatch(Config):
    """The changes that a profile makes to a stage."""

    uses: str | None = None
    """Another kind of stage; its options then replace those of the file. `null` keeps the kind."""
    options: dict[str, Any] = Field(default={}, alias="with")
    """Options that differ; mappings merge, lists and single values replace."""
    needs: dict[str, str] = {}
    """Needs that differ."""
    seed: NonNegativeInt | None = None
    """Another seed for this stage; `null` takes the pipeline's."""
    matrix: dict[str, list[Any] | dict[str, Any]] | None = None
    """Values that differ; `null` unfolds nothing."""


class Profile(Config):
    """A variant of the pipeline: what differs from the file's body. A stage set to null is left out."""

    description: str = ""
    """A sentence about the variant, for readers."""
    extends: str | None = None
    """Another profile of the file, whose changes come before those of this one."""
    seed: NonNegativeInt | None = None
    """Another seed; `null` keeps the file's."""
    stages: dict[str, StagePatch | None] = {}
    """Stages that differ, by name; `null` leaves a stage out, and a new one has to say what it `uses`."""
    tracking: Literal["mlflow", "none"] | None = None
    """Another way of tracking; `null` keeps the file's."""
    plugins: tuple[str, ...] | None = None
    """Another list of listening plugins; `null` keeps the file's."""


class Frame(Config):
    """A pipeline file. Options below `with` are checked later, against the stage that `uses` names."""

    extends: str | None = None
    """Another pipeline file, by its path relative to this one. What this file says is added to it or replaces it, and
    `null` takes a key or a stage out; `version`, `name` and `seed` are inherited too."""
    version: Literal[1]
    """Version of the file's format: 1."""
    name: Slug
    """Name of the pipeline and of its folder below `runs/`: up to 60 lower-case letters, digits, `-` and `_`."""
    description: str = ""
    """A sentence about the pipeline, for readers."""
    seed: NonNegativeInt = 0
    """Seed of every random draw: initial weights, order of images, augmentation, noise."""
    stages: Annotated[dict[Slug, StageFrame], Field(min_length=1)]
    """Stages by name. They run in the order of their needs, else as they stand."""
    profiles: dict[Slug, Profile] = {}
    """Variants by name, for `--profile NAME`: `quick` for minutes on a CPU, for instance."""
    tracking: Literal["mlflow", "none"] = "mlflow"
    """Record of a run: `mlflow`, in the store that `MLFLOW_TRACKING_URI` names, by default `mlflow.db` here; `none`
    keeps the report alone and imports no mlflow."""
    plugins: tuple[str, ...] = ()
    """Plugins that are imported without being named otherwise, for their events and image formats: `[acme-notify]`."""


@dataclass(frozen=True)
class Pipeline:
    """A pipeline with its profile and `--set` applied and its matrices unfolded.

    `issues` is what is wrong with its frame. Where the frame is broken, the attributes hold what could be read, so that
    the stages can still be checked.
    """

    file: str
    profile: str | None
    root: Node
    issues: tuple[Issue, ...]
    profiles: tuple[str, ...] = ()
    name: str = ""
    seed: int = 0
    tracking: Literal["mlflow", "none"] = "mlflow"
    plugins: tuple[str, ...] = ()
    unfolded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """A stage with a matrix, and the stages that it became."""

    @property
    def title(self) -> str:
        """`maps-cyclegan` or `maps-cyclegan@quick`: the name of its folder below `runs/`."""
        return f"{self.name}@{self.profile}" if self.profile else self.name

    def stages(self) -> Iterator[tuple[str, Node]]:
        """The stages that are mappings and name what they use."""
        for name, node in (self.root.step("stages") or self.root).children().items():
            if isinstance((node.step("uses") or self.root).value, str):
                yield name, node


def load(source: Path | Mapping[str, Any] | Document, profile: str | None = None, sets: Sequence[str] = ()) -> Pipeline:
    """A pipeline as it runs: class defaults < extended files < file < profile < `--set`, matrices unfolded.

    Mappings merge, lists and scalars replace; a mapping that names another `uses` replaces the whole component. A
    profile and `--set` may name unfolded stages too; these changes come last.
    Errors: ConfigError for a file, profile or `--set` that cannot be understood; PipelineError for YAML mistakes and
    for matrices that cannot be unfolded.
    """
    document = source if isinstance(source, Document) else read(source)
    root = document.root
    issues = list(document.issues)
    profiles = (root.step("profiles") or Node(None, root.place)).children()
    layers = _profile(document.name, profile, profiles) if profile is not None else []
    changes = [(layer, How.PROFILE) for layer in layers]
    changes += [(_parse_set(text), How.SET) for text in sets]
    late = []
    for change, how in changes:
        early, rest = overlay.split(root, change)
        root = overlay.apply(root, early, how, issues)
        late.append((rest, how))
    mistakes: list[Issue] = []
    unfolded = unfold(root, mistakes)
    if mistakes:
        raise PipelineError([*issues, *mistakes])
    root = unfolded.root
    for change, how in late:
        root = overlay.apply(root, change, how, issues)
    plain = root.plain()
    frame, problems = validate(Frame, plain)
    issues += [root.issue(p.path, p.message, at_key=isinstance(p, KeyProblem)) for p in problems]
    pipeline = Pipeline(document.name, profile, root, tuple(issues), unfolded=_present(unfolded.names, root))
    if frame is None:
        seed = plain.get("seed", 0)
        return replace(pipeline, seed=seed if isinstance(seed, int) else 0)
    return replace(
        pipeline,
        profiles=tuple(profiles),
        name=frame.name,
        seed=frame.seed,
        tracking=frame.tracking,
        plugins=frame.plugins,
    )


def _present(names: Mapping[str, tuple[str, ...]], root: Node) -> dict[str, tuple[str, ...]]:
    """The unfolded stages that a profile or `--set` has not taken out."""
    stages = (root.step("stages") or root).children()
    present = {group: tuple(name for name in members if name in stages) for group, members in names.items()}
    return {group: members for group, members in present.items() if members}


def _profile(file: str, name: str, profiles: Mapping[str, Node]) -> list[Node]:
    """The changes of a profile, those of the profiles that it extends before its own."""
    if name not in profiles:
        others = f"; the profiles are {', '.join(profiles)}" if profiles else "; it has none"
        raise ConfigError(f"{file} has no profile {name!r}{suggest(name, profiles) or others}")
    names = [name]
    while (entry := profiles[names[-1]].step("extends")) and isinstance(entry.value, str):
        if entry.value not in profiles:
            raise PipelineError(
                [entry.issue((), f"there is no profile {entry.value!r}{suggest(entry.value, profiles)}")]
            )
        if entry.value in names:
            circle = [*names[names.index(entry.value) :], entry.value]
            raise PipelineError([entry.issue((), f"the profiles extend each other in a circle: {' -> '.join(circle)}")])
        names.append(entry.value)
    return [profiles[each] for each in reversed(names)]


def _parse_set(text: str) -> Node:
    """`stages.train.with.epochs=5` as a tree of its own, the value read as YAML."""
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"--set {text}: write KEY=VALUE, such as --set stages.train.with.epochs=5")
    if parts[0] not in overlay.CHANGEABLE:
        near = suggest(parts[0], ["stages", "seed", "tracking", "plugins"])
        raise ConfigError(
            f"--set {key}: cannot be set from here{near or '; it takes stages, seed, tracking and plugins'}"
        )
    if parts[0] == "stages" and parts[2:3] == ["matrix"] and len(parts) > 4:
        parts[3:] = [".".join(parts[3:])]  # a matrix has paths as keys: stages.train.matrix.optimizer.lr=[1e-4, 2e-4]
    place = Place(0, 0, "--set")
    try:
        plain = Node(value, place) if yamlfile.has_bytes(value) else None
        node = plain or yamlfile.compose(value, "--set") or Node(None, place)
    except PipelineError as error:
        raise ConfigError(f"--set {key}: {error.issues[0].message} (column {error.issues[0].place.column})") from None
    node = _moved(node, place, tuple(parts))
    for depth in range(len(parts) - 1, -1, -1):
        node = Node({parts[depth]: node}, place, tuple(parts[:depth]), place)
    return node


def _moved(node: Node, place: Place, path: tuple[str | int, ...]) -> Node:
    value = node.value
    if isinstance(value, dict):
        value = {name: _moved(child, place, (*path, name)) for name, child in value.items()}
    elif isinstance(value, list):
        value = [_moved(child, place, (*path, i)) for i, child in enumerate(value)]
    return Node(value, place, path, place)
