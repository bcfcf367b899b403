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
