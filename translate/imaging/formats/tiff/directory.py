"""The directory of a TIFF or BigTIFF, and the check that the strips or tiles that it names are in the file (TIFF 6.0).

It is read without any library: what a directory claims decides how much memory a decoder takes.

| bytes | TIFF | BigTIFF |
| --- | --- | --- |
| 0 to 1 | `II` little-endian, `MM` big-endian | the same |
| 2 to 3 | 42 | 43 |
| 4 to 7 | offset of the first directory | size of offsets (8), a zero |
| 8 to 15 | | offset of the first directory |

A directory is a count of entries (2 bytes; 8 in BigTIFF), the entries (12 bytes each; 20), and the offset of the next
directory (4 bytes; 8), 0 behind the last. An entry is a tag (2 bytes), a type (2), a count of values (4; 8), and the
values, or their offset where they take more than 4 bytes (8).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isinf
from typing import BinaryIO

from translate.errors import DamagedError, DataError, UnsupportedError
from translate.imaging.formats.samples import FLOAT, SIGNED, UNSIGNED
from translate.imaging.formats.tiff.interpretation import INKS, JPEG, LAB, OTHERS, PLAIN, with_guesses
from translate.imaging.formats.tiff.pages import Stack, announced_stack
from translate.imaging.formats.tiff.planes import planes_behind
from translate.imaging.formats.tiff.previews import is_page
from translate.imaging.image import FRAMES, Header

# Bits of unsigned samples that share bytes. Those of 1, 2 and 4 bits Pillow spreads over 8.
_PACKED = (3, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15)
# The most entries of a directory, and values of a tag that is used here (strips, tiles): more than any writer makes.
_ENTRIES, _SEGMENTS = 4096, 1 << 20
# The tag of the colour profile, and the tags of texts that are used here; a text is read no further than this.
_ICC = 34675
_TEXTS = {270: "description", 42113: "nodata"}
_TEXT = 1 << 20
# Bytes of a value by its type (TIFF 6.0, section 2; from 16 on BigTIFF's), and how `struct` calls the integer types.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
# Names in this module of the tags that are used: `offsets`, `rows` and `counts` are those of strips (StripOffsets,
# RowsPerStrip, StripByteCounts), `formats` is SampleFormat, `depths` BitsPerSample, and `depth` SGI's number of layers.
_FIELDS = {
    256: "width", 257: "height", 258: "depths", 259: "compression", 262: "photometric", 273: "offsets",
    274: "orientation", 277: "samples", 278: "rows", 279: "counts", 284: "planar", 317: "predictor",
    322: "tile_width", 323: "tile_height", 324: "tile_offsets", 325: "tile_counts", 338: "extras", 339: "formats",
    332: "inks", 32997: "depth",
}  # fmt: skip


@dataclass(frozen=True)
class Directory:
    """The first directory of a TIFF: `tags` by the names in this module, each a tuple of integers; `pages` counts the
    directories (not beyond `FRAMES`); `icc` is the colour profile; `texts` are the description and GDAL's `nodata`.

    Where all pages are one image, `stack` says how, `more` are the directories of the others, and `pages` is 1. So many
    `planes` of one directory lie behind one another, where there are no further directories. `index` is the place of
    this directory among all, more than 0 behind a preview. `odd` says what it leaves out.
    """

    tags: dict[str, tuple[int, ...]]
    pages: int
    icc: bytes | None
    name: str
    texts: dict[str, str] = field(default_factory=dict)
    stack: Stack | None = None
    more: tuple[dict[str, tuple[int, ...]], ...] = ()
    planes: int = 1
    index: int = 0
    odd: tuple[str, ...] = ()

    def one(self, tag: str, default: int = 0) -> int:
        """The first value of a tag."""
        return (self.tags.get(tag) or (default,))[0]

    @cached_property
    def samples(self) -> int:
        """The number of channels, alpha included."""
        return self.one("samples", 1)

    @cached_property
    def bits(self) -> int:
        """The bits per sample, as stored. Errors: DataError for channels of several depths."""
        if len({*self.tags.get("depths", (1,))}) > 1:
            raise UnsupportedError(f"{self.name}: TIFF with channels of several depths is not read; convert it to one")
        return self.one("depths", 1)

    @cached_property
    def floating(self) -> bool:
        """Whether samples are floating point numbers."""
        return {*self.tags.get("formats", (1,))} == {3}

    @cached_property
    def unsigned(self) -> bool:
        """Whether samples are unsigned integers (or of no stated kind)."""
        return {*self.tags.get("formats", (1,))} <= {1, 4}

    @cached_property
    def signed(self) -> bool:
        """Whether samples are signed integers."""
        return {*self.tags.get("formats", (1,))} == {2}

    @cached_property
    def nodata(self) -> float | None:
        """The value that GDAL declares to be no data (where the samples are floats, or become that); it may be NaN."""
        try:
            value = float(self.texts["nodata"])
        except (KeyError, ValueError):
            return None
        return None if isinf(value) else value

    @cached_property
    def rgb(self) -> bool:
        """Whether the first three channels are decoded to RGB: as they are (2), or by a codec that stores brightness
        and two differences (6)."""
        ycbcr = self.one("photometric") == 6 and self.one("compression", 1) in (JPEG, *OTHERS)
        return self.one("photometric") == 2 or ycbcr or self.lab or self.inks

    @cached_property
    def lab(self) -> bool:
        """Whether the channels are CIELab (8) or ICCLab (9), which become RGB."""
        return self.one("photometric") in LAB and self.samples == 3 and self.bits in (8, 16)

    @cached_property
    def inks(self) -> bool:
        """Whether the first four channels are inks of 16 bits, or of 8 with alpha behind them; they become RGB."""
        four = self.one("photometric") == INKS and self.one("inks", 1) == 1 and self.unsigned
        return four and ((self.bits == 16 and self.samples >= 4) or (self.bits == 8 and self.samples > 4))

    @cached_property
    def sparse(self) -> bool:
        """Whether some tiles, though not all, are left out (GDAL): their pixels are 0, or no data."""
        return 0 in self.tags.get("tile_offsets", ()) and any(self.tags["tile_offsets"])

    @cached_property
    def extras(self) -> tuple[int, ...]:
        """The kind of each channel beyond grey or RGB (ExtraSamples): 0 a band, 1 alpha that the colours are multiplied
        with, 2 alpha that they are not multiplied with."""
        base = 3 if self.rgb else 1
        base += self.inks
        count = max(0, self.samples - base)
        if "extras" not in self.tags:
            # Many writers leave the tag out and mean alpha by a fourth channel of RGB.
            return (2,) if base == 3 and count == 1 else (0,) * count
        stated = self.tags["extras"][:count]
        return stated + (0,) * (count - len(stated))

    @cached_property
    def alpha(self) -> int | None:
        """The channel that is alpha: the last, where it is said to be. Any other one is a band, whatever is said of it:
        writers that call the fourth of six bands alpha mean near infrared."""
        return self.samples - 1 if self.extras and self.extras[-1] in (1, 2) else None

    @property
    def exact(self) -> bool:
        """Whether `formats.tiff` decodes it: grey, RGB or bands, which Pillow does not give as they are."""
        bits: tuple[int, ...] = ()
        kinds = ((self.unsigned, (*UNSIGNED, *_PACKED)), (self.signed, SIGNED), (self.floating, (*FLOAT, 24)))
        for is_kind, sizes in kinds:
            bits = sizes if is_kind else bits
        # Photometric 0 is grey with white as 0, 1 grey with black as 0.
        compression = self.one("compression", 1)
        stored = (self.one("photometric") in (0, 1) or self.rgb) and compression in (*PLAIN, *OTHERS)
        special = self.bits not in (1, 2, 4, 8) or self.signed or bool(self.extras) or self.stack is not None
        special = special or self.lab or self.inks or self.sparse or bool(self.odd)
        bits = (8, 16) if self.lab else bits  # a and b may be called signed
        return self.bits in bits and stored and (special or compression in OTHERS)

    @property
    def header(self) -> Header:
        """The header as the tags announce it. Only for an `exact` image does it tell how it will be decoded.

        Errors: DataError.
        """
        width, height = self.one("width"), self.one("height")
        if self.one("planar", 1) not in (1, 2):
            raise damaged_tiff(self.name, f"planar configuration {self.one('planar', 1)}")
        if not (width and height and 0 < self.samples <= 1 << 16):
            raise damaged_tiff(self.name, "its directory gives no size")
        if self.one("depth", 1) > 1:
            raise UnsupportedError(f"{self.name}: a volume of {self.one('depth')} layers in one file; extract them")
        channels, rgb = self.samples - (self.alpha is not None) - self.inks, self.rgb
        if rgb and self.samples < 3:
            raise damaged_tiff(self.name, f"RGB of {self.samples} channels")
        if self.stack and self.stack.by_rows:
            width, height, channels = height, self.stack.pages, width
        elif self.stack:
            channels = self.stack.pages
        if self.one("orientation", 1) in (5, 6, 7, 8):  # it lies on its side: turned, rows become columns
            width, height = height, width
        mode = "bands"
        if rgb and channels == 3:
            mode = "rgb"
        elif not rgb and channels == 1:
            mode = "grey"
        is_float = self.floating or (self.signed and not self.lab)
        bits = 8 if self.bits <= 8 else 16
        bits = 32 if is_float or self.bits > 16 else bits
        return Header("tiff", width, height, channels, bits, self.alpha is not None, mode, is_float)


def read_directory(stream: BinaryIO, name: str) -> Directory:
    """Reads the first directory of a picture and counts the others, one for each page; where these are more bands of
    the same image, it reads them, too.

    Errors: DataError for directories that lead out of the file, to each other, or are larger than any writer's.
    """
    size = stream.seek(0, 2)
    stream.seek(0)
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = struct.unpack(f"{order}H", head[2:4])[0] == 43
    if len(head) < (16 if big else 8):
        raise damaged_tiff(name, "the header is not whole")
    at = struct.unpack(f"{order}Q", head[8:16])[0] if big else struct.unpack(f"{order}I", head[4:8])[0]
    first: Directory | None = None
    stack: Stack | None = None
    more: list[dict[str, tuple[int, ...]]] = []
    seen: set[int] = set()
    segments = 0
    pages, index, preview = 0, 0, None
    while at and len(seen) <= (max(FRAMES, stack.pages) if stack else FRAMES):
        if at in seen:  # else this loop would never end
            raise damaged_tiff(name, "its directories lead back to each other")
        seen.add(at)
        entries, at = raw_entries(stream, at, size, order, big, name)
        if not is_page(entries, order, big, None if first is None else first.tags):
            preview = preview or entries
            index += first is None
            continue
        pages += 1
        if first is None:
            first = _tags(stream, entries, size, order, big, name)
            stack = _stack(first)
        elif stack and pages <= stack.pages:
            more.append(_tags(stream, entries, size, order, big, name).tags)
            segments += len(more[-1].get("offsets", ())) + len(more[-1].get("tile_offsets", ()))
            if segments > _SEGMENTS:
                raise damaged_tiff(name, f"its pages have {segments:,} strips or tiles")
    if first is None and preview:  # small pictures alone, one of which is better than none
        first, pages, index = _tags(stream, preview, size, order, big, name), 1, 0
    if first is None:
        raise damaged_tiff(name, "it has no directory")
    if stack and pages == stack.pages and all(_alike(first.tags, tags) for tags in more):
        return replace(first, stack=stack, more=tuple(more), index=index)
    planes = planes_behind(first.texts.get("description", ""), first.tags, size) if pages == 1 else 1
    if stack and planes == stack.pages and not stack.by_rows:
        return replace(first, stack=stack, planes=planes)
    return replace(first, pages=max(pages, planes), planes=planes, index=index)


def read_pages(stream: BinaryIO, name: str) -> list[Directory]:
    """Reads the directory of each page. Errors: DataError, as `read_directory`, and for more than `FRAMES` pages."""
    first = read_directory(stream, name)
    if first.stack or first.planes > 1:
        return [first]
    if first.pages > FRAMES:
        raise UnsupportedError(f"{name}: more than {FRAMES:,} pages in one file; extract them into files of their own")
    size = stream.seek(0, 2)
    stream.seek(0)
    head = stream.read(16)
    order, big = ("<" if head[:2] == b"II" else ">"), head[2:4] in (b"\x2b\0", b"\0\x2b")
    at = struct.unpack(f"{order}Q", head[8:16])[0] if big else struct.unpack(f"{order}I", head[4:8])[0]
    pages: list[Directory] = []
    index = 0
    while at and len(pages) < first.pages:
        entries, at = raw_entries(stream, at, size, order, big, name)
        if index == first.index or is_page(entries, order, big, first.tags):
            pages.append(replace(_tags(stream, entries, size, order, big, name), index=index))
        index += 1
    return pages


def _stack(first: Directory) -> Stack | None:
    """The image of several pages that the first one announces, as far as it can be one: upright grey samples."""
    plain = first.samples == 1 and first.one("orientation", 1) == 1 and first.one("photometric") in (0, 1)
    if not plain:
        return None
    return announced_stack(first.texts.get("description", ""), first.one("width"), first.one("height"))


def _alike(first: dict[str, tuple[int, ...]], other: dict[str, tuple[int, ...]]) -> bool:
    """Whether two pages differ in nothing but the place of their strips or tiles."""
    names = {*first, *other} - {"offsets", "counts", "tile_offsets", "tile_counts"}
    return all(first.get(name) == other.get(name) for name in names)


def damaged_tiff(name: str, why: str) -> DataError:
    return DamagedError(f"{name}: damaged or truncated TIFF: {why}")


def value_size(kind: int) -> int:
    """The bytes of a value of a type."""
    return _SIZES.get(kind, 1)


def raw_entries(stream: BinaryIO, at: int, size: int, order: str, big: bool, name: str) -> tuple[list[bytes], int]:
    """The raw entries of a directory, and where the next one is."""
    width, each, after = (8, 20, 8) if big else (2, 12, 4)  # bytes of the count, of an entry, of the next offset
    stream.seek(min(at, size))
    head = stream.read(width)
    count = int.from_bytes(head, "little" if order == "<" else "big")
    if count > _ENTRIES:
        raise damaged_tiff(name, f"a directory of {count:,} entries")
    body = stream.read(count * each + after)
    if len(head) < width or len(body) < count * each:
        raise damaged_tiff(name, "a directory reaches beyond the file")
    # Of a file that ends with its last entry, libtiff takes the offset of the next directory for 0.
    offset = body[count * each :] if len(body) == count * each + after else b""
    following = int.from_bytes(offset, "little" if order == "<" else "big")
    return [body[n * each : (n + 1) * each] for n in range(count)], following


def _tags(stream: BinaryIO, entries: list[bytes], size: int, order: str, big: bool, name: str) -> Directory:
    """A directory with the tags that say how the image is stored; the values of all tags are in the file."""
    tags, texts, icc = {}, {}, None
    inline = 8 if big else 4  # so many bytes of values fit into the entry itself
    for entry in entries:
        tag, kind, count = struct.unpack(f"{order}HH{'Q' if big else 'I'}", entry[: 4 + inline])
        # Every value has to lie in the file, also of tags that are not used here: decoders read them all.
        length = value_size(kind) * count
        value = entry[4 + inline :]
        if length > inline:
            at = struct.unpack(f"{order}{'Q' if big else 'I'}", value)[0]
            if at + length > size:
                raise damaged_tiff(name, f"tag {tag} reaches beyond the file")
        if length > inline:
            stream.seek(at)
        if tag == _ICC and length > inline:
            icc = stream.read(length)
        if tag in _TEXTS:
            raw = stream.read(min(length, _TEXT)) if length > inline else value[:length]
            texts[_TEXTS[tag]] = raw.split(b"\0")[0].decode("utf-8", "replace")
        if tag not in _FIELDS:
            continue
        if kind not in _CODES or not count:
            raise damaged_tiff(name, f"tag {tag} is no number")
        if count > _SEGMENTS:
            raise damaged_tiff(name, f"tag {tag} has {count:,} values")
        if length > inline:
            value = stream.read(length)
        tags[_FIELDS[tag]] = struct.unpack(f"{order}{count}{_CODES[kind]}", value[:length])
    guessed, odd = with_guesses(tags)
    return Directory(guessed, 1, icc, name, texts, odd=odd)
