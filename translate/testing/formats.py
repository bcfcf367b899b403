"""The conformance of image formats and of exporters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from translate.errors import DataError
from translate.imaging.formats.codec import HEAD
from translate.imaging.formats.of_plugins import as_image, decode_by, encode_by, header_by
from translate.imaging.image import LIMITS, Header, Image
from translate.imaging.image_format import ImageFormat
from translate.models.exporter import Exporter
from translate.testing.component import ComponentChecks
from translate.testing.report import check

FORMS = ((1, "uint8"), (3, "uint8"), (4, "uint8"), (1, "uint16"), (3, "uint16"), (1, "float32"), (3, "float32"))
"""Channels and types of the images that a format is tried with; it need not hold all of them."""


def assert_format_conforms(cls: type[ImageFormat]) -> None:
    """Writes generated images and reads them again; damages them. Errors: AssertionError that says what to change."""
    FormatChecks(cls).demand()


def assert_exporter_conforms(cls: type[Exporter[Any]]) -> None:
    """Checks the class and its options; what it writes is for a test with a model. Errors: AssertionError."""
    ExporterChecks(cls).demand()


def picture(channels: int, dtype: str) -> Image:
    """A picture of 13 x 17 pixels: a slope with a little grain, which formats with losses keep well enough."""
    draw = np.random.default_rng(channels)
    unit = (0.1 * draw.random((13, 17, channels)) + np.linspace(0, 1, 17)[None, :, None]) / 1.1
    if dtype == "float32":
        return as_image(unit.astype(np.float32))
    return as_image((unit * np.iinfo(dtype).max).astype(dtype))


class FormatChecks(ComponentChecks):
    """A format knows its own files, reads what it writes, and refuses what is damaged."""

    kind = "formats"

    def made(self) -> ImageFormat:
        made: ImageFormat = self.cls(self.config())
        return made

    def files(self) -> Iterator[tuple[Image, bytes]]:
        """Images that the format can hold, with their files."""
        for channels, dtype in FORMS:
            image = picture(channels, dtype)
            try:
                yield image, encode_by(self.made(), image, "image")
            except DataError:
                continue

    def applies(self, name: str) -> bool:
        reads_alone = self.cls.write is ImageFormat.write
        return not reads_alone or name not in ("holds", "again", "signs", "damaged")

    @check("holds pictures of some form", "shape")
    def holds(self) -> Iterator[str]:
        if not list(self.files()):
            yield "write() refuses every picture, grey and RGB, of 8 and 16 bits and floats; it should hold one form"

    @check("reads what it writes", "holds")
    def again(self) -> Iterator[str]:
        kept = False
        for image, data in self.files():
            form = f"{image.array.shape[2]} channels of {image.pixels.dtype}"
            read = decode_by(self.made(), data, "image", LIMITS)
            if read.pixels.shape[:2] != image.pixels.shape[:2]:
                yield f"a picture of {form} comes back as {read.array.shape}"
                return
            if read.array.shape != image.array.shape:
                continue  # some formats have no alpha, or no colours
            kept = True
            error = np.abs(read.array / _top(read) - image.array / _top(image)).mean()
            if error > 0.05:
                yield f"a picture of {form} comes back {error:.2f} of the range away on average"
            header: Header = header_by(self.made(), data, "image", LIMITS)
            if (header.height, header.width) != read.pixels.shape[:2]:
                yield f"header() says {header.width} x {header.height} of a picture of 17 x 13 pixels"
        if not kept:
            yield "no picture comes back with the channels that it had"

    @check("writes its own signature", "holds")
    def signs(self) -> Iterator[str]:
        signatures = self.cls.signatures
        for _, data in self.files():
            if signatures and not data[:HEAD].startswith(signatures):
                yield f"write() begins with {data[:8]!r}, which is none of its signatures {signatures!r}"
                return

    @check("refuses half a file", "again")
    def damaged(self) -> Iterator[str]:
        for image, data in self.files():
            half = data[: len(data) // 2]
            try:
                decode_by(self.made(), half, "image", LIMITS)
            except DataError:
                continue
            channels = image.array.shape[2]
            yield f"read() takes half a file of {channels} channels for an image; raise translate.DataError there"
            return


class ExporterChecks(ComponentChecks):
    """An exporter has the shape of its kind; what it writes depends on a model."""

    kind = "exporters"


def _top(image: Image) -> float:
    """The value that is white."""
    return 1.0 if image.pixels.dtype.kind == "f" else float(np.iinfo(image.pixels.dtype).max)
