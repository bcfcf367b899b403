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
from press_profile import press

from translate.console import PlainConsole
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.errors import ConfigError, DataError
from translate.imaging.colour.inks import Inks
from translate.imaging.colour.spaces import profile_of
from translate.imaging.formats.codec import Pages
from translate.imaging.formats.table import CODECS
from translate.imaging.guarded import read_pages
from translate.imaging.image import Image
from translate.imaging.io import read, write
from translate.imaging.metadata.metadata import GEO, Metadata
from translate.imaging.metadata.tiff_tags import ascii_tag, double_tag, read_tags, short_tag, write_tags
from translate.imaging.pages import encode_pages
from translate.imaging.pixels import unit_floats
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
IPTC = b"\x1c\x02\x78\x00\x07caption"
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


@dataclass(frozen=True)
class Property:
    """An image with a property, written as `suffix`, and whether an output of it has it as well."""

    name: str
    image: Image
    suffix: str
    has: Callable[[Image, Image], bool]


def same_values(image: Image, output: Image) -> bool:
    """Equal values, of whatever type: integers are shares of white. Floats are equal to six digits."""
    if output.pixels.shape != image.pixels.shape:
        return False
    step = 1e-6 if image.pixels.dtype.kind == "f" else 0.25 / np.iinfo(image.pixels.dtype).max
    return np.allclose(unit_floats(output.pixels), unit_floats(image.pixels), rtol=1e-6, atol=step)


def same_alpha(image: Image, output: Image) -> bool:
    """Alpha to two steps of 255: some formats are lossy."""
    if image.alpha is None or output.alpha is None:
        return False
    return bool(np.abs(unit_floats(output.alpha) - unit_floats(image.alpha)).max() <= 2 / 255)


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


def same_inks(image: Image, output: Image) -> bool:
    """The same profile, and inks to two steps of 255."""
    if image.inks is None or output.inks is None or output.inks.profile != image.inks.profile:
        return False
    return bool(np.abs(output.inks.values.astype(int) - image.inks.values).max() <= 2)


PRESS = Inks(np.kron(DRAW.integers(0, 256, (3, 4, 4)), np.ones((8, 8, 1))).astype(np.uint8), press())
INKS = Image(PRESS.colours(), mode="cmyk", inks=PRESS)
HOLES = COLOUR * (ALPHA[..., None] > 99)
NO_DATA = Image(HOLES, metadata=Metadata(tiff=write_tags({42113: ascii_tag("0")}), nodata=0.0))
PROPERTIES = (
    Property("exact 8 bits", Image(COLOUR), ".png", same_values),
    Property("exact 16 bits", Image(DEEP), ".png", same_values),
    Property("exact floats", Image((FLOATS / 1e4 + 0.5).clip(0, 1)), ".tif", same_values),
    Property("alpha", Image(COLOUR, ALPHA), ".png", same_alpha),
    Property("profile", Image(COLOUR, icc=profile_of("display-p3")), ".png", lambda a, b: a.icc == b.icc),
    Property("CMYK", INKS, ".tif", same_inks),
    Property("white", Image(COUNTS, metadata=Metadata(white=(0, 4095))), ".tif", lambda a, b: a.ranges == b.ranges),
    Property("resolution", described(resolution=(300.0, 200.0)), ".tif", same_resolution),
    Property("EXIF", described(exif=EXIF), ".tif", same_exif),
    Property("XMP", described(xmp=XMP), ".tif", lambda a, b: said(b).xmp == XMP),
    Property("IPTC", described(iptc=IPTC), ".tif", lambda a, b: said(b).iptc == IPTC),
    Property("texts", described(texts=(("Title", "北京"),)), ".png", lambda a, b: said(a).texts == said(b).texts),
    Property("GeoTIFF", described(tiff=write_tags(GROUND)), ".tif", same_ground),
    Property("no data", NO_DATA, ".tif", lambda a, b: said(b).nodata == 0 and same_values(a, b)),
)


FRAMES = Pages(tuple(Image(DRAW.integers(0, 256, (24, 32, 3), dtype=np.uint8)) for _ in range(3)), (40, 80, 120), 3)
STACK = Pages(tuple(Image(DRAW.integers(0, 65536, (24, 32, 3)).astype(np.uint16)) for _ in range(3)))


def keeps_pages(translator: Translator, suffix: str, folder: Path) -> list[str]:
    """`yes` or `no`: whether a format keeps an animation with its timing, and pages of 16 bits."""
    answers = []
    for name, whole in (("frames.webp", FRAMES), ("stack.tif", STACK)):
        source, output = folder / f"in-{name}", folder / f"out-{name}"
        source.mkdir()
        (source / name).write_bytes(encode_pages(whole, Path(name).suffix, quality=100))
        options = ConvertOptions(format=suffix.removeprefix("."), quality=100, pages="all")
        console = PlainConsole(io.StringIO(), io.StringIO())
        try:
            convert(source, output, translator, options, console=console)
            after = read_pages((output / name).with_suffix(suffix))
            same = all(same_values(a, b) for a, b in zip(whole.images, after.images, strict=True))
            same_colours = same or suffix in (".avif", ".gif")  # which are lossy here
            same_timing = after.durations == whole.durations
            answers.append("yes" if same_colours and same_timing and len(after.images) == 3 else "no")
        except (DataError, ConfigError, ValueError):
            answers.append("no")
    return answers


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
    return answers + keeps_pages(translator, suffix, folder)


def table(translator: Translator, folder: Path) -> str:
    """The table in Markdown: a line for each format that is written."""
    suffixes = [codec.suffixes[0] for codec in CODECS if codec.keeps]
    head = ["output", *(each.name for each in PROPERTIES), "animation", "pages of 16 bits"]
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
