"""The table of formats and of what they keep, by converting images of every property through an identity.

python tests/helpers/format_table.py      writes it into docs/converting.md
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from translate.console import PlainConsole
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.errors import DataError
from translate.imaging.colour.spaces import profile_of
from translate.imaging.formats.table import CODECS
from translate.imaging.image import Image
from translate.imaging.io import read, write
from translate.imaging.metadata.metadata import GEO, Metadata
from translate.imaging.metadata.tiff_tags import ascii_tag, double_tag, read_tags, short_tag, write_tags
from translate.inference.translator import Translator

PAGE = Path(__file__).resolve().parents[2] / "docs/converting.md"
BEGIN, END = "<!-- formats: written by tests/helpers/format_table.py -->\n", "<!-- formats: end -->\n"

NAMES = {"webp": "WebP", "jpegls": "JPEG-LS", "jpegxl": "JPEG XL", "jpeg2000": "JPEG 2000", "openexr": "OpenEXR"}
"""Of formats that are not written in capitals."""

DRAW = np.random.default_rng(0)
COLOUR = DRAW.integers(1, 255, (24, 32, 3), dtype=np.uint8)
DEEP = DRAW.integers(0, 65536, (24, 32, 3)).astype(np.uint16)
COUNTS = DRAW.integers(0, 4096, (24, 32, 3)).astype(np.uint16)
FLOATS = DRAW.normal(0, 100, (24, 32, 3)).astype(np.float32)
ALPHA = DRAW.integers(0, 256, (24, 32), dtype=np.uint8)
EXIF = write_tags({306: ascii_tag("1999:07:01 12:00:00"), 315: ascii_tag("A Name")})
GROUND = {33550: double_tag(0.5, 0.5, 0.0), 33922: double_tag(0, 0, 0, 5e5, 5.4e6, 0), 34735: short_tag(1, 1, 0, 0)}
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


@dataclass(frozen=True)
class Property:
    """An image with a property, written as `suffix`, and whether an output of it has it as well."""

    name: str
    image: Image
    suffix: str
    has: Callable[[Image, Image], bool]


def same_values(image: Image, output: Image) -> bool:
    """Equal types and values, floats to six digits."""
    if output.pixels.dtype != image.pixels.dtype or output.pixels.shape != image.pixels.shape:
        return False
    return np.allclose(output.pixels, image.pixels, rtol=1e-6, atol=1e-6 if image.pixels.dtype.kind == "f" else 0)


def same_alpha(image: Image, output: Image) -> bool:
    """Alpha to two steps: some formats are lossy."""
    if image.alpha is None or output.alpha is None:
        return False
    return bool(np.abs(output.alpha.astype(int) - image.alpha).max() <= 2)


def said(image: Image) -> Metadata:
    return image.metadata or Metadata()


def same_resolution(image: Image, output: Image) -> bool:
    resolution = said(output).resolution
    return resolution is not None and np.allclose(resolution, (300, 200), atol=0.02)


def same_exif(image: Image, output: Image) -> bool:
    tags: dict[int, Any] = read_tags(said(output).exif)
    return {306, 315} <= set(tags) and tags[315].text == "A Name"


def same_ground(image: Image, output: Image) -> bool:
    tags, before = read_tags(said(output).tiff), read_tags(said(image).tiff)
    return all(tags.get(number) == before[number] for number in GEO if number in before)


def described(**values: Any) -> Image:
    return Image(COLOUR, metadata=Metadata(**values))


HOLES = COLOUR * (ALPHA[..., None] > 99)
NO_DATA = Image(HOLES, metadata=Metadata(tiff=write_tags({42113: ascii_tag("0")}), nodata=0.0))
PROPERTIES = (
    Property("exact 8 bits", Image(COLOUR), ".png", same_values),
    Property("exact 16 bits", Image(DEEP), ".png", same_values),
    Property("exact floats", Image(FLOATS / 1e4 + 0.5), ".tif", same_values),
    Property("alpha", Image(COLOUR, ALPHA), ".png", same_alpha),
    Property("profile", Image(COLOUR, icc=profile_of("display-p3")), ".png", lambda a, b: a.icc == b.icc),
    Property("white", Image(COUNTS, metadata=Metadata(white=(0, 4095))), ".tif", lambda a, b: a.ranges == b.ranges),
    Property("resolution", described(resolution=(300.0, 200.0)), ".tif", same_resolution),
    Property("EXIF", described(exif=EXIF), ".tif", same_exif),
    Property("XMP", described(xmp=XMP), ".tif", lambda a, b: said(b).xmp == XMP),
    Property("texts", described(texts=(("Title", "北京"),)), ".png", lambda a, b: said(a).texts == said(b).texts),
    Property("GeoTIFF", described(tiff=write_tags(GROUND)), ".tif", same_ground),
    Property("no data", NO_DATA, ".tif", lambda a, b: said(b).nodata == 0 and same_values(a, b)),
)


def kept(translator: Translator, suffix: str, folder: Path) -> list[str]:
    """For each property `yes` or `no`: whether a format keeps it."""
    source, output = folder / "in", folder / "out"
    source.mkdir(parents=True)
    for number, each in enumerate(PROPERTIES):
        write(source / f"{number:02d}{each.suffix}", each.image)
    console = PlainConsole(io.StringIO(), io.StringIO())
    options = ConvertOptions(format=suffix.removeprefix("."), quality=100)
    convert(source, output, translator, options, console=console)
    answers = []
    for number, each in enumerate(PROPERTIES):
        before = read(source / f"{number:02d}{each.suffix}")
        try:
            answers.append("yes" if each.has(before, read(output / f"{number:02d}{suffix}")) else "no")
        except DataError:  # the format does not hold such an image at all
            answers.append("no")
    return answers


def table(translator: Translator, folder: Path) -> str:
    """The table in Markdown: a line for each format that is written."""
    suffixes = [codec.suffixes[0] for codec in CODECS if codec.keeps]
    head = ["output", *(each.name for each in PROPERTIES)]
    lines = [head, ["---"] * len(head)]
    for codec in (codec for codec in CODECS if codec.keeps):
        name = NAMES.get(codec.name, codec.name.upper())
        lines.append([name, *kept(translator, codec.suffixes[0], folder / codec.name)])
    assert len(lines) == len(suffixes) + 2
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def written() -> str:
    """The table that stands in the page."""
    text = PAGE.read_text("utf-8")
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip() + "\n"


def main() -> None:
    """Writes the table into the page."""
    from tiny_translator import Identity, Tiny, TinyConfig, spec

    translator = Translator(Tiny(TinyConfig(), spec(), {"l1": 1.0}), {"gen": Identity()}, {})
    with tempfile.TemporaryDirectory() as folder:
        made = table(translator, Path(folder))
    text = PAGE.read_text("utf-8")
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    PAGE.write_text(f"{before}\n{made}\n{after}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
