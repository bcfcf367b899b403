"""The conformance of sources and of transforms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import chain, pairwise
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from translate.contracts import (
    IGNORE,
    Class,
    DeviceTransform,
    Frames,
    Labels,
    Record,
    Side,
    Source,
    SourceFacts,
    Transform,
    Vector,
)
from translate.data.side_values import checked_value
from translate.errors import DataError
from translate.testing.batches import tiny_batch
from translate.testing.component import ComponentChecks
from translate.testing.report import check

Array = np.ndarray[Any, Any]
READ = 3
"""Images of each side of each split that are loaded."""
SEED = 7


def assert_source_conforms(cls: type[Source[Any]], *, options: Mapping[str, Any] | None = None) -> None:
    """Lists all records and loads a few. Errors: AssertionError that names every failed check and what to change."""
    SourceChecks(cls, options=options).demand()


def assert_transform_conforms(cls: type[Transform[Any]], *, options: Mapping[str, Any] | None = None) -> None:
    """Applies the transform to generated images of 8 and 16 bits and to labels. Errors: AssertionError."""
    TransformChecks(cls, options=options).demand()


def assert_device_transform_conforms(
    cls: type[DeviceTransform[Any]], *, options: Mapping[str, Any] | None = None
) -> None:
    """Applies the transform to a batch with labels. Errors: AssertionError."""
    DeviceTransformChecks(cls, options=options).demand()


class SourceChecks(ComponentChecks):
    """A source promises facts, lists records in order and reads each of them the same every time."""

    kind = "sources"

    @cached_property
    def facts_(self) -> SourceFacts:
        return self.made().facts()

    def made(self) -> Source[Any]:
        source: Source[Any] = self.cls(self.config(), seed=SEED)
        return source

    @cached_property
    def listed(self) -> dict[str, list[Record]]:
        source = self.made()
        return {split: list(source.records(split)) for split in self.facts_.splits}

    @check("promises facts", "options")
    def facts(self) -> Iterator[str]:
        facts = self.facts_
        if not isinstance(facts, SourceFacts):
            yield f"facts() returns {type(facts).__name__}; return translate.SourceFacts"
            return
        if not facts.splits:
            yield "facts() names no splits; a training needs 'train'"
        if unknown := sorted(facts.pairs - {*facts.splits}):
            yield f"facts() says that split {unknown[0]!r} has pairs, but its splits are {', '.join(facts.splits)}"
        if facts.palette and len(facts.palette) != len(facts.classes):
            yield f"facts() gives {len(facts.palette)} colours for {len(facts.classes)} classes; give one per class"
        for name, side in facts.data.types.items():
            if isinstance(side, Labels) and not (side.classes or facts.classes):
                yield f"facts() names no classes, and side {name!r} has label maps"
            if isinstance(side, Class) and not side.names:
                yield f"facts() names no classes of side {name!r}; give translate.Class all names"
        for path in self.made().inputs():
            if not path.exists():
                yield f"inputs() names {path.name!r}, which does not exist"

    @check("lists records by key", "facts")
    def records(self) -> Iterator[str]:
        sides = self.facts_.data
        for split, records in self.listed.items():
            if wrong := [r for r in records if not isinstance(r, Record)]:
                yield f"records({split!r}) yields {type(wrong[0]).__name__}; yield translate.Record"
                return
            if unknown := [r.side for r in records if r.side not in sides]:
                yield (
                    f"split {split!r} has a record on side {unknown[0]!r}; "
                    f"{self.facts_.kind or 'the'} data has {', '.join(sides)}"
                )
                return
            keys: dict[str, tuple[str, ...]] = {}
            for side in sides:
                names = [record.key for record in records if record.side == side]
                keys[side] = tuple(names)
                yield from _key_faults(split, side, names, optional=sides[side].optional)
            joined = [tuple(sides)] if split in self.facts_.pairs else sides.groups
            for group in joined:
                needed = [side for side in group if not sides[side].optional]
                if len({keys[side] for side in needed}) > 1:
                    others = " than on ".join(needed)
                    yield f"split {split!r} has other keys on {others}; what belongs together shares a key"

    @check("reads images", "records")
    def images(self) -> Iterator[str]:
        for split, records in self.listed.items():
            sizes: dict[str, set[tuple[int, ...]]] = {}
            for record in _few(records):
                side = self.facts_.data[record.side]
                if isinstance(side, Class | Vector):
                    yield from _value_fault(record, side)
                    continue
                image = record.load()
                if fault := _image_fault(record, image, side):
                    yield f"load() of {record.origin} {fault}"
                    return
                group = "+".join(self.facts_.data.group_of(record.side))
                sizes.setdefault(f"{group}/{record.key}", set()).add(image.shape[-3:-1])
            for place, shapes in sizes.items():
                if len(shapes) > 1:
                    key = place.partition("/")[2]
                    yield f"the sides of {split}/{key} have the sizes {sorted(shapes)}; give both the same"

    @check("reads the same every time", "images")
    def again(self) -> Iterator[str]:
        other = self.made()
        for split, records in self.listed.items():
            twice = list(other.records(split))
            if [(r.side, r.key) for r in twice] != [(r.side, r.key) for r in records]:
                yield f"records({split!r}) lists other keys the second time; sort them, draw nothing"
                return
            for record, same in reversed(list(zip(_few(records), _few(twice), strict=True))):
                if not np.array_equal(record.load(), same.load()):
                    yield (
                        f"load() of {record.origin} gives another image the second time; draw from "
                        "`numpy.random.default_rng` seeded by self.seed, the split and the key"
                    )
                    return


class TransformChecks(ComponentChecks):
    """A transform does the same to all images of a call, decided by its seed, and promises the size."""

    kind = "transforms"

    def images(self, dtype: Any = np.uint8) -> dict[str, Array]:
        draw = np.random.default_rng(0)
        top = np.iinfo(dtype).max
        picture = draw.integers(0, top, (48, 64, 3), dtype=dtype, endpoint=True)
        return {"input": picture, "target": picture.copy()}

    def labels(self) -> dict[str, Array]:
        blocks = np.kron(np.random.default_rng(1).integers(0, 4, (6, 8)), np.ones((8, 8)))
        return {"image": self.images()["input"], "label": blocks.astype(np.uint8)}

    def applied(self, images: dict[str, Array], seed: int = 1) -> dict[str, Array]:
        transform: Transform[Any] = self.cls(self.config())
        return transform(images, seed)

    @check("gives every side the same geometry", "options")
    def sides(self) -> Iterator[str]:
        for dtype in (np.uint8, np.uint16):
            images = self.images(dtype)
            copies = {side: image.copy() for side, image in images.items()}
            done = self.applied(images)
            bits = np.iinfo(dtype).bits
            if set(done) != set(images):
                yield f"it returns the sides {', '.join(done)} for {', '.join(images)}; return each side that it gets"
                return
            if any(not isinstance(image, np.ndarray) or image.ndim != 3 for image in done.values()):
                yield "it returns images that are not numpy arrays H x W x C"
                return
            if any(image.dtype != dtype for image in done.values()):
                yield f"it makes {done['input'].dtype} of images of {bits} bits; keep their type"
            elif not np.array_equal(done["input"], done["target"]):
                yield "it treats two equal images of one call differently; draw once per call"
            if any(not np.array_equal(images[side], copies[side]) for side in copies):
                yield "it changes its input in place; work on a copy"

    @check("promises the size", "sides")
    def size(self) -> Iterator[str]:
        images = self.images()
        before = images["input"].shape[0], images["input"].shape[1]
        promised = self.cls(self.config()).size(before)
        after = self.applied(images)["input"].shape[:2]
        if promised is not None and tuple(promised) != after:
            yield f"size({before}) says {promised}, but the images are {after}; say None where it depends on the image"

    @check("draws from its seed alone", "sides")
    def seeded(self) -> Iterator[str]:
        once, again, others = self.applied(self.images()), self.applied(self.images()), []
        if not _equal(once, again):
            yield "it gives other images under the same seed; draw from a generator made of `seed`"
        if not self.cls(self.config()).random:
            others = [seed for seed in range(2, 10) if not _equal(once, self.applied(self.images(), seed))]
        if others:
            yield "its images depend on the seed, but `random` is False; set `random = True`"

    @check("never blends labels", "sides")
    def classes(self) -> Iterator[str]:
        images = self.labels()
        done = self.applied(images)
        if done["label"].shape != done["image"].shape[:2]:
            yield f"it makes a label map {done['label'].shape} for an image {done['image'].shape}; change both alike"
        elif new := sorted({*np.unique(done["label"]).tolist()} - {*np.unique(images["label"]).tolist(), IGNORE}):
            yield f"it makes labels {new[:3]} that were not there; interpolate labels by `nearest`, leave colours alone"


class DeviceTransformChecks(ComponentChecks):
    """A transform of batches does the same to all sides, decided by its seed, and promises the size."""

    kind = "device_transforms"

    def batch(self) -> dict[str, Tensor]:
        """Two equal images, and labels of two classes that leave a gap, so that a blend of them shows."""
        images = tiny_batch("single", size=48, seed=0)["image"]
        blocks = torch.arange(36).reshape(6, 6) % 2 * 3
        labels = blocks.repeat_interleave(8, 0).repeat_interleave(8, 1).expand(len(images), 48, 48)
        return {"input": images, "target": images.clone(), "label": labels.contiguous()}

    def applied(self, seed: int = 1) -> dict[str, Tensor]:
        transform: DeviceTransform[Any] = self.cls(self.config())
        return transform(self.batch(), seed)

    @check("gives every side the same geometry", "options")
    def sides(self) -> Iterator[str]:
        batch, done = self.batch(), self.applied()
        if set(done) != set(batch):
            yield f"it returns the sides {', '.join(done)} for {', '.join(batch)}; return each side that it gets"
            return
        if not torch.equal(done["input"], done["target"]):
            yield "it treats two equal images of one call differently; draw once per call"
        if done["input"].dtype != torch.float32 or done["input"].abs().max() > 1:
            yield "its images are not float32 in [-1, 1]"
        if done["label"].dtype != torch.long or done["label"].shape[1:] != done["input"].shape[2:]:
            yield f"it makes labels {tuple(done['label'].shape)} of {done['label'].dtype}; long, of the images' size"
        elif new := sorted({*done["label"].flatten().tolist()} - {0, 3, IGNORE}):
            yield f"it makes labels {new[:3]} that were not there; interpolate labels by `nearest`, leave colours alone"

    @check("draws from its seed alone", "sides")
    def seeded(self) -> Iterator[str]:
        torch.manual_seed(1)
        once = self.applied()
        torch.manual_seed(2)
        if not all(map(torch.equal, once.values(), self.applied().values())):
            yield "it gives other images under the same seed; draw from a torch.Generator made of `seed`"

    @check("promises the size", "sides")
    def size(self) -> Iterator[str]:
        promised, after = self.cls(self.config()).size((48, 48)), tuple(self.applied()["input"].shape[2:])
        if tuple(promised) != after:
            yield f"size((48, 48)) says {promised}, but the images are {after}"


def _key_faults(split: str, side: str, keys: list[str], *, optional: bool) -> Iterator[str]:
    if not keys and not optional:
        yield f"split {split!r} has no images on side {side}; leave the split out of facts(), or fill it"
    if keys != sorted(keys):
        one, other = next((a, b) for a, b in pairwise(keys) if a > b)
        yield f"split {split!r} lists {one!r} before {other!r} on side {side}; sort by key"
    if len({*keys}) < len(keys):
        yield f"split {split!r} has a key twice on side {side}; keys are the names of files"
    for key in keys:
        if not key or PurePosixPath(key).is_absolute() or ".." in PurePosixPath(key).parts or "\\" in key:
            yield f"{key!r} is no key; keys are relative paths with '/', without suffix"
            return


def _few(records: list[Record]) -> list[Record]:
    """The first few records of each side."""
    by_side: dict[str, list[Record]] = {}
    for record in records:
        of_side = by_side.setdefault(record.side, [])
        if len(of_side) < READ:
            of_side.append(record)
    return list(chain.from_iterable(by_side.values()))


def _value_fault(record: Record, side: Side) -> Iterator[str]:
    """Says what is wrong with a class or a vector."""
    try:
        checked_value(side, record)
    except DataError as error:
        yield f"load() of {record.origin}: {error}"


def _image_fault(record: Record, image: Any, side: Side) -> str:
    """Says what is wrong with an image, a label map or frames; empty where nothing is."""
    if not isinstance(image, np.ndarray) or image.dtype not in (np.uint8, np.uint16, np.float32):
        kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        return f"gives {kind}; give a numpy array of uint8, uint16 or float32"
    if isinstance(side, Frames):
        right = image.ndim == 4 and len(image) == side.count
        return "" if right else f"gives shape {image.shape}; these frames are {side.count} x H x W x C"
    if image.ndim != 3 or 0 in image.shape:
        return f"gives shape {image.shape}; images are H x W x C"
    if isinstance(side, Labels) and image.shape[2] != 1:
        return f"gives a label map of {image.shape[2]} channels; labels are class indices H x W x 1"
    return ""


def _equal(one: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    return all(np.array_equal(one[side], other[side]) for side in one)
