"""A prepared dataset on disk: `<split>/<side>/<key>.png` and `dataset.json`, which says what it holds.

Images of many bands, or of float32, are `.tif`; frames are `<key>.0.png`, `<key>.1.png`, ... Classes and vectors stand
in `dataset.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from translate.contracts import (
    MISSING,
    Class,
    DatasetFacts,
    DataSpec,
    Frames,
    Image,
    Labels,
    Side,
    Transform,
    Vector,
)
from translate.errors import ContractError, DataError
from translate.imaging.convert import scaled, stated_ranges
from translate.imaging.decode import read
from translate.redact import redacted
from translate.storage.atomic import write_json

INDEX = "dataset.json"
_PLAIN = Image()


def normalise(values: Tensor, side: Side = _PLAIN) -> Tensor:
    """Values as files have them to float32 in [-1, 1], on the tensor's own device.

    uint8 spans 0 to 255, int32 and uint16 0 to 65535, unless `side` states a range: what lies outside is clipped.
    `values` is ... x C x H x W. Float32 has a stated range in any case; floats of a side of integers, which no file
    has, are in [-1, 1] already.
    """
    if values.is_floating_point() and getattr(side, "dtype", None) != "float32":
        return values
    ranges = stated_ranges(side)
    if ranges is None:
        half = 127.5 if values.dtype == torch.uint8 else 32767.5
        return values.to(torch.float32).div_(half).sub_(1.0)
    return scaled(values, ranges)


def to_tensor(array: np.ndarray[Any, Any]) -> Tensor:
    """H x W x C to a tensor C x H x W, uint8, int32 (16 bits) or float32; a label map H x W to long H x W."""
    if array.ndim == 2:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64))
    dtype = np.int32 if array.dtype == np.uint16 else array.dtype  # torch computes nothing in uint16
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1), dtype=dtype))


Keys = Mapping[str, Mapping[str, list[str]]]
"""Keys by split and side, sorted."""
Values = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Classes (indices) and vectors (lists of numbers) by split, side and key."""


def write_index(
    folder: Path,
    facts: Mapping[str, Any],
    keys: Keys,
    extent: Mapping[str, list[list[int]]],
    values: Values | None = None,
) -> None:
    """Writes `dataset.json`, last of all: a folder that has it is complete.

    `facts` are those of `DatasetFacts.to_json`; `extent` by split: smallest and largest [height, width], each axis on
    its own.
    """
    index = {"facts": redacted(dict(facts)), "extent": extent, "keys": keys}
    write_json(folder / INDEX, {**index, "values": values} if values else index)


def file_names(side: Side, key: str) -> list[str]:
    """The files of a key below the folder of its side; none for a class or a vector, which stand in the index."""
    if isinstance(side, Labels):
        return [f"{key}.png"]
    if isinstance(side, Image):
        return [f"{key}{suffix(side)}"]
    if isinstance(side, Frames):
        return [f"{key}.{number}{suffix(side.each)}" for number in range(side.count)]
    return []


def suffix(image: Image) -> str:
    """`.png` for grey or colour of 8 or 16 bits, which every viewer shows; else `.tif`."""
    return ".png" if image.channels in (None, 1, 3) and image.dtype != "float32" else ".tif"


class Dataset:
    """A prepared dataset. Errors of all methods: DataError."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        try:
            index = json.loads((self.folder / INDEX).read_text("utf-8"))
            self.facts = DatasetFacts.from_json(index["facts"])
            self._keys: dict[str, dict[str, list[str]]] = index["keys"]
            self._extent: dict[str, list[list[int]]] = index["extent"]
            self._values: Values = index.get("values", {})
            self.types = self.facts.sides
        except FileNotFoundError:
            raise DataError(
                f"{self.folder}: not a prepared dataset ({INDEX} is missing); run its preprocess stage"
            ) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ContractError) as error:
            raise DataError(f"{self.folder / INDEX}: cannot be read: {error}; run its preprocess stage again") from None

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def sides(self, split: str) -> tuple[str, ...]:
        return tuple(self._split(split))

    def pairs(self, split: str) -> bool:
        """Whether equal keys of this split show the same thing."""
        self._split(split)
        return split in self.facts.pairs

    def keys(self, split: str, side: str) -> list[str]:
        """The keys of one side, sorted."""
        sides = self._split(split)
        if side not in sides:
            raise DataError(f"{self.folder}: split {split!r} has no side {side!r}; there are {', '.join(sides)}")
        return sides[side]

    def path(self, split: str, side: str, key: str) -> Path:
        """The file of an image or a label map; of frames the first."""
        return self.folder / split / side / file_names(self.types[side], key)[0]

    def array(self, split: str, side: str, key: str) -> np.ndarray[Any, Any]:
        """An image H x W x C, uint8, uint16 or float32; a label map H x W x 1; frames F x H x W x C."""
        kind = self.types[side]
        if isinstance(kind, Frames):
            names = file_names(kind, key)
            return np.stack([read(self.folder / split / side / name).pixels for name in names])
        return read(self.path(split, side, key), indices=isinstance(kind, Labels)).pixels

    def value(self, split: str, side: str, key: str) -> Tensor:
        """A class, long without axes, or a vector, float32; `MISSING`, or not a number, where the key has none."""
        kind, value = self.types[side], self._values.get(split, {}).get(side, {}).get(key)
        if isinstance(kind, Class):
            return torch.tensor(MISSING if value is None else int(value))
        assert isinstance(kind, Vector)
        size = kind.size or 0
        return torch.tensor([float("nan")] * size if value is None else value, dtype=torch.float32)

    def tensor(self, split: str, side: str, key: str) -> Tensor:
        """What a batch has of one key: C x H x W, float32 in [-1, 1]; labels H x W, long; frames F x C x H x W; a class
        or a vector as `value`."""
        kind = self.types[side]
        if isinstance(kind, Class | Vector):
            return self.value(split, side, key)
        array = self.array(split, side, key)
        if isinstance(kind, Labels):
            return to_tensor(array[..., 0])
        if isinstance(kind, Frames):
            return normalise(torch.stack([to_tensor(frame) for frame in array]), kind)
        return normalise(to_tensor(array), kind)

    def seeded(self, seed: int) -> AbstractContextManager[None]:
        """The context in which a batch is read; files draw nothing at random."""
        return nullcontext()

    def spec(self, size: tuple[int, int]) -> DataSpec:
        """What a method may know, for batches of `size` (height, width)."""
        return self.facts.spec(size)

    def batch_size_of(self, augment: Sequence[Transform[Any]] = (), split: str = "train") -> tuple[int, int]:
        """(height, width) of every image of a split after the `augment` chain; DataError where images would differ."""
        self._split(split)
        smallest, largest = ((int(h), int(w)) for h, w in self._extent[split])
        after, _ = (_chain(augment, size) for size in (smallest, largest))  # a crop refuses what is too small for it
        size = after if smallest == largest else _chain(augment, None)
        if size is None:
            raise DataError(
                f"{self.folder}: images of {split!r} differ in size ({_hw(smallest)} to {_hw(largest)}) even after "
                "`augment`; add `resize` to the transforms of preprocess, or `random-crop` to augment"
            )
        return size

    def _split(self, split: str) -> dict[str, list[str]]:
        if split not in self._keys:
            raise DataError(f"{self.folder}: no split {split!r}; there are {', '.join(self._keys)}")
        return self._keys[split]


def _chain(augment: Iterable[Transform[Any]], size: tuple[int, int] | None) -> tuple[int, int] | None:
    for transform in augment:
        size = transform.size(size)
    return size


def _hw(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]}"
