"""The files of one side of a prepared dataset: written, found again, and brought to one format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from translate.contracts import Frames, Image, Labels, Side, Sides
from translate.contracts.sides import DType
from translate.data.dataset import file_names, suffix
from translate.data.label_maps.counts import counted
from translate.errors import DataError
from translate.imaging import io
from translate.imaging.decode import probe, read
from translate.imaging.palette import full_palette
from translate.imaging.pixels import match

Array = np.ndarray[Any, Any]
_BY_BITS: Mapping[int, DType] = {8: "uint8", 16: "uint16", 32: "float32"}
Place = tuple[str, str, str]
"""Split, side and key of an image."""


@dataclass(frozen=True)
class Written:
    """One image as it was written: its size in pixels, channels, type of values, whether it had transparency, and of a
    label map how many pixels have each of the values 0 to 255."""

    height: int
    width: int
    channels: int
    dtype: DType
    alpha: bool
    counts: Array | None = field(default=None, compare=False)

    @property
    def bits(self) -> int:
        """Bits per channel."""
        return 8 * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Format:
    """The format that all images of a side have: how many channels, and the type of their values."""

    channels: int
    dtype: DType

    @property
    def is_plain(self) -> bool:
        """Whether images are grey or colour, of 8 or 16 bits."""
        return self.channels in (1, 3) and self.dtype != "float32"


def side_formats(data: Sides, images: Mapping[Place, Written]) -> dict[str, Format]:
    """The common format of each side of images, label maps among them: grey becomes colour, 8 bits become 16.

    Sides of grey or colour share their depth, the deepest of all. Errors: DataError for a side that mixes other numbers
    of channels, or integers and floats.
    """
    by_side: dict[str, dict[str, Written]] = {}
    for (split, side, key), written in images.items():
        by_side.setdefault(side, {})[f"{split}/{key}"] = written
    formats = {side: _common(side, by_side[side]) for side in data if side in by_side}
    pictures = [side for side, form in formats.items() if form.is_plain and not isinstance(data[side], Labels)]
    if any(formats[side].dtype == "uint16" for side in pictures):
        formats |= {side: Format(formats[side].channels, "uint16") for side in pictures}
    return formats


def _common(side: str, images: Mapping[str, Written]) -> Format:
    channels = {written.channels: name for name, written in images.items()}
    dtypes: dict[DType, str] = {written.dtype: name for name, written in images.items()}
    if len(channels) > 1 and set(channels) != {1, 3}:
        (few, one), *_, (many, other) = sorted(channels.items())
        raise DataError(f"side {side!r} mixes images of {few} channels ({one}) and of {many} ({other})")
    if len(dtypes) > 1 and "float32" in dtypes:
        integers = next(dtype for dtype in dtypes if dtype != "float32")
        both = f"float32 ({dtypes['float32']}) and {integers} ({dtypes[integers]})"
        raise DataError(f"side {side!r} mixes {both}; bring them to one type")
    return Format(max(channels), max(dtypes, key=lambda dtype: np.dtype(dtype).itemsize))


def dtype_of(array: Array) -> DType:
    """The type of an image's values."""
    return _BY_BITS[8 * array.dtype.itemsize]


def written_files(folder: Path, side: Side, key: str) -> list[Path]:
    """The files of a key that an earlier start left, all of them; empty where one is missing."""
    for names in (file_names(_as(side, Image()), key), file_names(_as(side, Image(dtype="float32")), key)):
        paths = [folder / name for name in names]
        if paths and all(path.is_file() for path in paths):
            return paths
    return []


def as_written(path: Path, side: Side) -> Written:
    """An image that an earlier start left, by its header."""
    header = probe(path)
    # A label map is a palette image: three channels to look at, one of classes.
    if isinstance(side, Labels):
        counts = counted(io.read(path, indices=True).pixels)
        return Written(header.height, header.width, 1, "uint8", False, counts)
    return Written(header.height, header.width, header.channels, _BY_BITS[header.bits], False)


def write_side(folder: Path, key: str, side: Side, array: Array, palette: Sequence[tuple[int, int, int]]) -> None:
    """Writes an image H x W x C, frames F x H x W x C, or a label map H x W. Errors: DataError for other types."""
    if isinstance(side, Labels):
        image = io.Image(array[..., None], palette=full_palette(side.palette or palette))
        _write(folder / file_names(side, key)[0], image)
        return
    if array.dtype not in (np.uint8, np.uint16, np.float32):
        raise DataError(f"{key}: values of {array.dtype}; images are uint8, uint16 or float32")
    pictures = array if isinstance(side, Frames) else array[None]
    form = Image(pictures.shape[-1], dtype_of(array))
    for name, picture in zip(file_names(_as(side, form), key), pictures, strict=True):
        mode = "rgb" if suffix(form) == ".png" else "bands"
        _write(folder / name, io.Image(picture, mode=mode))


def _write(path: Path, image: io.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # The fastest level: prepared data is read many times, and thrown away.
    io.write(path, image, compression=1)


def rewrite(folder: Path, key: str, side: Side, written: Written, form: Format) -> None:
    """Brings the files of a key to the format of its side; the name's suffix follows."""
    before = file_names(_as(side, Image(written.channels, written.dtype)), key)
    pixels = np.stack([read(folder / name).pixels for name in before])
    wide = np.stack([match(each, form.channels, 8 * np.dtype(form.dtype).itemsize) for each in pixels])
    write_side(folder, key, side, wide if isinstance(side, Frames) else wide[0], ())


def _as(side: Side, form: Image) -> Side:
    """A side of images in another format; a label map as it is."""
    if isinstance(side, Frames):
        return replace(side, channels=form.channels, dtype=form.dtype)
    return form if isinstance(side, Image) else side
