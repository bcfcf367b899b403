"""OpenEXR: any channels of half and full floats.

The header is read here, byte by byte, before the library sees the file: 4 bytes of signature, 4 of version and flags,
then attributes, each a name, a type (both end with a zero), a length (4 bytes), and the value; an empty name ends them.
"""

from __future__ import annotations

import struct
import tempfile
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from translate.errors import DamagedError, DataError, UnsupportedError
from translate.imaging.formats.codec import Codec, Keeps, Opened, Settings, decoder, turned
from translate.imaging.formats.samples import as_samples
from translate.imaging.image import Header, Image, Limits
from translate.imaging.pixels import unit_floats

Array = np.ndarray[Any, Any]

_SIGNATURE = b"v/1\x01"
_HEAD = 1 << 20
# Flags of the version: long names are no matter.
_DEEP, _PARTS = 0x800, 0x1000
_MOST_PARTS = 1000
_COLOURS, _BRIGHTNESS = ("R", "G", "B"), ("Y",)


@dataclass(frozen=True)
class ExrHeader:
    """The size of the data window and the names of the channels, in the order in which they are images' channels; and
    the name of the part. `others` are channels beside those of colour, which are passed over."""

    width: int
    height: int
    channels: tuple[str, ...]
    alpha: bool
    part: str = ""
    others: tuple[str, ...] = ()

    @property
    def coloured(self) -> bool:
        """Whether it has channels of colour, or of brightness."""
        return {*_COLOURS} <= {*self.channels} or {*_BRIGHTNESS} <= {*self.channels}


