"""An image: its header, its pixels, and how large it may be."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import PIL.Image

from translate.errors import DataError
from translate.imaging.colour.inks import Inks
from translate.imaging.metadata.metadata import Metadata
from translate.imaging.pixels import over_white, stretched, to8, top, within_unit

Array = np.ndarray[Any, Any]


class Bands(np.ndarray[Any, Any]):
    """An array H x W x C none of whose channels is alpha, however many there are. Slices of it are the same."""


FRAMES = 1000
"""Frames and pages of a file are counted no further than this."""

BANDS = 4096
"""The most channels of an image."""

DENSE = 1 << 28
"""Decoded bytes from which on `Limits.ratio` counts: a blank mask of 10,000 x 10,000 pixels stays below."""


class NoIndicesError(DataError):
    """A file holds no class indices as its values."""


@dataclass(frozen=True)
class Limits:
    """The largest image that is decoded.

    `pixels`: width x height. `bytes`: of the file. `decoded`: bytes of all samples. `ratio`: decoded bytes per byte of
    the file, for images of more than `DENSE` decoded bytes. `seconds`: of the clock for one image, where a
    `GuardedReader` reads it.
    """

    pixels: int = 1 << 28
    bytes: int = 1 << 30
    decoded: int = 1 << 31
    ratio: int = 500
    seconds: float = 30.0

    def check_file(self, size: int, name: str) -> None:
        """Errors: DataError for a file of too many bytes."""
        if size > self.bytes:
            raise DataError(f"{name}: {size:,} bytes, more than the limit of {self.bytes:,}")

    def check(self, header: Header, size: int, name: str) -> None:
        """Errors: DataError for a header that announces too much, for a file of `size` bytes."""
        width, height = header.width, header.height
        if width < 1 or height < 1:
            raise DataError(f"{name}: an image of {width} x {height} pixels")
        if width * height > self.pixels:
            raise DataError(f"{name}: {width} x {height} pixels, more than the limit of {self.pixels:,}")
        if header.channels > BANDS:
            raise DataError(f"{name}: {header.channels:,} bands, more than the limit of {BANDS:,}")
        decoded = header.decoded
        if decoded > self.decoded:
            what = f"{width} x {height} pixels of {header.channels} channels and {header.bits} bits"
            raise DataError(f"{name}: {what} are {decoded:,} bytes, more than the limit of {self.decoded:,}")
        if decoded > DENSE and decoded > self.ratio * size:
            raise DataError(
                f"{name}: {size:,} bytes announce {width} x {height} pixels, {decoded // size:,} times as many bytes "
                f"(limit {self.ratio}): a decompression bomb? Cut it in parts if it is what it says"
            )


LIMITS = Limits()
"""Those that count where none are given."""

SCENES = replace(LIMITS, pixels=1 << 34, bytes=1 << 50, decoded=1 << 50)
"""Those of images of which no more than a band is decoded at a time; each band keeps to `LIMITS`."""


@dataclass(frozen=True)
class Header:
    """The header of a file: upright size, `channels` of colour (1 or 3; any number of `bands`), `bits` after decoding
    (8, 16 or 32), `mode`: `bilevel`, `grey`, `rgb`, `palette`, `cmyk` or `bands`; `float`: decoded to float32."""

    format: str
    width: int
    height: int
    channels: int
    bits: int
    alpha: bool
    mode: str
    float: bool = False

    @property
    def dtype(self) -> str:
        """The type of the decoded samples: `uint8`, `uint16`, `uint32` or `float32`."""
        return "float32" if self.float else f"uint{self.bits}"

    @property
    def decoded(self) -> int:
        """Bytes of all samples."""
        return self.width * self.height * (self.channels + self.alpha) * self.bits // 8


@dataclass(frozen=True)
class Image:
    """A decoded image, upright: `pixels` H x W x C, uint8, uint16, uint32, or float32 (finite; white is 1, and of data
    that are no picture any value may be); `alpha` H x W of the same type, or None; `icc` the colour profile that
    describes `pixels`; `mode` as in `Header`: C is 1 or 3, and any number in the mode `bands`. With a `palette` of 256
    RGB colours the pixels, H x W x 1 uint8, are indices into it. `ranges` are the values that are 0 and 1 to a viewer,
    of all bands or of each; None where these are black and white of the type. `metadata` are what the file says
    besides. `inks` are those of a file of four, whose colours on paper the pixels are. `notes` say what is odd about
    the file, which was read all the same."""

    pixels: Array
    alpha: Array | None = None
    icc: bytes | None = None
    mode: str = "rgb"
    palette: Sequence[tuple[int, int, int]] = ()
    ranges: Sequence[tuple[float, float]] | None = None
    metadata: Metadata | None = None
    inks: Inks | None = None
    notes: tuple[str, ...] = ()

    @property
    def profile(self) -> bytes | None:
        """The colour profile: of the file, or the one that stands for what its metadata say of colours."""
        return self.icc or (self.metadata.profile if self.metadata else None)

    @property
    def bits(self) -> int:
        return 8 * int(self.pixels.dtype.itemsize)

    @property
    def array(self) -> Array:
        """H x W x C with alpha as the last channel, where there is one: C is 1, 2, 3 or 4, or any number of bands."""
        return self.pixels if self.alpha is None else np.dstack([self.pixels, self.alpha])

    def rows(self, first: int, last: int) -> Image:
        """The image of the rows [first, last)."""
        alpha = None if self.alpha is None else self.alpha[first:last]
        return replace(self, pixels=self.pixels[first:last], alpha=alpha)

    def over_white(self) -> Array:
        """The pixels as they look on white paper, H x W x C: what a network sees of an image with alpha."""
        return self.pixels if self.alpha is None else over_white(self.pixels, self.alpha)

    def shown(self) -> Array:
        """The image for a screen, H x W x 3 or 1 uint8, over white: of bands the first three, or the first.

        Bands, and floats that leave [0, 1], are stretched: their smallest value is black and their largest is white.
        Counts have the white that `ranges` states. NaN, which stands for no data, is white.
        """
        pixels = self.over_white()
        if self.ranges is not None and len(self.ranges) == 1 and self.mode != "bands" and pixels.dtype.kind == "u":
            (low, high), *_ = self.ranges
            pixels = ((pixels.astype(np.float32) - low) / (high - low)).clip(0, 1)
        pixels = pixels[..., : 3 if pixels.shape[2] >= 3 else 1]
        if pixels.dtype.kind == "f" and (none := np.isnan(pixels)).any():
            pixels = np.where(none, 1 if none.all() else np.nanmax(pixels), pixels)
        return to8(pixels if self.mode != "bands" and within_unit(pixels) else stretched(pixels))

    def _repr_png_(self) -> bytes:
        """The picture that a notebook shows: as `shown`, a label map in the colours of its palette."""
        pixels = np.asarray(self.palette, np.uint8)[self.pixels[..., 0]] if self.palette else self.shown()
        stream = io.BytesIO()
        PIL.Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(stream, "PNG")
        return stream.getvalue()


DecodedImage = Image
"""What plugins call an image of pixels: `translate.Image` is the type of a side of data."""


def differences(a: Image, b: Image) -> Array:
    """The absolute differences of two images' values, H x W x C in [0, 1]; of label maps 1 where pixels differ."""
    if a.palette:
        apart: Array = (a.pixels != b.pixels).astype(np.float32)
        return apart
    difference = np.abs(a.pixels.astype(np.float32) - b.pixels.astype(np.float32))
    widths = [top(a.pixels.dtype)] if a.ranges is None else [high - low for low, high in a.ranges]
    scaled: Array = difference / np.array(widths, np.float32)
    return scaled


def distance(a: Image, b: Image) -> float:
    """The mean absolute difference of two images' values in [0, 1]; of label maps the share of pixels that differ."""
    if a.palette:
        return float((a.pixels != b.pixels).mean())
    difference = np.abs(a.pixels.astype(np.float32) - b.pixels.astype(np.float32))
    if a.ranges is None:
        return float(difference.mean(dtype=np.float64)) / top(a.pixels.dtype)
    widths = np.array([high - low for low, high in a.ranges])
    return float((difference / widths).mean(dtype=np.float64))
