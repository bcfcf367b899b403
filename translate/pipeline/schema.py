"""The frame of a pipeline file, and how a profile and `--set` change it before anything is checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, NonNegativeInt

from translate.contracts import Config
from translate.errors import ConfigError
from translate.pipeline import yamlfile
from translate.pipeline.location import Issue, Node, PipelineError, Place
from translate.plugins import KeyProblem, validate
from translate.plugins.options import show
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


class StagePatch(Config):
    """The changes that a profile makes to a stage."""

    uses: str | None = None
    """Another kind of stage; its options then replace those of the file. `null` keeps the kind."""
    options: dict[str, Any] = Field(default={}, alias="with")
    """Options that differ; mappings merge, lists and single values replace."""
    needs: dict[str, str] = {}
    """Needs that differ."""


class Profile(Config):
    """A variant of the pipeline: what differs from the file's body. A stage set to null is left out."""

    description: str = ""
    """A sentence about the variant, for readers."""
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
    """Plugins that listen to events without being named otherwise: `[acme-notify]`."""


@dataclass(frozen=True)
class Pipeline:
    """A pipeline file with its profile and `--set` applied. `issues` is what is wrong with its frame.

    Where the frame is broken, the attributes hold what could be read, so that the stages can still be checked.
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

    @property
    def title(self) -> str:
        """`maps-cyclegan` or `maps-cyclegan@quick`: the name of its folder below `runs/`."""
        return f"{self.name}@{self.profile}" if self.profile else self.name

    def stages(self) -> Iterator[tuple[str, Node]]:
        """The stages that are mappings and name what they use."""
        for name, node in (self.root.step("stages") or self.root).children().items():
            if isinstance((node.step("uses") or self.root).value, str):
                yield name, node


def load(file: Path, profile: str | None = None, sets: Sequence[str] = ()) -> Pipeline:
    """Reads a pipeline file: class defaults < file < profile < `--set`.

    Mappings merge, lists and scalars replace; a mapping that names another `uses` replaces the whole component.
    Errors: ConfigError for a file, profile or `--set` that cannot be understood; PipelineError for YAML mistakes.
    """
    root = yamlfile.read(file)
    issues: list[Issue] = []
    profiles = (root.step("profiles") or Node(None, root.place)).children()
    if profile is not None:
        if profile not in profiles:
            others = f"; the profiles are {', '.join(profiles)}" if profiles else "; it has none"
            raise ConfigError(f"{file} has no profile {profile!r}{suggest(profile, profiles) or others}")
        root = _overlay(root, profiles[profile], issues)
    for text in sets:
        root = _overlay(root, _parse_set(text), issues)
    plain = root.plain()
    frame, problems = validate(Frame, plain)
    issues += [root.issue(p.path, p.message, at_key=isinstance(p, KeyProblem)) for p in problems]
    if frame is None:
        seed = plain.get("seed", 0)
        return Pipeline(str(file), profile, root, tuple(issues), seed=seed if isinstance(seed, int) else 0)
    return Pipeline(
        str(file), profile, root, tuple(issues), tuple(profiles), frame.name, frame.seed, frame.tracking, frame.plugins
    )


def _parse_set(text: str) -> Node:
    """`stages.train.with.epochs=5` as a tree of its own, the value read as YAML."""
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"--set {text}: write KEY=VALUE, such as --set stages.train.with.epochs=5")
    if parts[0] not in ("stages", "seed", "tracking", "plugins", "description"):
        near = suggest(parts[0], ["stages", "seed", "tracking", "plugins"])
        raise ConfigError(
            f"--set {key}: cannot be set from here{near or '; it takes stages, seed, tracking and plugins'}"
        )
    place = Place(0, 0, "--set")
    try:
        node = yamlfile.compose(value, "--set") or Node(None, place)
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


def _overlay(root: Node, over: Node, issues: list[Issue]) -> Node:
    """`root` changed by a profile or a `--set`. A stage set to null is left out; a new one must say what it uses."""
    entries = dict(root.children())
    for key, node in over.children().items():
        if key == "stages" and key in entries:
            entries[key] = _stages(entries[key], node, issues)
        elif key in Frame.model_fields and key not in ("version", "name", "profiles"):
            entries[key] = _merge(entries[key], node, issues) if key in entries else node
    return Node(entries, root.place, root.path, root.key)


def _stages(base: Node, over: Node, issues: list[Issue]) -> Node:
    stages = dict(base.children())
    for name, node in over.children().items():
        if name not in stages and "uses" not in node.children():
            place = node.key or node.place
            issues.append(Issue(place, node.path, f"there is no stage {name!r}{suggest(name, stages)}"))
        elif node.value is None:
            del stages[name]
        else:
            stages[name] = _merge(stages[name], node, issues) if name in stages else node
    return Node(stages, base.place, base.path, base.key) if isinstance(base.value, dict) else base


def _merge(base: Node, over: Node, issues: list[Issue]) -> Node:
    old, new = base.value, over.value
    if isinstance(old, list) and isinstance(new, dict) and not over.place.line:
        return _items(base, new, issues)
    if not (isinstance(old, dict) and isinstance(new, dict)):
        if isinstance(new, dict) and not over.place.line and old is not None:
            issues.append(Issue(over.place, over.path, f"is {show(base.plain())} in the file and has no keys to set"))
            return base
        return over
    if "uses" in old and "uses" in new and old["uses"].value != new["uses"].value:
        return over
    entries = dict(old)
    for name, node in new.items():
        entries[name] = _merge(old[name], node, issues) if name in old else node
    return Node(entries, base.place, base.path, base.key)


def _items(base: Node, new: dict[str, Node], issues: list[Issue]) -> Node:
    """A list of the file with the items replaced that `--set` names by number, from 0."""
    assert isinstance(base.value, list)
    items = list(base.value)
    for name, node in new.items():
        if name.isdigit() and int(name) < len(items):
            items[int(name)] = _merge(items[int(name)], node, issues)
        else:
            issues.append(Issue(node.place, node.path, f"the list has items 0 to {len(items) - 1}"))
    return Node(items, base.place, base.path, base.key)
