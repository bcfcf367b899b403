"""What a file says beside pixels, in one form for all formats; and what of it is true of an output.

An output is `scale` times as large as its input and shows the same: so it has as many times the pixels per inch, and
pixels of the ground that are as many times smaller.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from translate.imaging.metadata.tiff_tags import (
    EXIF_IFD,
    INTEROPERABILITY_IFD,
    LONG,
    Tag,
    double_tag,
    rational_tag,
    read_tags,
    short_tag,
    write_tags,
)

ORIENTATION, COLOUR_SPACE, WIDTH, HEIGHT = 274, 0xA001, 0xA002, 0xA003
"""Tags of EXIF, the last three below `EXIF_IFD`."""
RESOLUTION = (282, 283, 296)
"""Tags of resolution across and down, and of its unit (2: inch, 3: centimetre), which `Metadata.resolution` holds."""
THUMBNAIL = (513, 514)
PIXEL_SCALE, TIE_POINTS, TRANSFORMATION, GEO_KEYS = 33550, 33922, 34264, 34735
GEO = (PIXEL_SCALE, TIE_POINTS, TRANSFORMATION, GEO_KEYS, 34736, 34737)
"""The tags of GeoTIFF (OGC 19-008)."""
DESCRIPTION, NODATA = 270, 42113
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>)\s*)[2-8](\s*[\"'<])")


@dataclass(frozen=True)
class Metadata:
    """`resolution`: pixels per inch across and down. `exif`: a block of EXIF, upright. `xmp`: a packet of XMP. `texts`:
    keywords with texts. `tiff`: tags that TIFF alone has, as a block. `chunks`: those of PNG that describe colours.

    `iptc` is a record of IPTC (captions of press photos).

    `profile` is the ICC profile that stands for what `exif` or `chunks` say of colours; `white` the values that are
    black and white; `nodata` the value of pixels that hold none.
    """

    resolution: tuple[float, float] | None = None
    exif: bytes = b""
    xmp: bytes = b""
    texts: tuple[tuple[str, str], ...] = ()
    tiff: bytes = b""
    chunks: tuple[tuple[str, bytes], ...] = ()
    profile: bytes | None = None
    white: tuple[float, float] | None = None
    nodata: float | None = None
    iptc: bytes = b""

    def __bool__(self) -> bool:
        return self != NOTHING

    def of_output(self, scale: int, size: tuple[int, int], channels_kept: bool) -> Metadata:
        """What is true of an output of (height, width), `scale` times as large as the input."""
        resolution = None
        if self.resolution is not None:
            resolution = self.resolution[0] * scale, self.resolution[1] * scale
        tiff: dict[int, Any] = read_tags(self.tiff)
        if scale != 1:
            tiff |= geo_of_larger(tiff, scale)
        if scale != 1 or not channels_kept:
            tiff = {number: tag for number, tag in tiff.items() if number != DESCRIPTION or not is_form(tag.text)}
        return replace(self, resolution=resolution, exif=_sized(self.exif, size), tiff=write_tags(tiff))

    def to_json(self) -> dict[str, Any]:
        """As JSON, bytes in base 64."""
        return {name: _plain(value) for name, value in vars(self).items() if value not in (None, b"", ())}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Reads what `to_json` gives."""

        def pair(name: str) -> tuple[float, float] | None:
            return (value[name][0], value[name][1]) if name in value else None

        return cls(
            pair("resolution"),
            base64.b64decode(value.get("exif", "")),
            base64.b64decode(value.get("xmp", "")),
            tuple((word, text) for word, text in value.get("texts", ())),
            base64.b64decode(value.get("tiff", "")),
            tuple((kind, base64.b64decode(content)) for kind, content in value.get("chunks", ())),
            base64.b64decode(value["profile"]) if "profile" in value else None,
            pair("white"),
            value.get("nodata"),
            base64.b64decode(value.get("iptc", "")),
        )


NOTHING = Metadata()


def is_form(description: str) -> bool:
    """Whether a description tells the form of the pixels (OME, ImageJ), which an output may have otherwise."""
    return "<OME" in description[:2000] or description.startswith("ImageJ=")


def upright_xmp(packet: bytes) -> bytes:
    """A packet of XMP whose picture was turned upright: the orientation that it repeats from EXIF is 1, as an
    attribute or as an element."""
    return _XMP_ORIENTATION.sub(rb"\g<1>1\g<2>", packet)


def upright_exif(block: bytes) -> bytes:
    """A block of EXIF without thumbnail and resolution, for pixels that were turned upright. Empty if damaged."""
    tags: dict[int, Any] = read_tags(block)
    tags = {number: tag for number, tag in tags.items() if number not in (*RESOLUTION, *THUMBNAIL)}
    if ORIENTATION in tags:
        tags[ORIENTATION] = short_tag(1)
    return write_tags(tags)


