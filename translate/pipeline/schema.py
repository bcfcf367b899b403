"""The frame of a pipeline file, and how it becomes the pipeline that runs, before the stages are checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, NonNegativeInt

from translate.contracts import Config
from translate.errors import ConfigError
from translate.pipeline import overlay, yamlfile
from translate.pipeline.checking.mend import REQUIRED, mend_keys
from translate.pipeline.document import Document, Unread, read
from translate.pipeline.location import Issue, Node, PipelineError, Place
from translate.pipeline.matrix import unfold
from translate.pipeline.overlay import How
from translate.plugins import KeyProblem, validate
from translate.redact import masked
from translate.text import suggest, suggested

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
    unread: Unread = frozenset()
    """Values that could not be read: `Document.unread`."""
    whole: bool = True
    """Whether all files that it extends could be read."""
    guessed: str = ""
    """The text of which it is a guess what it belongs to: `yamlfile.Text.guessed`."""
    of_matrices: tuple[Issue, ...] = ()
    """Mistakes in matrices: the names of the stages that they unfold into are not sure."""

    @property
    def title(self) -> str:
        """`maps-cyclegan` or `maps-cyclegan@quick`: the name of its folder below `runs/`."""
        return f"{self.name}@{self.profile}" if self.profile else self.name

    def readable(self, issue: Issue) -> bool:
        """Says whether a mistake is one, and not the consequence of a text, a file or a matrix that is wrong."""
        message, key = issue.message, str(issue.path[-1]) if issue.path else ""
        if self.of_matrices and (
            self._of_variant(message) or any(issue.path == each.path for each in self.of_matrices)
        ):
            return False
        if not self.whole and (message.startswith("there is no stage") or message == REQUIRED):
            return False
        if self.guessed and message == REQUIRED and key in self.guessed:
            return False
        places = (path for file, path in self.unread if file == issue.place.file)
        return not any(issue.path[: len(path)] == path for path in places)

    def _of_variant(self, message: str) -> bool:
        """Whether a message is about the name of a stage that became of one with a matrix."""
        quoted = message.partition("stage ")[2] if message.startswith("there is no stage") else message
        about = ("there is no stage", "the stages need each other in a circle", "must be made of lower-case letters")
        return message.startswith(about) and any(re.search(rf"\b{name}-", quoted) for name in self.unfolded)

    def stages(self) -> Iterator[tuple[str, Node]]:
        """The stages that are mappings and name what they use."""
        for name, node in (self.root.step("stages") or self.root).children().items():
            if isinstance((node.step("uses") or self.root).value, str):
                yield name, node


def load(source: Path | Mapping[str, Any] | Document, profile: str | None = None, sets: Sequence[str] = ()) -> Pipeline:
    """A pipeline as it runs: class defaults < extended files < file < profile < `--set`, matrices unfolded.

    Mappings merge, lists and scalars replace; a mapping that names another `uses` replaces the whole component. A
    profile and `--set` may name unfolded stages too; these changes come last.
    Mistakes are the pipeline's `issues`. Errors: ConfigError for a file or profile that is not there; PipelineError
    where nothing of the file can be read.
    """
    document = source if isinstance(source, Document) else read(source)
    issues = list(document.issues)
    mistakes: list[Issue] = []
    root = _meant(document.root, mistakes)
    profiles = (root.step("profiles") or Node(None, root.place)).children()
    layers = _profile(document.name, profile, profiles, mistakes) if profile is not None else []
    changes = [(layer, How.PROFILE) for layer in layers]
    changes += [(change, How.SET) for text in sets for change in _parse_set(text, mistakes)]
    late = []
    for change, how in changes:
        early, rest = overlay.split(root, change)
        root = overlay.apply(root, early, how, mistakes)
        late.append((rest, how))
    of_matrices: list[Issue] = []
    unfolded = unfold(root, of_matrices)
    root = unfolded.root
    for change, how in late:
        root = overlay.apply(root, change, how, mistakes)
    plain = root.plain()
    masked(plain)  # secrets that stand under their names are known from here on, wherever they turn up
    frame, problems = validate(Frame, plain)
    mistakes += [root.issue(p.path, p.message, at_key=isinstance(p, KeyProblem)) for p in problems]
    pipeline = Pipeline(document.name, profile, root, (), tuple(profiles), unfolded=_present(unfolded.names, root))
    pipeline = replace(
        pipeline, unread=document.unread, whole=document.whole, guessed=document.guessed, of_matrices=tuple(of_matrices)
    )
    pipeline = replace(pipeline, issues=(*issues, *of_matrices, *filter(pipeline.readable, mistakes)))
    if frame is None:
        seed, plugins = plain.get("seed", 0), plain.get("plugins")
        named = tuple(name for name in plugins if isinstance(name, str)) if isinstance(plugins, list) else ()
        return replace(pipeline, seed=seed if isinstance(seed, int) else 0, plugins=named)
    return replace(pipeline, name=frame.name, seed=frame.seed, tracking=frame.tracking, plugins=frame.plugins)


def _meant(root: Node, issues: list[Issue]) -> Node:
    """The tree with the misspelt keys of its frame taken for what was meant; they are issues."""
    root = mend_keys(root, Frame, issues)
    root = _each(root, "stages", lambda node: mend_keys(node, StageFrame, issues))
    return _each(
        root,
        "profiles",
        lambda node: _each(
            mend_keys(node, Profile, issues), "stages", lambda patch: mend_keys(patch, StagePatch, issues)
        ),
    )


def _each(node: Node, key: str, change: Callable[[Node], Node]) -> Node:
    """The tree with each entry of the mapping at `key` changed."""
    entries = node.step(key)
    if entries is None or not isinstance(entries.value, dict):
        return node
    changed = {name: change(entry) for name, entry in entries.value.items()}
    entries = Node(changed, entries.place, entries.path, entries.key)
    return Node({**node.children(), key: entries}, node.place, node.path, node.key)


def _present(names: Mapping[str, tuple[str, ...]], root: Node) -> dict[str, tuple[str, ...]]:
    """The unfolded stages that a profile or `--set` has not taken out."""
    stages = (root.step("stages") or root).children()
    present = {group: tuple(name for name in members if name in stages) for group, members in names.items()}
    return {group: members for group, members in present.items() if members}


def _profile(file: str, name: str, profiles: Mapping[str, Node], issues: list[Issue]) -> list[Node]:
    """The changes of a profile, those of the profiles that it extends before its own."""
    if name not in profiles:
        others = f"; the profiles are {', '.join(profiles)}" if profiles else "; it has none"
        raise ConfigError(f"{file} has no profile {name!r}{suggest(name, profiles) or others}")
    names = [name]
    while (entry := profiles[names[-1]].step("extends")) and isinstance(entry.value, str):
        base: str | None = entry.value
        if base not in profiles:
            near = suggest(base, profiles)
            issues.append(entry.issue((), f"there is no profile {base!r}{near}"))
            base = suggested(near)
        elif base in names:
            circle = [*names[names.index(base) :], base]
            issues.append(entry.issue((), f"the profiles extend each other in a circle: {' -> '.join(circle)}"))
        if base is None or base in names:
            break
        names.append(base)
    return [profiles[each] for each in reversed(names)]


def _parse_set(text: str, issues: list[Issue]) -> list[Node]:
    """`stages.train.with.epochs=5` as a tree of its own, the value read as YAML; none where that is wrong."""
    place = Place(0, 0, "--set")
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        issues.append(Issue(place, (text,), "write KEY=VALUE, such as --set stages.train.with.epochs=5"))
        return []
    if parts[0] not in overlay.CHANGEABLE:
        near = suggest(parts[0], ["stages", "seed", "tracking", "plugins"])
        message = f"cannot be set from here{near or '; it takes stages, seed, tracking and plugins'}"
        issues.append(Issue(place, (key,), message))
        return []
    if parts[0] == "stages" and parts[2:3] == ["matrix"] and len(parts) > 4:
        parts[3:] = [".".join(parts[3:])]  # a matrix has paths as keys: stages.train.matrix.optimizer.lr=[1e-4, 2e-4]
    try:
        plain = Node(value, place) if yamlfile.has_bytes(value) else None
        node = plain or yamlfile.compose(value, "--set") or Node(None, place)
    except PipelineError as error:
        first = error.issues[0]
        issues.append(Issue(place, (key,), f"{first.message} (column {first.place.column})"))
        return []
    node = _moved(node, place, tuple(parts))
    for depth in range(len(parts) - 1, -1, -1):
        node = Node({parts[depth]: node}, place, tuple(parts[:depth]), place)
    return [node]


def _moved(node: Node, place: Place, path: tuple[str | int, ...]) -> Node:
    value = node.value
    if isinstance(value, dict):
        value = {name: _moved(child, place, (*path, name)) for name, child in value.items()}
    elif isinstance(value, list):
        value = [_moved(child, place, (*path, i)) for i, child in enumerate(value)]
    return Node(value, place, path, place)
