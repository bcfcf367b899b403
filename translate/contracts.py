"""What a plugin author subclasses: methods, losses, metrics, sources, transforms, stages; and what they exchange."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, model_serializer, model_validator

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

CONTRACT = 1
"""The version of this contract. It is raised when a plugin written for the previous one would no longer work."""

DataKind = Literal["paired", "unpaired", "single", "labelled", "attribute"]
ComponentKind = Literal["methods", "networks", "losses", "metrics", "sources", "transforms", "stages"]

SIDES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "paired": ("input", "target"),
        "unpaired": ("a", "b"),
        "single": ("image",),
        "labelled": ("image", "label"),
        "attribute": ("with", "without"),
    }
)
"""The keys of a batch, in order, per kind of data. Images are N x C x H x W in [-1, 1]; `label` is long, N x H x W."""

JOINED: frozenset[str] = frozenset({"paired", "labelled"})
"""Kinds of data whose sides belong together image by image: same key, same size, same random geometry."""


# ---------------------------------------------------------------------------------------------------------- options


class Config(BaseModel):
    """Options of a component, as written under `with:`, `options:` or beside `uses:`. Immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, arbitrary_types_allowed=False)


C = TypeVar("C", bound=Config)


class NoOptions(Config):
    """For a component without options."""


class Use(BaseModel):
    """A component by name with its options: `resnet_9`, or `{uses: resnet, blocks: 9}`.

    The options are checked against the component's own `Config` when the pipeline is checked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: ClassVar[ComponentKind]
    uses: str
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"uses": value}
        if isinstance(value, dict) and "uses" in value and set(value) != {"uses", "options"}:
            return {"uses": value["uses"], "options": {k: v for k, v in value.items() if k != "uses"}}
        return value

    @model_serializer
    def _to_yaml(self) -> dict[str, Any]:
        return {"uses": self.uses, **self.options}


class NetworkUse(Use):
    kind = "networks"


class LossUse(Use):
    kind = "losses"


class MetricUse(Use):
    kind = "metrics"


class SourceUse(Use):
    kind = "sources"


class TransformUse(Use):
    kind = "transforms"


class Configured(Generic[C]):
    """A component with options: `class Blur(Transform[BlurConfig])` makes `Blur.Config` and `blur.config`."""

    Config: ClassVar[type[Config]] = NoOptions
    name: ClassVar[str] = ""
    revision: ClassVar[int] = 1
    """Enters the fingerprint of every stage that uses the component; raise it when its results change."""

    config: C

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in cls.__dict__.get("__orig_bases__", ()):
            if isinstance(get_origin(base), type) and issubclass(get_origin(base), Configured):
                for argument in get_args(base):
                    if isinstance(argument, type) and issubclass(argument, Config):
                        cls.Config = argument


# ------------------------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class DataSpec:
    """What a method may know about the prepared data.

    `channels` per side; `size` (height, width) of a training batch, after augmentation; `classes` and `palette`
    (RGB, 0 to 255) where the data has labels or a legend.
    """

    kind: DataKind
    channels: Mapping[str, int]
    size: tuple[int, int]
    classes: tuple[str, ...] = ()
    palette: tuple[tuple[int, int, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "channels": dict(self.channels),
            "size": list(self.size),
            "classes": list(self.classes),
            "palette": [list(c) for c in self.palette],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> DataSpec:
        palette = tuple((int(r), int(g), int(b)) for r, g, b in value["palette"])
        height, width = value["size"]
        return cls(value["kind"], dict(value["channels"]), (height, width), tuple(value["classes"]), palette)


@dataclass(frozen=True)
class SourceFacts:
    """What a source promises before any image is read.

    `splits` names the splits it has; `pairs` those whose sides share keys and show the same thing, so that paired
    metrics make sense there; `classes` and `palette` as in `DataSpec`.
    """

    kind: DataKind
    splits: tuple[str, ...]
    pairs: frozenset[str] = frozenset()
    classes: tuple[str, ...] = ()
    palette: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class Record:
    """One image of a source: which side it belongs to, its key (a relative path without suffix), and how to read it.

    `load` returns H x W x C, uint8 or uint16, channels grey / RGB / RGBA, already upright. `origin` is what an error
    message calls it: a path, or `path (left half)`.
    """

    key: str
    side: str
    origin: str
    load: Callable[[], np.ndarray[Any, Any]]


class Source(Configured[C], ABC):
    """Where images come from: folders, side-by-side files, a dataset card, a generator."""

    def __init__(self, config: C, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    @abstractmethod
    def facts(self) -> SourceFacts:
        """What can be known before any image is read. Errors: ConfigError or DataError."""

    @abstractmethod
    def records(self, split: str) -> Iterable[Record]:
        """All images of one split, sides in any order, sorted by key within a side. Errors: DataError."""

    def inputs(self) -> Iterable[Path]:
        """Files and folders whose content belongs to the fingerprint."""
        return ()

    def notes(self) -> Iterable[str]:
        """What was found and left out, said once all records were listed: files that are no images, absent splits."""
        return ()


class Transform(Configured[C], ABC):
    """A change of images on the CPU, before they become tensors.

    Deterministic ones (`random = False`) may stand under `transforms` of `preprocess`; both kinds under `augment`.
    """

    random: ClassVar[bool] = False

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def __call__(self, images: dict[str, np.ndarray[Any, Any]], seed: int) -> dict[str, np.ndarray[Any, Any]]:
        """Images by side, H x W x C (`label`: H x W): all get the same geometry. `seed` decides all draws."""

    def size(self, before: tuple[int, int] | None) -> tuple[int, int] | None:
        """(height, width) after this transform, None where it depends on the image."""
        return before


class Metric(Configured[C], ABC):
    """A score of output images. Images are float32, C x H x W, in [0, 1], already rounded to the file's bit depth."""

    better: ClassVar[Literal["higher", "lower"]] = "lower"
    paired: ClassVar[bool] = True
    """True: output i is compared with reference i. False: two sets are compared, of any two sizes."""
    unit: ClassVar[str] = ""

    def __init__(self, config: C, spec: DataSpec | None = None) -> None:
        self.config = config
        self.spec = spec

    @abstractmethod
    def score(self, outputs: Sequence[Tensor], references: Sequence[Tensor]) -> float:
        """The score of a set. The sequences load lazily: read each item once, in order, where that is possible."""

    def best_constant(self, references: Sequence[Tensor]) -> float | None:
        """The score that the best single-coloured output would reach, the floor of a method; None where it has none."""
        return None


