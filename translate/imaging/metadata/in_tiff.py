"""Metadata in the tags of TIFF: resolution, EXIF, XMP, GeoTIFF, GDAL, descriptions of microscopes, white."""

from __future__ import annotations

import html
import re
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

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
    MOST,
    Tag,
    add_tags,
    ascii_tag,
    read_tags,
    short_tag,
    write_tags,
)

XMP, IPTC, PAGE_NAME, GDAL_METADATA, COEFFICIENTS = 700, 33723, 285, 42112, 50844
MIN_VALUE, MAX_VALUE, S_MIN_VALUE, S_MAX_VALUE = 280, 281, 340, 341
BYTE, LONG, UNDEFINED, FLOAT = 1, 4, 7, 11
OF_TIFF = (*GEO, GDAL_METADATA, NODATA, COEFFICIENTS, PAGE_NAME)
"""Tags that EXIF does not have."""
OF_EXIF = (DESCRIPTION, 271, 272, 305, 306, 315, 316, 33432, EXIF_IFD, GPS_IFD)
"""Tags that EXIF has as well: description, make, model, software, date, artist, computer, copyright."""
OF_TEXTS = {
    "Title": DESCRIPTION, "Description": DESCRIPTION, "Comment": DESCRIPTION, "Author": 315, "Copyright": 33432,
    "Software": 305,
}  # fmt: skip
"""Keywords of texts (PNG specification, 11.3.3.2) that TIFF has tags for; of those with one tag the last counts."""
_OF_WRITERS = ('{"shape": ',)


def read_tiff(data: bytes, page: int = 0) -> Metadata:
    """The metadata of a page of a TIFF file, by the place of its directory."""
    tags = read_tags(data, page)
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
        texts=items_of(tags[GDAL_METADATA].text) if isinstance(tags.get(GDAL_METADATA), Tag) else (),
        white=_white(tags),
        nodata=_nodata(tags),
        iptc=_iptc(tags),
    )


def orientation_of(data: bytes, page: int = 0) -> int:
    """The orientation that a page states (1 to 8), whoever turns its pixels."""
    tag = read_tags(data, page).get(ORIENTATION)
    return int(tag.numbers[0]) if isinstance(tag, Tag) and tag.numbers else 1


def write_tiff(data: bytes, metadata: Metadata) -> bytes:
    """A TIFF file with metadata; a big-endian or a BigTIFF one as it is."""
    return write_tiff_pages(data, [metadata])


def write_tiff_pages(data: bytes, of_pages: Sequence[Metadata | None]) -> bytes:
    """A TIFF file with the metadata of each of its pages; a big-endian or a BigTIFF one as it is."""
    if data[:4] != b"II*\0":
        return data
    changed = bytearray(data)
    for page, metadata in enumerate(of_pages):
        if metadata and (tags := _tags_of(metadata, read_tags(data, page))):
            add_tags(changed, tags, page)
    return bytes(changed)


def _tags_of(metadata: Metadata, own: dict[int, Any]) -> dict[int, Any]:
    """The tags that metadata become in a directory that has its `own` already."""
    tags: dict[int, Any] = read_tags(metadata.exif) | read_tags(metadata.tiff) | resolution_tags(metadata.resolution)
    if metadata.texts:
        tags |= _text_tags(metadata.texts, tags)
    if metadata.iptc:
        tags[IPTC] = Tag(UNDEFINED, metadata.iptc)
    if metadata.xmp:
        tags[XMP] = Tag(BYTE, metadata.xmp)
    if metadata.white is not None:
        tags |= _white_tags(metadata.white, own)
    return {number: tag for number, tag in tags.items() if number in KEPT}


KEPT = (*OF_TIFF, *OF_EXIF, *RESOLUTION, XMP, IPTC, MIN_VALUE, MAX_VALUE, S_MIN_VALUE, S_MAX_VALUE)


def _white(tags: dict[int, Any]) -> tuple[float, float] | None:
    """Black and white, where a tag states the largest value."""
    for lowest, largest in ((S_MIN_VALUE, S_MAX_VALUE), (MIN_VALUE, MAX_VALUE)):
        high = tags[largest].numbers if isinstance(tags.get(largest), Tag) else ()
        low = tags[lowest].numbers if isinstance(tags.get(lowest), Tag) else ()
        if high and max(high) > (low[0] if low else 0.0):
            return (min(low) if low else 0.0), max(high)
    return None


def items_of(document: str) -> tuple[tuple[str, str], ...]:
    """The texts in GDAL's metadata (XML) that are said of the image as a whole."""
    texts = []
    for attributes, value in re.findall(r"<Item\s([^<>]{1,1000})>([^<]*)</Item>", document[:MOST]):
        named = dict(re.findall(r'([\w:]+)="([^"]*)"', attributes))
        if "name" in named and not {"sample", "role", "domain"} & {*named}:
            texts.append((html.unescape(named["name"]), html.unescape(value)))
    return tuple(texts)


def _text_tags(texts: Sequence[tuple[str, str]], tags: dict[int, Any]) -> dict[int, Any]:
    """Tags that hold texts: all of them as GDAL's metadata, known keywords as tags of their own, too."""
    own = tags[GDAL_METADATA].text if isinstance(tags.get(GDAL_METADATA), Tag) else "<GDALMetadata>\n</GDALMetadata>"
    there = {name for name, _ in items_of(own)}
    items = ""
    for name, text in texts:
        if name not in there:
            items += f'  <Item name="{html.escape(name)}">{html.escape(text, quote=False)}</Item>\n'
    changed = {GDAL_METADATA: ascii_tag(own.replace("</GDALMetadata>", f"{items}</GDALMetadata>"))}
    by_name = dict(texts)
    for name, number in OF_TEXTS.items():
        if name in by_name and number not in tags:
            changed[number] = ascii_tag(by_name[name])
    return changed


def _iptc(tags: dict[int, Any]) -> bytes:
    """The record of IPTC, which old writers call numbers of 32 bits: then its bytes have been swapped with them."""
    tag = tags.get(IPTC)
    if not isinstance(tag, Tag):
        return b""
    swapped = tag.type == LONG and tag.data[3:4] == b"\x1c" and len(tag.data) % 4 == 0
    return np.frombuffer(tag.data, "<u4").astype(">u4").tobytes() if swapped else tag.data


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
