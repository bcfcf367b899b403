"""The table of the plugins' image formats that are in use, and what reads and writes their files.

The class of such a format is `imaging.image_format.ImageFormat`, of which this module knows the protocol alone: its
options are pydantic's, whose import takes a third of a second, and processes that decode built-in formats start often.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import PurePath
from typing import Any, ClassVar, Protocol

import numpy as np

from translate.errors import DamagedError, DataError, PluginError
from translate.imaging.formats.table import READABLE, RESERVED, SUFFIXES, is_built_in
from translate.imaging.image import BANDS, Header, Image, Limits, NoIndicesError

Array = np.ndarray[Any, Any]

_TYPES = ("uint8", "uint16", "uint32", "float32")


class PluginFormat(Protocol):
    """What is asked of an `ImageFormat`."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    signatures: ClassVar[tuple[bytes, ...]]

    @property
    def writes(self) -> bool: ...

    @property
    def knows_header(self) -> bool: ...

    def read(self, data: bytes) -> Image | Array: ...

    def header(self, data: bytes) -> Header: ...

    def write(self, image: Image) -> bytes: ...


FORMATS: dict[str, PluginFormat] = {}
"""The formats of plugins that are in use, by the place of their class (`acme.formats:Pgm`). One table for the process:
images are read in many places and threads, and none of them should read other files than its neighbour."""


def register(kind: type[PluginFormat]) -> None:
    """Takes a format into use. Errors: TypeError where it has no suffix of its own."""
    place = f"{kind.__module__}:{kind.__qualname__}"
    others: dict[str, str] = {}
    for at, each in FORMATS.items():
        if at != place:
            others |= dict.fromkeys(each.suffixes, at)
    for suffix in kind.suffixes:
        if suffix in RESERVED:
            raise TypeError(f"{kind.__name__} is for {suffix}, which is built in; built-in formats go first")
        if suffix in others:
            raise TypeError(f"{kind.__name__} is for {suffix}, which {others[suffix]} is for as well")
    FORMATS[place] = kind()


def register_places(places: Iterable[str]) -> None:
    """Takes into use in this process what `FORMATS` of another one names. Errors: PluginError (it is not here)."""
    for place in places:
        if place in FORMATS:
            continue
        module, _, name = place.partition(":")
        try:
            register(getattr(importlib.import_module(module), name))
        except ImportError as error:
            message = f"the image format {place} is in use, and process {os.getpid()} cannot import it: {error}"
            raise PluginError(f"{message}; install its package on every machine that converts") from error


def readable() -> tuple[str, ...]:
    """Suffixes of files that are taken for images when a folder is walked, in lower case."""
    of_plugins = chain.from_iterable(each.suffixes for each in FORMATS.values())
    return tuple(dict.fromkeys((*READABLE, *of_plugins)))


def writable() -> tuple[str, ...]:
    """Suffixes that can be written, in lower case."""
    of_plugins = chain.from_iterable(each.suffixes for each in FORMATS.values() if each.writes)
    return tuple(dict.fromkeys((*SUFFIXES, *of_plugins)))


def writer_of(suffix: str) -> PluginFormat | None:
    """The format of a plugin that writes files of a suffix."""
    return next((each for each in FORMATS.values() if suffix in each.suffixes and each.writes), None)


def format_of(head: bytes, name: str) -> PluginFormat | None:
    """The format of a plugin that a file has, by its first `HEAD` bytes and its name; None for a built-in one, and for
    one that nobody knows."""
    if not FORMATS or is_built_in(head):
        return None
    for each in FORMATS.values():
        if each.signatures and head.startswith(each.signatures):
            return each
    suffix = PurePath(name).suffix.lower()
    return next((each for each in FORMATS.values() if not each.signatures and suffix in each.suffixes), None)


def header_by(kind: PluginFormat, data: bytes, name: str, limits: Limits) -> Header:
    """The header of a file of a plugin's format, within the limits. Errors: DataError."""
    header: Header = _asked(kind, name, lambda: kind.header(data))
    limits.check(header, len(data), name)
    return header


def decode_by(kind: PluginFormat, data: bytes, name: str, limits: Limits, *, indices: bool = False) -> Image:
    """The image in a file of a plugin's format, within the limits; with `indices` it has to be one of classes, H x W x
    1 of 8 bits. Errors: DataError."""
    if kind.knows_header:
        header_by(kind, data, name, limits)
    image: Image = _asked(kind, name, lambda: as_image(kind.read(data)))
    limits.check(header_of(kind.name, image), len(data), name)
    if indices and (image.pixels.dtype != np.uint8 or image.array.shape[2] != 1):
        raise NoIndicesError(f"{name}: a label map is H x W x 1 of 8 bits, and this is {image.array.shape}")
    return image


def encode_by(kind: PluginFormat, image: Image, name: str) -> bytes:
    """The bytes of an image in a plugin's format. Errors: DataError."""
    try:
        data = kind.write(image)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    except Exception as error:
        height, width = image.pixels.shape[:2]
        what = f"{width} x {height} pixels of {image.pixels.dtype}"
        raise DataError(f"{name}: {what} cannot be written as {kind.name}: {_words(error)}") from None
    if not isinstance(data, bytes | bytearray):
        raise DataError(f"{name}: the format {kind.name} gives {type(data).__name__} and not bytes")
    return bytes(data)


def as_image(value: Image | Array) -> Image:
    """The image of an array as formats and callers give it. Errors: TypeError for other shapes and types."""
    if isinstance(value, Image):
        return value
    array = np.asarray(value)
    array = array[..., None] if array.ndim == 2 else array
    if array.dtype.name not in _TYPES or array.ndim != 3 or not 1 <= array.shape[2] <= BANDS:
        raise TypeError(f"images are H x W x C, {', '.join(_TYPES)}, not {array.shape} {array.dtype}")
    channels = array.shape[2]
    if channels > 4:
        return Image(array, mode="bands")
    colours = 1 if channels <= 2 else 3
    alpha = array[..., -1] if channels in (2, 4) else None
    return Image(array[..., :colours], alpha, mode="grey" if colours == 1 else "rgb")


def header_of(name: str, image: Image) -> Header:
    """The header that a decoded image has."""
    height, width, channels = image.pixels.shape
    floats = image.pixels.dtype.kind == "f"
    return Header(name, width, height, channels, image.bits, image.alpha is not None, image.mode, floats)


def _asked(kind: PluginFormat, name: str, call: Callable[[], Any]) -> Any:
    """What a format says. Errors: DataError for whatever it raises, with the file's name."""
    try:
        return call()
    except DataError as error:
        raise type(error)(f"{name}: {error}") from None
    except MemoryError:
        raise
    except Exception as error:
        raise DamagedError(f"{name}: damaged or truncated {kind.name}: {_words(error)}") from None


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
