"""Data: where images come from, and how they are changed before a network sees them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from translate.contracts.options import C, Configured

if TYPE_CHECKING:
    import numpy as np

DataKind = Literal["paired", "unpaired", "single", "labelled", "attribute"]
"""What images belong together. `paired`: input and target of the same key; `unpaired`: two sets; `single`: images from
which inputs are made; `labelled`: images with label maps; `attribute`: images with and without an attribute."""

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

IGNORE = 255
"""The value of a pixel in a label map that belongs to no class: no loss and no score counts it."""


@dataclass(frozen=True)
class DataSpec:
    """The part of the prepared data that a method or a metric is told."""

    kind: DataKind
    """Kind of the data, which fixes its sides: see `SIDES`."""
    channels: Mapping[str, int]
    """Channels of each side: 1 (grey, label maps) or 3 (RGB)."""
    size: tuple[int, int]
    """(height, width) in pixels of a training batch, after augmentation; (0, 0) where that is not known."""
    classes: tuple[str, ...] = ()
    """Names of the classes of label maps, by index."""
    palette: tuple[tuple[int, int, int], ...] = ()
    """Colour of each class, RGB from 0 to 255, where the data has labels or a legend."""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON, as bundles keep them."""
        return {
            "kind": self.kind,
            "channels": dict(self.channels),
            "size": list(self.size),
            "classes": list(self.classes),
            "palette": [list(c) for c in self.palette],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> DataSpec:
        """Reads what `to_json` wrote; other keys are left out. Errors: KeyError for a missing one."""
        palette = tuple((int(r), int(g), int(b)) for r, g, b in value["palette"])
        height, width = value["size"]
        return cls(value["kind"], dict(value["channels"]), (height, width), tuple(value["classes"]), palette)


@dataclass(frozen=True)
class SourceFacts:
    """The promise of a source, before any image is read."""

    kind: DataKind
    """Kind of its data."""
    splits: tuple[str, ...]
    """Names of its splits, such as `("train", "test")`, in the order in which they are prepared."""
    pairs: frozenset[str] = frozenset()
    """Splits whose sides share keys and show the same thing, so that metrics of pairs make sense there."""
    classes: tuple[str, ...] = ()
    """Names of the classes of label maps, by index."""
    palette: tuple[tuple[int, int, int], ...] = ()
    """Colour of each class, RGB from 0 to 255."""


@dataclass(frozen=True)
class Record:
    """One image of a source."""

    key: str
    """Its name within a split and side: a relative path without suffix, such as `2019/berlin`."""
    side: str
    """Side of the data that it belongs to, one of `SIDES`."""
    origin: str
    """What an error message calls it: a path, or `path (left half)`."""
    load: Callable[[], np.ndarray[Any, Any]]
    """Reads it: H x W x C, uint8 or uint16, C = 1 (grey, class indices), 2 (grey, alpha), 3 (RGB) or 4 (RGBA), already
    upright. Errors: DataError. It may run in any thread."""


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

    random: ClassVar[bool] = False
    """True where it draws: it changes an image differently each time."""

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def __call__(self, images: dict[str, np.ndarray[Any, Any]], seed: int) -> dict[str, np.ndarray[Any, Any]]:
        """The changed images.

        `images` by side, H x W x C, uint8 or uint16 (`label`: H x W, class indices), are of one size, and all of them
        get the same geometry. `seed` decides all draws. Errors: DataError for images that it cannot take.
        """

    def size(self, before: tuple[int, int] | None) -> tuple[int, int] | None:
        """(height, width) in pixels after this transform, for an image of that size `before` it (None: of any size).

        None where it depends on the image. Errors: DataError for a size that it cannot take.
        """
        return before
