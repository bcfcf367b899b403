"""Data of Python in the place of a prepared dataset on disk: a training draws from it without a copy."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from translate.contracts import IGNORE, Class, DatasetFacts, Frames, Image, Labels, Side, Sides, Vector
from translate.contracts.sides import side_in_words, side_mismatch
from translate.data.dataset import Dataset, normalise, to_tensor
from translate.errors import ConfigError, DataError
from translate.scripting.items import Items, checked
from translate.seeding import derive
from translate.text import suggest

Array = np.ndarray[Any, Any]

LOOKED_AT = 8
"""Items that are looked at before the training begins."""


class PythonDataset(Dataset):
    """The splits of somebody's data, with the sides that a method declares.

    All images of a side have the shape of the first one. Images are uint8, or float32 in [-1, 1]: a model of either
    takes files of 8 bits, of which 0 and 255 become -1 and 1. `given` says more of sides: the names of classes.
    What items draw at random from the generators of torch, numpy and Python is seeded by the step, so that a training
    that goes on draws the same. Errors: ConfigError (a side of classes without names), DataError naming item and side.
    """

    def __init__(self, splits: Mapping[str, Items], declared: Sides, given: Mapping[str, Side]) -> None:
        self.folder = Path("data")
        self._items = splits
        self._seeded = False
        self._shapes: dict[str, tuple[torch.Size, bool]] = {}
        first = splits["train"]
        with self.seeded(derive(0, "first")):
            self.types = _filled(declared, given, first)
            height, width = self._first_size()
        self._keys = {split: {side: _keys(items.count(side)) for side in self.types} for split, items in splits.items()}
        self._extent = {split: [[height, width], [height, width]] for split in splits}
        self._values = {}
        self.facts = self._facts((height, width))

    def looked_through(self) -> list[str]:
        """Reads the first items of all splits, and returns what is odd about them. Errors: DataError."""
        positive: dict[str, bool] = {}
        for split, items in self._items.items():
            for side, kind in self.types.items():
                for index in range(min(LOOKED_AT, items.count(side))):
                    tensor = self.tensor(split, side, self._keys[split][side][index])
                    if isinstance(kind, Image) and self._shapes[side][1]:
                        positive[side] = positive.get(side, True) and bool(tensor.min() >= 0)
        remark = f"no value of the first {LOOKED_AT} images is below 0; floats are in [-1, 1], and not in [0, 1]"
        return [f"side {side!r}: {remark}" for side in positive if positive[side]]

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """Lends the global generators of torch, numpy and Python to items, and puts them back."""
        if self._seeded:  # a draw within a step, which is seeded already
            yield
            return
        of_python, of_numpy = random.getstate(), np.random.get_state()
        self._seeded = True
        for items in self._items.values():
            items.forget()
        try:
            with torch.random.fork_rng([]):
                torch.manual_seed(seed)
                random.seed(seed)
                np.random.seed(seed % 2**32)
                yield
        finally:
            self._seeded = False
            random.setstate(of_python)
            np.random.set_state(of_numpy)

    def path(self, split: str, side: str, key: str) -> Path:
        """What messages call an image."""
        return Path(self._items[split].where(int(key), side))

    def array(self, split: str, side: str, key: str) -> Array:
        """An image H x W x C, uint8 or float32 in [-1, 1]; a label map H x W x 1; frames F x H x W x C."""
        kind = self.types[side]
        if isinstance(kind, Labels):
            return self._label_map(split, side, int(key)).numpy()[..., None]
        return self._picture(split, side, int(key)).movedim(-3, -1).contiguous().numpy()

    def value(self, split: str, side: str, key: str) -> Tensor:
        """A class, long without axes, or a vector, float32."""
        return self._checked(split, side, int(key))

    def tensor(self, split: str, side: str, key: str) -> Tensor:
        """What a batch has of one key; what the item draws at random is the same each time."""
        kind = self.types[side]
        with self.seeded(derive(0, split, key)):
            if isinstance(kind, Class | Vector):
                return self.value(split, side, key)
            array = self.array(split, side, key)
        if isinstance(kind, Labels):
            return to_tensor(array[..., 0])
        pixels = torch.stack([to_tensor(frame) for frame in array]) if array.ndim == 4 else to_tensor(array)
        return normalise(pixels, kind)

    def _checked(self, split: str, side: str, index: int) -> Tensor:
        items = self._items[split]
        value = items.get(index, side)
        if value is None and not self.types[side].optional:
            raise DataError(items.missing(index, side))
        return checked(value, self.types[side], items.where(index, side))

    def _picture(self, split: str, side: str, index: int) -> Tensor:
        """An image or frames, of the shape and the type of the first one."""
        tensor = self._checked(split, side, index)
        shape, is_float = self._shapes.setdefault(side, (tensor.shape, tensor.is_floating_point()))
        if tensor.shape != shape:
            raise DataError(
                f"{self._items[split].where(index, side)}: {_by(tensor.shape)}, and the first image of the side is "
                f"{_by(shape)}; bring all to one size"
            )
        if tensor.is_floating_point() != is_float:
            forms = ("float", "uint8") if is_float else ("uint8", "float")
            raise DataError(
                f"{self._items[split].where(index, side)}: {forms[1]}, and the first image of the side is {forms[0]}"
            )
        return tensor

    def _label_map(self, split: str, side: str, index: int) -> Tensor:
        """A label map in the size of the images; one of no class where an item of an optional side has none."""
        items = self._items[split]
        if items.get(index, side) is None and self.types[side].optional:
            return torch.full(self._first_size(), IGNORE)
        tensor = self._checked(split, side, index)
        if tuple(tensor.shape) != self._first_size(side):
            raise DataError(
                f"{items.where(index, side)}: {_by(tensor.shape)}, and the images that it belongs to are "
                f"{_by(self._first_size(side))}"
            )
        return tensor

    def _first_size(self, side: str | None = None) -> tuple[int, int]:
        """(height, width) of the first picture, of those that belong together with `side`. Errors: DataError."""
        group = self.types.group_of(side) if side else tuple(self.types)
        pictures = [name for name in group if isinstance(self.types[name], Image | Frames)]
        sizes = {name: (self._picture("train", name, 0).shape[-2:]) for name in pictures if name not in self._shapes}
        sizes |= {name: shape[-2:] for name, (shape, _) in self._shapes.items() if name in pictures}
        for together in self.types.groups:
            of_group = {name: tuple(size) for name, size in sizes.items() if name in together}
            if len(set(of_group.values())) > 1:
                listed = " and ".join(f"{name!r} of {_by(size)}" for name, size in of_group.items())
                raise DataError(f"item 0 of the data: images of two sizes, {listed}; bring those of an item to one")
        if not sizes:
            side = next(name for name, kind in self.types.items() if isinstance(kind, Labels))
            sizes[side] = self._checked("train", side, 0).shape
        height, width = next(iter(sizes.values()))
        return int(height), int(width)

    def _facts(self, size: tuple[int, int]) -> DatasetFacts:
        labels = next((kind for kind in self.types.types.values() if isinstance(kind, Labels)), Labels())
        splits = tuple(self._items)
        joined = bool(self.types.together) or self.types.kind == "single"
        channels = {side: shape[-3] for side, (shape, _) in self._shapes.items()}
        channels |= {side: 1 for side, kind in self.types.items() if isinstance(kind, Labels)}
        more = {
            side: replace(kind, channels=channels[side], dtype="uint8")
            for side, kind in self.types.items()
            if isinstance(kind, Frames) or (isinstance(kind, Image) and channels[side] not in (1, 3))
        }
        return DatasetFacts(
            data=self.types,
            splits=splits,
            pairs=splits if joined else (),
            classes=labels.classes,
            palette=labels.palette,
            types=more,
            channels=channels,
            counts={split: {side: len(keys) for side, keys in sides.items()} for split, sides in self._keys.items()},
            size=size,
            bits=8,
        )


def _filled(declared: Sides, given: Mapping[str, Side], first: Items) -> Sides:
    """The sides that a method declares and the data has, with the names of classes and the numbers of vectors."""
    for side, kind in given.items():
        if side not in declared:
            raise ConfigError(f"sides: the method has no side {side!r}{suggest(side, declared)}; {declared.in_words()}")
        if why := side_mismatch(declared[side], kind):
            raise ConfigError(f"sides: {side!r} {why}")
    types: dict[str, Side] = {}
    for side, kind in declared.types.items():
        if side not in first.sides and not kind.optional:
            raise DataError(first.missing(0, side))
        if side in first.sides or (side in given and first.count(side)):
            types[side] = _complete(side, given.get(side, kind), first)
    return Sides(types, declared.only(list(types)).together)


def _complete(side: str, kind: Side, first: Items) -> Side:
    if isinstance(kind, Class) and not kind.names:
        raise ConfigError(_unnamed(side, kind, 'translate.Class(("day", "night"))'))
    if isinstance(kind, Labels) and not kind.classes:
        raise ConfigError(_unnamed(side, kind, 'translate.Labels(("road", "car", "sky"))'))
    if isinstance(kind, Vector) and kind.size is None:
        return replace(kind, size=len(checked(first.get(0, side), kind, first.where(0, side))))
    return kind


def _unnamed(side: str, kind: Side, example: str) -> str:
    return f"side {side!r} is a {side_in_words(kind)}: say which classes there are, sides={{{side!r}: {example}}}"


def _keys(count: int) -> list[str]:
    """The numbers of the items as text, which sorts as they do."""
    return [f"{number:09d}" for number in range(count)]


def _by(shape: Any) -> str:
    return " x ".join(map(str, shape))