def without_geo(metadata: Metadata) -> Metadata:
    """The metadata without the places of pixels on the ground."""
    tags: dict[int, Any] = read_tags(metadata.tiff)
    return replace(metadata, tiff=write_tags({number: tag for number, tag in tags.items() if number not in GEO}))


def resolution_of(tags: Mapping[int, Any]) -> tuple[float, float] | None:
    """The pixels per inch that tags state; None without a unit."""
    values = [tags[number].numbers if isinstance(tags.get(number), Tag) else () for number in RESOLUTION]
    if not (values[0] and values[1]) or values[0][0] <= 0 or values[1][0] <= 0:
        return None
    unit = values[2][0] if values[2] else 2
    per_inch = {2: 1.0, 3: 2.54}.get(int(unit))
    return None if per_inch is None else (values[0][0] * per_inch, values[1][0] * per_inch)


def resolution_tags(resolution: tuple[float, float] | None) -> dict[int, Tag]:
    """The tags of a resolution in pixels per inch."""
    if resolution is None:
        return {}
    return {282: rational_tag(resolution[0]), 283: rational_tag(resolution[1]), 296: short_tag(2)}


def exif_with_resolution(metadata: Metadata) -> bytes:
    """The block of EXIF with the resolution, for formats that have no other place for it."""
    if metadata.resolution is None:
        return metadata.exif
    return write_tags({**read_tags(metadata.exif), **resolution_tags(metadata.resolution)})


def is_adobe_rgb(block: bytes) -> bool:
    """Whether EXIF names Adobe RGB: by its own number, or as cameras do it (DCF 2.0: uncalibrated and R03)."""
    below = read_tags(block).get(EXIF_IFD, {})
    space = below.get(COLOUR_SPACE)
    names = below.get(INTEROPERABILITY_IFD, {})
    index = names.get(1) if isinstance(names, Mapping) else None
    number = int(space.numbers[0]) if isinstance(space, Tag) and space.numbers else 0
    return number == 2 or (number == 0xFFFF and index is not None and index.text.startswith("R03"))


def exif_of_srgb(block: bytes) -> bytes:
    """The block for pixels that were turned from Adobe RGB into sRGB."""
    if not is_adobe_rgb(block):
        return block
    tags: dict[int, Any] = read_tags(block)
    below = {number: tag for number, tag in tags[EXIF_IFD].items() if number != INTEROPERABILITY_IFD}
    return write_tags(tags | {EXIF_IFD: below | {COLOUR_SPACE: short_tag(1)}})


def _sized(block: bytes, size: tuple[int, int]) -> bytes:
    """EXIF that states the size of an image, for one of (height, width)."""
    tags: dict[int, Any] = read_tags(block)
    below = dict(tags.get(EXIF_IFD, {}))
    for number, count in ((WIDTH, size[1]), (HEIGHT, size[0])):
        if number in below:
            below[number] = Tag(LONG, count.to_bytes(4, "little"))
    return write_tags(tags | {EXIF_IFD: below}) if below else block


def geo_of_larger(tags: Mapping[int, Any], scale: int) -> dict[int, Tag]:
    """The tags of GeoTIFF that change where each pixel becomes `scale` x `scale`.

    Raster coordinates count corners of pixels, or, where the key GTRasterType says 2, their centres, and the centre c
    of a pixel lies at (c + 1/2) scale - 1/2 then.
    """
    keys = tags.get(GEO_KEYS)
    entries = [int(number) for number in keys.numbers] if isinstance(keys, Tag) else []
    points = (1025, 0, 1, 2) in [tuple(entries[n : n + 4]) for n in range(4, len(entries), 4)]
    shift = 0.5 if points else 0.0
    changed: dict[int, Tag] = {}
    if isinstance(tag := tags.get(PIXEL_SCALE), Tag) and len(tag.numbers) == 3:
        x, y, z = tag.numbers
        changed[PIXEL_SCALE] = double_tag(x / scale, y / scale, z)
    if isinstance(tag := tags.get(TIE_POINTS), Tag):
        values = list(tag.numbers)
        for n in range(0, len(values) - 5, 6):
            values[n : n + 2] = [(place + shift) * scale - shift for place in values[n : n + 2]]
        changed[TIE_POINTS] = double_tag(*values)
    if isinstance(tag := tags.get(TRANSFORMATION), Tag) and len(tag.numbers) == 16:
        rows = [list(tag.numbers[n : n + 4]) for n in range(0, 16, 4)]
        for row in rows:
            row[3] += (row[0] + row[1]) * (shift / scale - shift)
            row[0], row[1] = row[0] / scale, row[1] / scale
        changed[TRANSFORMATION] = double_tag(*rows[0], *rows[1], *rows[2], *rows[3])
    return changed


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value
