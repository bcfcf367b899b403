"""Metadata in the tags of TIFF: resolution, EXIF, XMP, GeoTIFF, GDAL, descriptions of microscopes, white."""

from __future__ import annotations

import struct
from typing import Any

from translate.imaging.metadata.metadata import (
    DESCRIPTION,
    GEO,
    NODATA,
    ORIENTATION,
    RESOLUTION,
    Metadata,
    is_form,
    resolution_of,
    resolution_tags,
)
from translate.imaging.metadata.tiff_tags import (
    EXIF_IFD,
    GPS_IFD,
    Tag,
    read_tags,
    short_tag,
    with_tags,
    write_tags,
)

XMP, IPTC, PAGE_NAME, GDAL_METADATA, COEFFICIENTS = 700, 33723, 285, 42112, 50844
MIN_VALUE, MAX_VALUE, S_MIN_VALUE, S_MAX_VALUE = 280, 281, 340, 341
BYTE, FLOAT = 1, 11
OF_TIFF = (*GEO, GDAL_METADATA, NODATA, COEFFICIENTS, IPTC, PAGE_NAME)
"""Tags that EXIF does not have."""
OF_EXIF = (DESCRIPTION, 271, 272, 305, 306, 315, 316, 33432, EXIF_IFD, GPS_IFD)
"""Tags that EXIF has as well: description, make, model, software, date, artist, computer, copyright."""
_OF_WRITERS = ('{"shape": ',)


def read_tiff(data: bytes) -> Metadata:
    """The metadata of the first page of a TIFF file."""
    tags = read_tags(data)
    exif = {number: tags[number] for number in OF_EXIF if number in tags}
    tiff = {number: tags[number] for number in OF_TIFF if number in tags}
    text = tags[DESCRIPTION].text if isinstance(tags.get(DESCRIPTION), Tag) else ""
    if is_form(text) or text.startswith(_OF_WRITERS):
        description = exif.pop(DESCRIPTION)
        if is_form(text):
            tiff[DESCRIPTION] = description
    return Metadata(
        resolution=resolution_of(tags),
        exif=write_tags(exif),
        xmp=tags[XMP].data if isinstance(tags.get(XMP), Tag) else b"",
        tiff=write_tags(tiff),
        white=_white(tags),
        nodata=_nodata(tags),
    )


def orientation_of(data: bytes) -> int:
    """The orientation that a file states (1 to 8), whoever turns its pixels."""
    tag = read_tags(data).get(ORIENTATION)
    return int(tag.numbers[0]) if isinstance(tag, Tag) and tag.numbers else 1


def write_tiff(data: bytes, metadata: Metadata) -> bytes:
    """A TIFF file with metadata; a big-endian or a BigTIFF one as it is."""
    if data[:4] != b"II*\0":
        return data
    own = read_tags(data)
    tags: dict[int, Any] = read_tags(metadata.exif) | read_tags(metadata.tiff) | resolution_tags(metadata.resolution)
    if metadata.xmp:
        tags[XMP] = Tag(BYTE, metadata.xmp)
    if metadata.white is not None:
        tags |= _white_tags(metadata.white, own)
    kept = {number: tag for number, tag in tags.items() if number in KEPT}
    return with_tags(data, kept) if kept else data


KEPT = (*OF_TIFF, *OF_EXIF, *RESOLUTION, XMP, MIN_VALUE, MAX_VALUE, S_MIN_VALUE, S_MAX_VALUE)


def _white(tags: dict[int, Any]) -> tuple[float, float] | None:
    """Black and white, where a tag states the largest value."""
    for lowest, largest in ((S_MIN_VALUE, S_MAX_VALUE), (MIN_VALUE, MAX_VALUE)):
        high = tags[largest].numbers if isinstance(tags.get(largest), Tag) else ()
        low = tags[lowest].numbers if isinstance(tags.get(lowest), Tag) else ()
        if high and max(high) > (low[0] if low else 0.0):
            return (min(low) if low else 0.0), max(high)
    return None


def _white_tags(white: tuple[float, float], own: dict[int, Any]) -> dict[int, Tag]:
    """The tags that state black and white, for the samples of a file."""
    samples = own[277].numbers[0] if 277 in own else 1
    if 339 in own and 3 in own[339].numbers:  # floating point
        low, high = (Tag(FLOAT, struct.pack("<f", value) * int(samples)) for value in white)
        return {S_MIN_VALUE: low, S_MAX_VALUE: high}
    if not all(float(value).is_integer() and 0 <= value <= 65535 for value in white):
        return {}
    low, high = (short_tag(*[int(value)] * int(samples)) for value in white)
    return {MAX_VALUE: high} | ({MIN_VALUE: low} if white[0] else {})


def _nodata(tags: dict[int, Any]) -> float | None:
    """The value of pixels without data (GDAL_NODATA is a text)."""
    if not isinstance(tag := tags.get(NODATA), Tag):
        return None
    try:
        return float(tag.text)
    except ValueError:
        return None
