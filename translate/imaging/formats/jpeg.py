"""JPEG (ITU-T T.81); its structure is read from the bytes before any decoder sees them."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from kornia_rs.io import ImageDecoder
from PIL.Image import Exif
from PIL.JpegImagePlugin import JpegImageFile

from translate.errors import DamagedError, DataError, UnsupportedError
from translate.imaging.formats.codec import BAD_PROFILE, Keeps, Opened, Settings, is_plausible, turned
from translate.imaging.formats.pillow_file import ORIENTATION, PillowCodec, decoded, saved
from translate.imaging.image import Header, Image, Limits
from translate.imaging.pixels import filled

Array = np.ndarray[Any, Any]

SCANS = 100
"""Passes over one progressive JPEG; no encoder makes more."""
ORDINARY_SCANS = 20
"""Scans of an ordinary progressive JPEG."""

_SEGMENTS = 10_000
# A marker is FF and a code (T.81, B.1.1.2). FF 00 is a data byte FF, FF D0 to FF D7 restart the entropy coder inside
# the image data, and FF FF is padding: none of these is searched for.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_END, _START, _SCAN, _TEMPORARY = 0xD9, 0xD8, 0xDA, 0x01
# SOF0 to SOF15, but for DHT, JPG and DAC, which share the range (T.81, table B.1). From SOF9 on: arithmetic coding.
_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ARITHMETIC = 0xC9
_SEQUENTIAL = (0xC0, 0xC1)
_LOSSLESS = (0xC3, 0xC7, 0xCB, 0xCF)
_APP1, _APP2 = 0xE1, 0xE2
_PROFILE = b"ICC_PROFILE\0"
# Sampling factors of luma, then of both chroma: 4:4:4, 4:2:2, 4:4:0, 4:2:0, 4:1:1, 4:4:1.
_TURBO = [((h, v), (1, 1), (1, 1)) for h, v in ((1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (1, 4))]


@dataclass(frozen=True)
class JpegInfo:
    """The frame header of a JPEG: `bits` per sample, `components` the horizontal and vertical sampling factor of each,
    the number of `scans`, and whether the marker of its end is there."""

    width: int
    height: int
    bits: int
    components: tuple[tuple[int, int], ...]
    scans: int
    ended: bool = True

    @property
    def turbo(self) -> bool:
        """Whether TurboJPEG decodes it: grey, or three colours, two of full, half or a quarter of the size."""
        return self.bits == 8 and (len(self.components) == 1 or self.components in _TURBO)


def jpeg_info(data: bytes, name: str) -> JpegInfo:
    """Follows the markers from SOI through a frame header and at least one scan to EOI.

    The bytes behind EOI (a preview, a video) are not looked at. EOI may be missing of a file whose only scan is Huffman
    coded and sequential, since TurboJPEG tells whether its data are whole. Errors: DataError for another marker that is
    missing, and for fewer bytes than a Huffman code of one bit per block takes.
    """
    frame, arithmetic, scans, ended = _frame_header(data, name)
    # The frame header (T.81, B.2.2): bits, height, width, number of components, then 3 bytes of each.
    if not scans or len(frame) < 6 or len(frame) < 6 + 3 * frame[5]:
        raise DamagedError(f"{name}: damaged JPEG: it holds no image data")
    height, width = struct.unpack(">HH", frame[1:5])
    components = tuple((frame[n + 1] >> 4, frame[n + 1] & 15) for n in range(6, 6 + 3 * frame[5], 3))
    # A block has 64 pixels and takes at least one bit, so that a byte holds 512 pixels at most.
    if width * height > 512 * len(data) and not arithmetic:
        raise DamagedError(f"{name}: truncated JPEG: {len(data):,} bytes cannot hold {width} x {height} pixels")
    info = JpegInfo(width, height, frame[0], components, scans, ended)
    if not ended and not info.turbo:
        raise DamagedError(f"{name}: truncated JPEG: the file ends before its end marker")
    return info


def _frame_header(data: bytes, name: str) -> tuple[bytes, bool, int, bool]:
    """The content of the frame header, whether the coding is arithmetic, the number of scans, and whether EOI ends
    them."""
    at, scans, segments = 2, 0, 0
    frame, arithmetic, sequential = b"", False, False
    while match := _MARKER.search(data, at):
        marker, at = data[match.start() + 1], match.end()
        if marker == _END:
            return frame, arithmetic, scans, True
        if marker in (_TEMPORARY, _START):  # they stand alone: no length follows
            continue
        # The length counts its own two bytes. A smaller one is wrong and must not lead backwards.
        length = max(2, int.from_bytes(data[at : at + 2], "big"))
        if marker in _FRAME_HEADERS:
            if frame:
                raise DamagedError(f"{name}: damaged JPEG: it has two frame headers; these are two files in one")
            frame, arithmetic = data[at + 2 : at + length], marker >= _ARITHMETIC
            sequential = marker in _SEQUENTIAL
        at += length
        scans += marker == _SCAN
        segments += 1
        if segments > _SEGMENTS:
            raise DataError(f"{name}: JPEG of more than {_SEGMENTS:,} segments: made to keep a decoder busy")
        if scans > SCANS:
            raise DataError(f"{name}: JPEG of more than {SCANS} scans: made to keep a decoder busy")
    if sequential and scans == 1 and at <= len(data):
        return frame, arithmetic, scans, False
    raise DamagedError(f"{name}: truncated JPEG: the file ends before its end marker")


@dataclass(frozen=True)
class Special:
    """A JPEG that Pillow does not know, lossless or of more than 8 bits: its `bits` and its colour profile."""

    bits: int
    icc: bytes | None


def _special(stream: BinaryIO) -> tuple[int, int, int, int, int, bytes | None] | None:
    """(width, height, bits, components, EXIF orientation, profile) of a JPEG that Pillow does not know, by the segments
    before its image data; None for all others."""
    at, orientation = 2, 1
    profile: dict[int, bytes] = {}
    for _ in range(_SEGMENTS):
        stream.seek(at)
        head = stream.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] == _SCAN:
            return None
        marker, length = head[1], int.from_bytes(head[2:], "big")
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker in (_APP1, _APP2):
            body = stream.read(length - 2)
            if body.startswith(b"Exif\0\0"):
                orientation = _orientation(body)
            if body.startswith(_PROFILE):  # its parts are numbered
                profile[int.from_bytes(body[12:13], "big")] = body[14:]
        if marker in _FRAME_HEADERS:
            bits, height, width, components = struct.unpack(">BHHB", stream.read(6).ljust(6, b"\0"))
            known = bits == 8 and marker not in _LOSSLESS
            whole = b"".join(part for _, part in sorted(profile.items()))
            return None if known else (width, height, bits, components, orientation, whole or None)
        at += 2 + length
    return None


def _orientation(body: bytes) -> int:
    exif = Exif()
    try:
        exif.load(body)
        orientation = int(exif.get(ORIENTATION, 1))
    except Exception:  # as odd as EXIF may be, it does not decide about pixels
        return 1
    return orientation if 1 <= orientation <= 8 else 1


class Jpeg(PillowCodec):
    """JPEG: 8 bits, lossy."""

    gives_way = False
    name, suffixes, signatures = "jpeg", (".jpg", ".jpeg", ".jpe", ".jfif", ".jif"), (b"\xff\xd8\xff",)
    keeps, guarded = Keeps(icc=True, side=65535), False
    plugin = JpegImageFile

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        special = _special(stream)
        if special is None:
            return super().open(stream, size, name, limits)
        width, height, bits, components, orientation, icc = special
        if components not in (1, 3) or not 2 <= bits <= 16:
            raise UnsupportedError(
                f"{name}: JPEG of {components} components and {bits} bits is not read; convert it to TIFF"
            )
        width, height = (height, width) if orientation > 4 else (width, height)
        mode = "grey" if components == 1 else "rgb"
        header = Header(self.name, width, height, components, 8 if bits <= 8 else 16, False, mode)
        limits.check(header, size, name)
        return Opened(self, header, Special(bits, icc), orientation)

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        info = jpeg_info(data, name)
        if isinstance(opened.source, Special):
            wide = filled(np.asarray(imagecodecs.jpeg_decode(data)), opened.source.bits)
            return turned(opened, wide.reshape(*wide.shape[:2], -1), None, opened.source.icc, name)
        # Of kinds that TurboJPEG does not know (CMYK, odd sampling) only a `GuardedReader` notices data that run out.
        data = data if info.ended else data + bytes([0xFF, _END])
        array, note = _turbo(info, data, name) if info.turbo else (decoded(opened, alpha=False), "")
        image = turned(opened, array, None, opened.source.info.get("icc_profile"), name)
        notes = [note] if note and note not in image.notes else []
        notes += [] if info.ended else ["its end is missing"]
        return replace(image, notes=(*image.notes, *notes))

    def encode(self, image: Image, name: str, settings: Settings) -> bytes:
        subsampling = 0 if settings.quality >= 90 else 2
        return saved(image, format="JPEG", quality=settings.quality, subsampling=subsampling)

    def is_ordinary(self, opened: Opened, data: bytes, name: str) -> bool:
        info = jpeg_info(data, name)
        if isinstance(opened.source, Special):
            return False
        return is_plausible(opened.header, data) and info.turbo and info.scans <= ORDINARY_SCANS


def _turbo(info: JpegInfo, data: bytes, name: str) -> tuple[Array, str]:
    """A JPEG as TurboJPEG decodes it, H x W x (1 or 3): the same values as Pillow's, but data that run out, or are left
    over, are an error and not a grey half. And what is odd about it: a profile with a part that is missing is an error
    for TurboJPEG, too, and decides about no pixel."""
    decoder = ImageDecoder()
    decode = decoder.decode_gray8 if len(info.components) == 1 else decoder.decode
    try:
        return decode(data), ""
    except Exception:
        bare = without_profile(data)
    try:
        return decode(bare if bare != data else b""), BAD_PROFILE
    except Exception:
        raise DamagedError(
            f"{name}: damaged or truncated JPEG: its compressed data end early, are left over or contradict themselves"
        ) from None


def without_profile(data: bytes) -> bytes:
    """A JPEG without the parts of its colour profile, which come before its first scan."""
    at, parts = 2, [data[:2]]
    while match := _MARKER.search(data, at):
        marker, start = data[match.start() + 1], match.end()
        end = start + max(2, int.from_bytes(data[start : start + 2], "big"))
        if marker in (_SCAN, _END, _START, _TEMPORARY):
            break
        if marker != _APP2 or not data.startswith(_PROFILE, start + 2):
            parts.append(data[at:end])
        at = end
    return b"".join([*parts, data[at:]])