@dataclass(frozen=True)
class ExrFile:
    """The headers of a file's parts, and the number of the one that is its picture: the first with colours, or the
    first of all."""

    parts: tuple[ExrHeader, ...]

    @property
    def number(self) -> int:
        return next((number for number, part in enumerate(self.parts) if part.coloured), 0)

    @property
    def picture(self) -> ExrHeader:
        return self.parts[self.number]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is passed over."""
        passed = ", ".join(map(repr, self.picture.others))
        notes = (f"{'+'.join(self.picture.channels)} are read, and not its other channels {passed}",) if passed else ()
        if len(self.parts) < 2:
            return notes
        others = ", ".join(repr(part.part) for part in self.parts if part is not self.picture)
        return (f"of its {len(self.parts)} parts {self.picture.part!r} is read, and not {others}", *notes)


def exr_headers(head: bytes, name: str) -> ExrFile:
    """Reads the headers of all parts. Errors: DataError."""
    flags = struct.unpack("<I", head[4:8])[0] if len(head) > 8 else 0
    if flags & _DEEP:
        raise UnsupportedError(f"{name}: OpenEXR of deep pixels is not read; flatten it")
    header, at = _header(head, 8, name)
    parts = [header]
    # One empty header stands behind those of several parts.
    while flags & _PARTS and head[at : at + 1] != b"\0" and len(parts) < _MOST_PARTS:
        header, at = _header(head, at, name)
        parts.append(header)
    return ExrFile(tuple(parts))


def _header(head: bytes, at: int, name: str) -> tuple[ExrHeader, int]:
    """One header, and what is behind it. Errors: DataError."""
    attributes: dict[str, bytes] = {}
    while head[at : at + 1] != b"\0":
        key, kind_at = _text(head, at, name)
        _, length_at = _text(head, kind_at, name)
        length = int.from_bytes(head[length_at : length_at + 4], "little")
        at = length_at + 4 + length
        if at >= len(head):
            raise DamagedError(f"{name}: truncated or damaged OpenEXR: the header is not whole")
        attributes[key] = head[length_at + 4 : at]
    window = attributes.get("dataWindow", b"")
    if len(window) != 16 or "channels" not in attributes:
        raise DamagedError(f"{name}: damaged OpenEXR: its header gives no size")
    left, upper, right, lower = struct.unpack("<4i", window)
    stored = _channels(attributes["channels"], name)
    names, alpha = _ordered(stored)
    others = tuple(channel for channel in stored if channel not in names)
    part = attributes.get("name", b"").decode("utf-8", "replace")
    return ExrHeader(right - left + 1, lower - upper + 1, names, alpha, part, others), at + 1


def _text(head: bytes, at: int, name: str) -> tuple[str, int]:
    """A text that ends with a zero, and what is behind it."""
    end = head.find(b"\0", at, at + 256)
    if end < 0:
        raise DamagedError(f"{name}: truncated or damaged OpenEXR: the header is not whole")
    return head[at:end].decode("latin-1"), end + 1


def _channels(value: bytes, name: str) -> list[str]:
    """The names in a list of channels: each is a name and 16 bytes, of which the last 8 are the sampling."""
    names, at = [], 0
    while value[at : at + 1] not in (b"\0", b""):
        channel, end = _text(value, at, name)
        if value[end + 8 : end + 16] != struct.pack("<ii", 1, 1):
            raise UnsupportedError(
                f"{name}: OpenEXR whose channels have several sizes (luminance and chroma) is not read"
            )
        names.append(channel)
        at = end + 16
    return names


def _ordered(names: list[str]) -> tuple[tuple[str, ...], bool]:
    """The names as channels of an image, and whether the last is alpha; they are stored in alphabetical order."""
    for colours in (_COLOURS, _BRIGHTNESS):
        if {*colours} <= {*names}:
            return (*colours, *(["A"] if "A" in names else [])), "A" in names
    return tuple(names), False


class OpenExr(Codec):
    """OpenEXR: RGB, grey and bands of floats."""

    name, suffixes, signatures = "openexr", (".exr",), (_SIGNATURE,)
    keeps = Keeps(bits=32, floats=True, bands=True, alpha=True)

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        stream.seek(0)
        exr = exr_headers(stream.read(_HEAD), name)
        headers = [self._announced(part) for part in exr.parts]
        header = headers[exr.number]
        if header.channels < 1:
            raise DataError(f"{name}: OpenEXR without a channel of colour")
        # The library decodes all parts and channels.
        for each, part in zip(headers, exr.parts, strict=True):
            limits.check(replace(each, channels=max(1, each.channels + len(part.others))), size, name)
        if sum(each.decoded for each in headers) > limits.decoded:
            raise DataError(f"{name}: all {len(headers)} parts together are more than {limits.decoded:,} bytes")
        return Opened(self, header, exr)

    def _announced(self, part: ExrHeader) -> Header:
        channels = len(part.channels) - part.alpha
        mode = "bands"
        if part.channels[:channels] in (_BRIGHTNESS, _COLOURS) or channels == 1:
            mode = "grey" if channels == 1 else "rgb"
        return Header(self.name, part.width, part.height, channels, 32, part.alpha, mode, float=True)

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        openexr = decoder("OpenEXR", name, "OpenEXR files", "OpenEXR")
        parts: ExrFile = opened.source
        exr = parts.picture
        with tempfile.TemporaryDirectory() as folder:  # the library reads files alone
            path = Path(folder) / "image.exr"
            path.write_bytes(data)
            # What it has to say, it prints, and what it prints is raised here as missing channels.
            with redirect_stdout(StringIO()), openexr.File(str(path), separate_channels=True) as file:
                if len(file.parts) != len(parts.parts):
                    raise DamagedError(f"{name}: truncated or damaged OpenEXR: some of its parts cannot be read")
                stored = file.channels(parts.number)
                array = np.stack([np.asarray(stored[channel].pixels) for channel in exr.channels], axis=2)
        array = as_samples(array.astype(np.float32), name)
        channels = opened.header.channels
        if not exr.alpha:
            return replace(turned(opened, array, None, None, name), notes=parts.notes)
        pixels, alpha = array[..., :channels], array[..., channels]
        # Colours are stored times their alpha.
        plain = np.divide(pixels, alpha[..., None], out=pixels.copy(), where=alpha[..., None] > 0)
        return replace(turned(opened, plain, alpha, None, name), notes=parts.notes)

    def encode(self, image: Image, name: str, settings: Settings) -> bytes:
        openexr = decoder("OpenEXR", name, "OpenEXR files", "OpenEXR")
        pixels, alpha = unit_floats(image.pixels), None if image.alpha is None else unit_floats(image.alpha)
        count = pixels.shape[2]
        names = [f"band.{number:04d}" for number in range(count)]
        if image.mode != "bands" and count in (1, 3):
            names = ["Y"] if count == 1 else ["R", "G", "B"]
        if alpha is not None:
            pixels, names = np.dstack([pixels * alpha[..., None], alpha]), [*names, "A"]
        channels = {key: np.ascontiguousarray(pixels[..., number]) for number, key in enumerate(names)}
        compression = openexr.ZIP_COMPRESSION if settings.compression > 1 else openexr.NO_COMPRESSION
        header = {"compression": compression, "type": openexr.scanlineimage}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "image.exr"
            openexr.File(header, channels).write(str(path))
            return path.read_bytes()
