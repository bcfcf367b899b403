"""Data: where images come from, and how they are changed before a network sees them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from translate.contracts.options import C, Configured
from translate.contracts.sides import DataKind, Frames, Image, Labels, Side, Sides

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class DataSpec:
    """The part of the prepared data that a method or a metric is told.

    `data` is given as a `Sides` or by the name of a usual declaration. `sides` has the same with everything filled in.
    """

    data: Sides
    """The sides, with what is said of each: channels, class names, sizes."""
    channels: Mapping[str, int]
    """Channels of each image side: 1 (grey), 3 (RGB), or any number of bands; 1 for label maps."""
    size: tuple[int, int]
    """(height, width) in pixels of a training batch, after augmentation; (0, 0) where that is not known."""
    classes: tuple[str, ...] = ()
    """Names of the classes of label maps, by index."""
    palette: tuple[tuple[int, int, int], ...] = ()
    """Colour of each class, RGB from 0 to 255, where the data has labels or a legend."""
    called: Mapping[str, str] = field(default_factory=dict)
    """Names of a method's directions, and what they are called for this data: `{a_to_b: b_to_a}` where its preparation
    swapped the sides of pairs, `{a_to_b: map_to_photo}` where sides have names. A method is told its own name."""

    if TYPE_CHECKING:

        def __init__(
            self,
            data: Sides | DataKind,
            channels: Mapping[str, int],
            size: tuple[int, int],
            classes: tuple[str, ...] = (),
            palette: tuple[tuple[int, int, int], ...] = (),
            called: Mapping[str, str] = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", Sides.of(self.data))

    @property
    def kind(self) -> str | None:
        """The name of the usual declaration that the sides match, such as `paired`; None without one."""
        return self.data.kind

    @property
    def sides(self) -> Sides:
        """The sides with their channels and the names of classes filled in."""
        return self.data.filled(**{name: self._filled(name, side) for name, side in self.data.types.items()})

    def _filled(self, name: str, side: Side) -> Side:
        if isinstance(side, Image | Frames) and side.channels is None:
            return replace(side, channels=self.channels.get(name))
        if isinstance(side, Labels) and not side.classes:
            return replace(side, classes=self.classes, palette=self.palette)
        return side

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON, as bundles keep them."""
        data = self.data.to_json()
        return {
            # a usual declaration stands under the name that bundles have always had
            **({"kind": data} if isinstance(data, str) else {"data": data}),
            "channels": dict(self.channels),
            "size": list(self.size),
            "classes": list(self.classes),
            "palette": [list(c) for c in self.palette],
            **({"called": dict(self.called)} if self.called else {}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> DataSpec:
        """Reads what `to_json` wrote; other keys are left out. Errors: KeyError for a missing one."""
        palette = tuple((int(r), int(g), int(b)) for r, g, b in value["palette"])
        height, width = value["size"]
        data = Sides.of(value["data"] if "data" in value else value["kind"])
        return cls(
            data,
            dict(value["channels"]),
            (height, width),
            tuple(value["classes"]),
            palette,
            dict(value.get("called", {})),
        )


@dataclass(frozen=True)
class SourceFacts:
    """The promise of a source, before any image is read.

    `data` is given as a `Sides` or by the name of a usual declaration.
    """

    data: Sides
    """The sides of its data; those of classes with the names of all classes."""
    splits: tuple[str, ...]
    """Names of its splits, such as `("train", "test")`, in the order in which they are prepared."""
    pairs: frozenset[str] = frozenset()
    """Splits whose sides share keys and show the same thing, so that metrics of pairs make sense there."""
    classes: tuple[str, ...] = ()
    """Names of the classes of label maps, by index."""
    palette: tuple[tuple[int, int, int], ...] = ()
    """Colour of each class, RGB from 0 to 255."""

    if TYPE_CHECKING:

        def __init__(
            self,
            data: Sides | DataKind,
            splits: tuple[str, ...],
            pairs: frozenset[str] = frozenset(),
            classes: tuple[str, ...] = (),
            palette: tuple[tuple[int, int, int], ...] = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", Sides.of(self.data))

    @property
    def kind(self) -> str | None:
        """The name of the usual declaration that the sides match, such as `paired`; None without one."""
        return self.data.kind


@dataclass(frozen=True)
class Record:
    """One image of a source, or what else belongs to one: its class, its numbers. A key without a record on an optional
    side has none."""

    key: str
    """Its name within a split and side: a relative path without suffix, such as `2019/berlin`."""
    side: str
    """Side of the data that it belongs to, one of the source's `data`."""
    origin: str
    """What an error message calls it: a path, or `path (left half)`."""
    load: Callable[[], Any]
    """Reads it. An image: H x W x C, uint8, uint16 or float32, already upright; C = 1 (grey, class indices), 2 (grey,
    alpha), 3 (RGB), 4 (RGBA), or any number of bands; two or four of these where the source's side says so
    (`Image(channels=4)`). Frames: the same with the number of frames in front. A class: its index or its name. A
    vector: its numbers. Errors: DataError. It may run in any thread."""
    group: str = ""
    """What it must stay together with in random splits, such as a patient; empty: nothing but its key."""


class Source(Configured[C], ABC):
    """Where images come from: folders, side-by-side files, a dataset card, a generator.

    `self.config` holds its options; `self.seed` decides all that it draws.
    """

    def __init__(self, config: C, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    @abstractmethod
    def facts(self) -> SourceFacts:
        """States what is known before any image is read.

        It is asked often, by `translate check` too: list folders, but open no image. Errors: ConfigError or DataError
        that name what is missing.
        """

    @abstractmethod
    def records(self, split: str) -> Iterable[Record]:
        """All images of one split, sides in any order, sorted by key within a side.

        `split` is one of `facts().splits`. Nothing is decoded before `Record.load`. Errors: DataError.
        """

    def inputs(self) -> Iterable[Path]:
        """Files and folders whose content decides the images: when it changes, the data is prepared anew."""
        return ()

    def notes(self) -> Iterable[str]:
        """Sentences on what was left out, asked for once all records were listed: files that are no images."""
        return ()


class Transform(Configured[C], ABC):
    """A change of images on the CPU, before they become tensors.

    Deterministic ones may stand under `transforms` of `preprocess`; both kinds under `augment` of `train`.
    """

    random: bool = False
    """True where it draws: it changes an image differently each time. A fact of the class, or of an instance whose
    options decide it."""

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def __call__(self, images: dict[str, np.ndarray[Any, Any]], seed: int) -> dict[str, np.ndarray[Any, Any]]:
        """The changed images.

        `images` by side, H x W x C, uint8, uint16 or float32 (label maps: H x W, class indices), are of one size,
        and all of them get the same geometry. The frames of a side are images of their own, named `SIDE.0`,
        `SIDE.1`, ... `seed` decides all draws. Errors: DataError for images that it cannot take.
        """

    def size(self, before: tuple[int, int] | None) -> tuple[int, int] | None:
        """(height, width) in pixels after this transform, for an image of that size `before` it (None: of any size).

        None where it depends on the image. Errors: DataError for a size that it cannot take.
        """
        return before
