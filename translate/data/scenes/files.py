"""Image files of a source: read as a whole, or, where they are large and their format can, band by band."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from translate.contracts import Record
from translate.data.label_maps.options import LabelOptions
from translate.data.label_maps.reading import decode_labels, read_labels
from translate.imaging.appearance.data import as_samples, read_samples
from translate.imaging.appearance.handling import Handling, of_data, preparing
from translate.imaging.appearance.look import Look
from translate.imaging.guarded import probe
from translate.imaging.image import Image
from translate.imaging.io import decode
from translate.imaging.metadata.in_tiff import read_tiff
from translate.imaging.pixels import within_unit
from translate.imaging.scene import SceneFile, open_scene

Array = np.ndarray[Any, Any]

Decoder = Callable[[bytes, str], Array]
"""Makes the bytes of a part of a file, which errors call by a name, an array H x W x C."""

BAND = 256
"""Rows that are looked at together."""
SCENE = 1 << 24
"""Pixels from which on an image is read band by band: smaller ones are read faster as a whole."""


class Scene:
    """An image that is read from top to bottom, no more than a band of it at a time; `size`: (height, width)."""

    def __init__(self, file: SceneFile, decoded: Decoder) -> None:
        self._file, self._decoded, self.size = file, decoded, file.size
        self._begin, self._band = 0, np.empty(0)

    def rows(self, first: int, last: int) -> Array:
        """The rows [first, last), as the whole file has them; each call begins at the row of the one before, or below.
        Errors: DataError."""
        end = self._begin + len(self._band)
        # Rows that tiles share, and those of a strip that the last call needed a part of, are not decoded again.
        kept = self._band[first - self._begin :]
        self._begin, self._band = first, kept
        if last > end:
            begin, _, data = self._file.parts.part(max(first, end), last)
            fresh = self._decoded(data, self._file.name)[max(first, end) - begin :]
            self._band = np.concatenate([kept, fresh]).view(type(fresh)) if len(kept) else fresh
        return self._band[: last - first]

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class ScenePicture(ABC):
    """A file of an image or a label map, for `Record.load`: a call reads it whole."""

    path: Path

    @abstractmethod
    def __call__(self) -> Array:
        """The whole, H x W x C. Errors: DataError."""

    @abstractmethod
    def decoder(self, file: SceneFile) -> Decoder:
        """Decodes parts of the file to the values that the whole has there. Errors: DataError."""

    def size(self) -> tuple[int, int]:
        """(height, width), by the header. Errors: DataError."""
        if file := open_scene(self.path):
            file.close()
            return file.size
        header = probe(self.path)
        return header.height, header.width

    def scene(self) -> Scene | None:
        """The same file to be read band by band; None where it is small, or can only be decoded whole."""
        file = open_scene(self.path)
        if file is None:
            return None
        height, width = file.size
        if height * width < SCENE:
            file.close()
            return None
        try:
            return Scene(file, self.decoder(file))
        except BaseException:
            file.close()
            raise


@dataclass(frozen=True)
class ImageFile(ScenePicture):
    """The file of an image, which is read as `handling` of data says."""

    path: Path

    def __call__(self) -> Array:
        return read_samples(self.path)

    def decoder(self, file: SceneFile) -> Decoder:
        handling, is_white = of_data(), True
        data = file.parts.part(0, 1)[2]
        if _depends_on_all(data, decode(data, file.name), handling):
            is_white, is_unit = _looked_through(file)
            if not is_unit and not is_white and handling.white is None:
                handling = replace(handling, colour="as-is")  # floats of another range are data, and no colours

        def decoded(part: bytes, name: str) -> Array:
            image = decode(part, name)
            with preparing(handling):
                return as_samples(image if is_white else replace(image, ranges=None), name)

        return decoded


def _depends_on_all(data: bytes, image: Image, handling: Handling) -> bool:
    """Whether the look of an image, of which this is a part, depends on all of its values: a white that a file states
    is none where values go beyond it, and floats are colours where all of them are in [0, 1]."""
    if handling.white is not None or image.bits == 8 or image.mode == "bands":
        return False
    states_white = data[:2] in (b"II", b"MM") and read_tiff(data).white is not None
    return states_white or (image.pixels.dtype.kind == "f" and not Look(image, handling).plain)


def _looked_through(file: SceneFile) -> tuple[bool, bool]:
    """Whether the white of a file is that of all its bands, and whether all values are in [0, 1]. Errors: DataError."""
    is_white = is_unit = True
    for first in range(0, file.size[0], BAND):
        image = decode(file.parts.part(first, min(first + BAND, file.size[0]))[2], file.name)
        is_white &= image.ranges is not None
        is_unit &= within_unit(image.pixels)
    return is_white, is_unit


@dataclass(frozen=True)
class LabelFile(ScenePicture):
    """The file of a label map of so many `classes`, which is read by its options."""

    path: Path
    options: LabelOptions
    classes: int

    def __call__(self) -> Array:
        return read_labels(self.path, self.options, self.classes)

    def decoder(self, file: SceneFile) -> Decoder:
        return lambda data, name: decode_labels(data, name, self.options, self.classes)


class _InMemory(Scene):
    """An image that could only be decoded as a whole, beside others that are read band by band."""

    def __init__(self, array: Array) -> None:
        self._array = array
        self.size = array.shape[0], array.shape[1]

    def rows(self, first: int, last: int) -> Array:
        return self._array[first:last]


def open_scenes(records: Mapping[str, Record], stack: ExitStack) -> dict[str, Scene]:
    """The pictures of one key by side, at least one of which is read band by band; none where all are decoded whole.
    The stack closes their files. Errors: DataError."""
    scenes: dict[str, Scene] = {}
    for side, record in records.items():
        scene = record.load.scene() if isinstance(record.load, ScenePicture) else None
        if scene:
            stack.callback(scene.close)
            scenes[side] = scene
    if not scenes:
        return {}
    others = {side: record.load() for side, record in records.items() if side not in scenes}
    if not all(isinstance(array, np.ndarray) and array.ndim == 3 for array in others.values()):
        return {}  # frames, or an error that is told when they are read again
    return {side: scenes.get(side) or _InMemory(others[side]) for side in records}


def glance(record: Record) -> tuple[Any, bool]:
    """A band from the middle of a scene, or all of another image; and whether it is all. Errors: DataError."""
    scene = record.load.scene() if isinstance(record.load, ScenePicture) else None
    if scene is None:
        return record.load(), True
    first = max(0, (scene.size[0] - BAND) // 2)
    try:
        return scene.rows(first, min(first + BAND, scene.size[0])), False
    finally:
        scene.close()
