"""Sets of images as metrics read them: files that are decoded when they are asked for, or enlarged to a size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from translate.errors import ConfigError, DataError
from translate.imaging.appearance.handling import DEFAULT
from translate.imaging.appearance.look import as_training_image
from translate.imaging.convert import Ranges, to_tensor
from translate.imaging.io import read, readable
from translate.imaging.pixels import top, within_unit
from translate.networks import bicubic
from translate.storage.folders import walk
from translate.storage.plain_text import composed

Array = np.ndarray[Any, Any]

CACHED_BYTES = 256 << 20
"""Bytes of decoded images that a set keeps in memory, so that several metrics decode a small set once."""
SLAB = 64 << 20
"""Bytes of the memory that kept images lie in together. Each by itself would stay between temporary arrays, which then
leave gaps that nothing else fits in: memory grows to twice of what is in use."""


class Images(Sequence["Tensor"]):
    """Image files as tensors C x H x W in [0, 1], decoded when asked for; alpha is laid over white.

    `names` says what errors call them. `ranges` are the values that count as 0 and 1, of all bands or of each, and what
    lies outside is clipped; without them it is black and white of each file's type.
    """

    def __init__(self, paths: Sequence[Path], names: Sequence[str] | None = None, ranges: Ranges | None = None) -> None:
        self.paths = paths
        self.names = names or [str(path) for path in paths]
        self.ranges = ranges
        self._cache: dict[int, Array] = {}
        self._bytes = 0
        self._slab = np.empty(0, np.uint8)
        """What is free in the memory that images are copied to."""

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> Images: ...
    def __getitem__(self, index: int | slice) -> Tensor | Images:
        if isinstance(index, slice):
            return type(self)(self.paths[index], self.names[index], self.ranges)
        return self._tensor(self._pixels(range(len(self))[index]))

    def _tensor(self, pixels: Array) -> Tensor:
        if self.ranges is not None:
            return to_tensor(pixels, self.ranges)[0].add(1).div(2)
        values = pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(top(pixels.dtype))
        return torch.from_numpy(values)

    def _pixels(self, index: int) -> Array:
        if index in self._cache:
            return self._cache[index]
        pixels = self._read(self.paths[index])
        if self._bytes + pixels.nbytes <= CACHED_BYTES:
            self._bytes += pixels.nbytes
            self._cache[index] = pixels = self._in_slab(pixels)
        return pixels

    def _in_slab(self, pixels: Array) -> Array:
        """A copy of the pixels in the memory that images share."""
        room = -(-pixels.nbytes // 16) * 16  # the next image begins where any type of number may
        if room > len(self._slab):
            left = len(self) - len(self._cache)
            self._slab = np.empty(max(room, min(SLAB, room * left)), np.uint8)
        copy = self._slab[: pixels.nbytes].view(pixels.dtype).reshape(pixels.shape)
        copy[...] = pixels
        self._slab = self._slab[room:]
        return copy

    def _read(self, path: Path) -> Array:
        image = as_training_image(read(path), DEFAULT)
        bands = image.pixels.shape[2]
        if self.ranges is not None and len(self.ranges) not in (1, bands):
            raise DataError(f"{path}: {bands} bands, and the ranges of {len(self.ranges)} are stated")
        if self.ranges is None and not within_unit(image.pixels):
            values = f"floats from {image.pixels.min():g} to {image.pixels.max():g}"
            raise DataError(f"{path}: {values}; say with --range which of them count as 0 and 1")
        return image.over_white()


class LabelMaps(Images):
    """Label maps in files as class indices, long H x W."""

    def _tensor(self, pixels: Array) -> Tensor:
        return torch.from_numpy(pixels[..., 0]).long()

    def _read(self, path: Path) -> Array:
        return read(path, indices=True).pixels


class Deferred(Sequence["Tensor"]):
    """Images that are gathered when the first of them is asked for."""

    def __init__(self, gather: Callable[[], Sequence[Tensor]]) -> None:
        self._gather = gather

    @cached_property
    def _images(self) -> Sequence[Tensor]:
        return self._gather()

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Tensor]: ...
    def __getitem__(self, index: int | slice) -> Tensor | Sequence[Tensor]:
        return self._images[index]


class Enlarged(Sequence["Tensor"]):
    """Smaller images in the size of their references: bicubic, then rounded to 8 bits as a file would be.

    What has the size of its reference already stays as it is.
    """

    def __init__(self, images: Sequence[Tensor], references: Sequence[Tensor]) -> None:
        self.images, self.references = images, references

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> Enlarged: ...
    def __getitem__(self, index: int | slice) -> Tensor | Enlarged:
        if isinstance(index, slice):
            return Enlarged(self.images[index], self.references[index])
        image, size = self.images[index], self.references[index].shape[-2:]
        if image.shape[-2:] == size:
            return image
        scale = size[0] / image.shape[-2]
        return bicubic(image[None], scale)[0].mul(255).round().clamp(0, 255).div(255)


def by_key(folder: Path) -> dict[str, Path]:
    """Images below a folder by relative path without suffix, its letters composed, sorted.

    Links to folders are followed; hidden files and what systems leave behind do not count. Errors: ConfigError,
    DataError (a name twice).
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: there is no such folder")
    paths: dict[str, Path] = {}
    for path in walk(folder):
        if path.suffix.lower() not in readable() or not path.is_file():
            continue
        key = composed(path.relative_to(folder).with_suffix("").as_posix())
        if key in paths:
            raise DataError(f"{paths[key]} and {path} have the same name; which one to score is unclear")
        paths[key] = path
    if not paths:
        raise ConfigError(f"{folder}: there are no images ({' '.join(readable())})")
    return dict(sorted(paths.items()))