# ---------------------------------------------------------------------------------------------------------- methods


@dataclass(frozen=True)
class Direction:
    """One way to use a trained method.

    `nets` are the networks that it needs; `inputs` its images by name, the first being the one that is converted;
    `sides` the batch keys that play these inputs in validation (default: the first sides of the data kind); `target`
    the side that its output is compared with (default: the next side). `scale` multiplies the size. Images are padded
    to a `multiple` of pixels and cropped again (default: what the networks declare as `net.multiple`, else 4).
    """

    nets: tuple[str, ...]
    inputs: tuple[str, ...] = ("image",)
    output: Literal["image", "labels"] = "image"
    scale: int = 1
    multiple: int | None = None
    sides: tuple[str, ...] = ()
    target: str | None = None


@dataclass(frozen=True)
class TestTime:
    """How networks behave at inference.

    `dropout`: stays on (pix2pix) or off. `norm`: batch norms use their running averages (`running`) or the statistics
    of each image alone (`image`), which is what train mode does at batch size 1.
    """

    __test__ = False  # not a pytest class
    dropout: bool = False
    norm: Literal["running", "image"] = "running"


@dataclass(frozen=True)
class Update:
    """One optimizer step of one player: its named losses (scalars), and what it shows to others.

    `views` publishes tensors and functions by name, for extra losses (`on: {output: output}`) and for sample grids.
    """

    player: str
    losses: Mapping[str, Tensor]
    views: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """Where training stands: `index` counts steps from 0, `epoch` passes over the data, `updates` optimizer steps per
    player. `rng` is a generator on the device, seeded from (seed, index, rank)."""

    index: int
    epoch: int
    updates: Mapping[str, int]
    rng: torch.Generator


class Nets(Mapping[str, "nn.Module"]):
    """The networks of a method by name: `nets.gen(x)` or `nets["gen"]`."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        self._modules = dict(modules)

    def __getitem__(self, name: str) -> nn.Module:
        return self._modules[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_modules"][name]
        except KeyError:
            raise AttributeError(
                f"no network {name!r}; there are {', '.join(self.__dict__.get('_modules', ()))}"
            ) from None


class Build(Protocol):
    """Builds a network that a pipeline names: `build(self.config.generator, in_channels=3, out_channels=3)`."""

    def __call__(
        self, use: NetworkUse | str, *, in_channels: int, out_channels: int = 1, **defaults: Any
    ) -> nn.Module: ...


class Method(Configured[C], ABC):
    """A translation method: a game between players, as its paper states it.

    `players` maps a player to the names of its networks, in no order; `losses` is the whole vocabulary of loss names
    with default weights; `directions` how the trained networks are used, the first being the default.
    Networks that belong to no player hold state only (an image pool).
    """

    data: ClassVar[DataKind]
    players: ClassVar[Mapping[str, tuple[str, ...]]]
    losses: ClassVar[Mapping[str, float]]
    directions: ClassVar[Mapping[str, Direction]]
    test_time: ClassVar[TestTime] = TestTime()

    def __init__(self, config: C, spec: DataSpec, weights: Mapping[str, float]) -> None:
        self.config = config
        self.spec = spec
        self.weights = weights

    @abstractmethod
    def networks(self, build: Build) -> dict[str, nn.Module]:
        """Fresh, initialised modules on the CPU, by name."""

    @abstractmethod
    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        """One training step on one batch: yields one Update per optimizer step, in the paper's order."""

    @abstractmethod
    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: str) -> Tensor:
        """Inference on images N x C x H x W in [-1, 1]; the result likewise (labels: logits N x classes x H x W)."""

    def compose(self, output: Tensor, original: Tensor, direction: str) -> Tensor:
        """Joins output and original at full resolution (both 1 x C x H x W in [-1, 1]); default: the output."""
        return output


# ------------------------------------------------------------------------------------------------- pipeline stages


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


@dataclass(frozen=True)
class Artifact:
    """What a finished stage left: a folder, its kind, and the facts that its manifest records."""

    kind: str
    path: Path
    facts: Mapping[str, Any]
    hash: str = ""


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

    def advance(self, n: int = 1, **fields: Any) -> None: ...


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

    def __init__(self, config: C, registry: Components, seed: int = 0) -> None:
        self.config = config
        self.registry = registry
        self.seed = seed

    def check(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
        """Mistakes that show before anything runs. `parents` holds what each needed stage promises."""
        return ()

    def promise(self, parents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """What is known of the result before it exists; only called when `check` found nothing."""
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
