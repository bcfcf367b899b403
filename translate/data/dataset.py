"""A prepared dataset on disk: `<split>/<side>/<key>.png` and `dataset.json`, which says what it holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from translate.contracts import DataKind, DatasetFacts, DataSpec, Transform
from translate.errors import ContractError, DataError
from translate.imaging.io import read
from translate.storage.atomic import write_json

INDEX = "dataset.json"


def normalise(values: Tensor) -> Tensor:
    """uint8 (0 to 255), or int32 and uint16 (0 to 65535), to float32 in [-1, 1], on the tensor's own device."""
    half = 127.5 if values.dtype == torch.uint8 else 32767.5
    return values.to(torch.float32).div_(half).sub_(1.0)


def to_tensor(array: np.ndarray[Any, Any], side: str) -> Tensor:
    """H x W x C to a tensor C x H x W, uint8 or int32 (16 bits); the side `label` to long H x W."""
    if side == "label":
        return torch.from_numpy(np.ascontiguousarray(array.reshape(array.shape[:2]), dtype=np.int64))
    wide = array.dtype == np.uint16
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1), dtype=np.int32 if wide else np.uint8))


def write_index(
    folder: Path, facts: Mapping[str, Any], keys: dict[str, dict[str, list[str]]], extent: dict[str, list[list[int]]]
) -> None:
    """Writes `dataset.json`, last of all: a folder that has it is complete.

    `facts` are those of `DatasetFacts.to_json`; `keys` by split and side, sorted; `extent` by split: smallest and
    largest [height, width], each axis on its own.
    """
    write_json(folder / INDEX, {"facts": dict(facts), "extent": extent, "keys": keys})


class Dataset:
    """A prepared dataset. Errors of all methods: DataError."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        try:
            index = json.loads((self.folder / INDEX).read_text("utf-8"))
            self.facts = DatasetFacts.from_json(index["facts"])
            self._keys: dict[str, dict[str, list[str]]] = index["keys"]
            self._extent: dict[str, list[list[int]]] = index["extent"]
            self.kind: DataKind = self.facts.kind
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
        return self.folder / split / side / f"{key}.png"

    def array(self, split: str, side: str, key: str) -> np.ndarray[Any, Any]:
        """H x W x C, uint8 or uint16; of the side `label` class indices."""
        return read(self.path(split, side, key), indices=side == "label").pixels

    def tensor(self, split: str, side: str, key: str) -> Tensor:
        """C x H x W, float32 in [-1, 1]; labels H x W, long."""
        values = to_tensor(self.array(split, side, key), side)
        return values if side == "label" else normalise(values)

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
