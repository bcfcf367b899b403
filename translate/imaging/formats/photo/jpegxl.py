"""JPEG XL (ISO 18181): the header, read bit by bit, and still pictures decoded by libjxl.

A file is a bare codestream, or boxes of which `jxlc`, or the first `jxlp`, begins with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import imagecodecs
import numpy as np

from translate.errors import DamagedError, DataError, UnsupportedError
from translate.imaging.colour.dynamic_range import NAMES, note_on
from translate.imaging.colour.spaces import cicp_profile
from translate.imaging.formats.codec import Codec, Keeps, Opened, Pages, Settings, check_frames
from translate.imaging.formats.photo.boxes import box, box_in, boxes
from translate.imaging.image import Header, Image, Limits
from translate.imaging.pixels import filled, to16

Array = np.ndarray[Any, Any]

_CODESTREAM = b"\xff\x0a"
_CONTAINER = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
# Width by height, by the number of the ratio (18181-1, table of SizeHeader).
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_HEAD = 1 << 12
_ALPHA, _RGB, _GREY, _D65, _LINEAR = 0, 0, 1, 1, 8


@dataclass(frozen=True)
class JxlInfo:
    """The header of a codestream: size as stored, EXIF orientation, bits, whether samples are floats, colour channels,
    alpha, whether it is a film, whether its colours are those of lossy images (XYB), the code points of primaries and
    transfer (H.273; 0: another space, or sRGB), whether a profile says what they are instead, and the bit of the header
    at which the curve of linear light is named (0: another curve)."""

    width: int
    height: int
    orientation: int
    bits: int
    floating: bool
    channels: int
    alpha: bool
    film: bool
    xyb: bool
    colours: tuple[int, int] = (0, 0)
    with_profile: bool = False
    curve_at: int = 0


class _Bits:
    """Reads little-endian bits. Errors: IndexError behind the end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def at(self) -> int:
        """The number of bits that were taken."""
        return self._at

    def take(self, count: int) -> int:
        """A number of so many bits."""
        value = 0
        for place in range(count):
            value |= (self._data[self._at >> 3] >> (self._at & 7) & 1) << place
            self._at += 1
        return value

    def choice(self, *forms: tuple[int, int]) -> int:
        """A number in one of four forms (U32): an offset, and so many bits that are added to it."""
        offset, count = forms[self.take(2)]
        return offset + self.take(count)

    def enum(self) -> int:
        """A number that names a kind."""
        return self.choice((0, 0), (1, 0), (2, 4), (18, 6))


def jxl_info(codestream: bytes) -> JxlInfo:
    """Reads SizeHeader and ImageMetadata. Errors: IndexError where they are not whole."""
    bits = _Bits(codestream[2:])
    width, height = _size(bits)
    orientation, film = 1, False
    samples, extras, channels, xyb = (8, False), [], 3, True
    colours, with_profile, curve_at = (0, 0), False, 0
    if not bits.take(1):  # 1: all as usual
        if bits.take(1):  # further fields
            orientation = 1 + bits.take(3)
            if bits.take(1):  # a size for display
                _size(bits)
            if bits.take(1):
                _preview(bits)
            film = bool(bits.take(1))
            if film:
                _animation(bits)
        samples = _depth(bits)
        bits.take(1)  # whether 16 bits are enough for a decoder
        extras = [_extra(bits) for _ in range(bits.choice((0, 0), (1, 0), (2, 4), (1, 12)))]
        xyb = bool(bits.take(1))
        if not bits.take(1):  # 1: sRGB
            with_profile = bool(bits.take(1))
            space = bits.enum()
            channels = 1 if space == _GREY else 3
            if not with_profile and space in (_RGB, _GREY):
                colours, curve_at = _colours(bits, space)
    alpha = _ALPHA in extras
    return JxlInfo(width, height, orientation, *samples, channels, alpha, film, xyb, colours, with_profile, curve_at)


def _colours(bits: _Bits, space: int) -> tuple[tuple[int, int], int]:
    """The code points of primaries (of greys: 0) and transfer, 0 where the white is not D65, or there are numbers
    instead; and the bit at which linear light is named."""
    if bits.enum() != _D65:
        return (0, 0), 0
    primaries = 0
    if space == _RGB:
        primaries = {1: 1, 9: 9, 11: 12}.get(bits.enum(), 0)
        if not primaries:
            return (0, 0), 0
    if bits.take(1):  # a gamma
        return (0, 0), 0
    at = bits.at
    transfer = bits.enum()
    return (primaries, transfer if primaries else 0), at if transfer == _LINEAR else 0


def _size(bits: _Bits) -> tuple[int, int]:
    forms = ((1, 9), (1, 13), (1, 18), (1, 30))
    small = bits.take(1)
    height = 8 * (1 + bits.take(5)) if small else bits.choice(*forms)
    ratio = bits.take(3)
    if ratio:
        numerator, denominator = _RATIOS[ratio]
        return height * numerator // denominator, height
    return (8 * (1 + bits.take(5)) if small else bits.choice(*forms)), height


def _preview(bits: _Bits) -> None:
    forms = ((16, 0), (32, 0), (1, 5), (33, 9)) if bits.take(1) else ((1, 6), (65, 8), (321, 10), (1345, 12))
    bits.choice(*forms)
    if not bits.take(3):
        bits.choice(*forms)


def _animation(bits: _Bits) -> None:
    bits.choice((100, 0), (1000, 0), (1, 10), (1, 30))
    bits.choice((1, 0), (1001, 0), (1, 8), (1, 10))
    bits.choice((0, 0), (0, 3), (0, 16), (0, 32))
    bits.take(1)


def _depth(bits: _Bits) -> tuple[int, bool]:
    """Bits of a sample, and whether it is a float."""
    if not bits.take(1):
        return bits.choice((8, 0), (10, 0), (12, 0), (1, 6)), False
    depth = bits.choice((32, 0), (16, 0), (24, 0), (1, 6))
    bits.take(4)  # bits of the exponent
    return depth, True


def _extra(bits: _Bits) -> int:
    """The kind of an extra channel."""
    if bits.take(1):
        return _ALPHA
    kind = bits.enum()
    _depth(bits)
    bits.choice((0, 0), (3, 0), (4, 0), (1, 3))
    for _ in range(bits.choice((0, 0), (0, 4), (16, 5), (48, 10))):
        bits.take(8)  # its name
    if kind == _ALPHA:
        bits.take(1)
    if kind == 2:  # a spot colour, of four half floats
        bits.take(64)
    return kind


class JpegXl(Codec):
    """JPEG XL: 8 bits, alpha, lossy or (at quality 100) lossless; 16 bits and floats, which are always lossless."""

    name, suffixes, signatures = "jpegxl", (".jxl",), (_CODESTREAM, _CONTAINER)
    keeps = Keeps(bits=32, floats=True, alpha=True)

    def read_pages(self, stream: BinaryIO, data: bytes, name: str, limits: Limits) -> Pages:
        opened = self._header(stream, len(data), name, limits)
        if not opened.source.film:
            return Pages((self.decode(opened, data, name),))
        stack = imagecodecs.jpegxl_decode(data, numthreads=1)
        return Pages(tuple(self._image(opened, array, name) for array in stack))

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        opened = self._header(stream, size, name, limits)
        check_frames(2 if opened.source.film else 1, name)
        return opened

    def _header(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        stream.seek(0)
        head = stream.read(_HEAD)
        if head.startswith(_CONTAINER):
            head = _codestream(stream, size)
        try:
            info = jxl_info(head)
        except IndexError:
            raise DamagedError(f"{name}: truncated JPEG XL: the header is not whole") from None
        width, height = (info.height, info.width) if info.orientation > 4 else (info.width, info.height)
        mode = "grey" if info.channels == 1 else "rgb"
        bits = 8 if info.bits <= 8 else 16
        bits = 32 if info.floating else bits
        if info.bits > 16 and not info.floating:
            raise UnsupportedError(
                f"{name}: JPEG XL of {info.bits} bits is not read; convert it to 16 bits or to floats"
            )
        header = Header(self.name, width, height, info.channels, bits, info.alpha, mode, info.floating)
        limits.check(header, size, name)
        return Opened(self, header, info)

    def is_lossless(self, head: bytes) -> bool:
        at = head.find(_CODESTREAM)
        try:
            return at >= 0 and not jxl_info(head[at:]).xyb
        except IndexError:
            return False

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        return self._image(opened, imagecodecs.jpegxl_decode(data, numthreads=1), name)

    def _image(self, opened: Opened, array: Array, name: str) -> Image:
        """The image of a decoded array, which is upright."""
        header, info = opened.header, opened.source
        array = array[..., None] if array.ndim == 2 else array
        array = array.astype(np.float32, copy=False) if info.floating else array
        if info.bits not in (8, 16) and not info.floating and array.max(initial=0) < 1 << info.bits:
            array = filled(array, info.bits)
        if array.shape[:2] != (header.height, header.width) or array.shape[2] < header.channels + header.alpha:
            raise DamagedError(f"{name}: damaged JPEG XL: its header and its picture differ")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DataError(f"{name}: its samples are not all finite numbers")
        pixels = np.ascontiguousarray(array[..., : header.channels])
        alpha = np.ascontiguousarray(array[..., header.channels]) if header.alpha else None
        icc = cicp_profile(*info.colours) if header.channels == 3 else None
        notes = [note_on(info.colours[1])] if info.colours[1] in NAMES else []
        if info.with_profile and not info.xyb:  # of lossy images the decoder makes sRGB
            notes.append("its colour profile is not read, and its colours are taken for sRGB")
        return Image(pixels, alpha, icc, header.mode, notes=tuple(notes))

    def encode(self, image: Image, name: str, settings: Settings) -> bytes:
        if image.pixels.dtype == np.uint32:
            alpha = None if image.alpha is None else to16(image.alpha)
            image = replace(image, pixels=to16(image.pixels), alpha=alpha)
        # The library takes deep samples for linear light: in lossy files they would be other colours.
        lossless = settings.quality >= 100 or image.bits > 8
        array = image.array[..., 0] if image.array.shape[2] == 1 else image.array
        options: dict[str, Any] = {"lossless": True} if lossless else {"level": settings.quality}
        data = bytes(imagecodecs.jpegxl_encode(np.ascontiguousarray(array), numthreads=1, **options))
        return _in_srgb(data) if image.bits > 8 else data


def _codestream(stream: BinaryIO, size: int) -> bytes:
    """The beginning of the codestream in a file of boxes."""
    whole = box_in(stream, size, b"jxlc", longest=_HEAD)
    # The parts of a codestream begin with their number, in 4 bytes.
    return whole or box_in(stream, size, b"jxlp", longest=_HEAD)[4:]


def _in_srgb(data: bytes) -> bytes:
    """A lossless file that the library calls linear light, as the sRGB that it is."""
    if data.startswith(_CODESTREAM):
        return _stating_srgb(data)
    parts = boxes(data)
    return b"".join(box(kind, _stating_srgb(value) if kind == b"jxlc" else value) for kind, value in parts)


def _stating_srgb(codestream: bytes) -> bytes:
    """A codestream whose header has the number of the curve of sRGB in the place of that of linear light.

    Both numbers are written in as many bits as it takes: 8 is 2 and 6 in four bits, 13 is 2 and 11.
    """
    info = jxl_info(codestream)
    if not info.curve_at:
        return codestream
    changed = bytearray(codestream)
    at = 16 + info.curve_at + 2
    for place, bit in enumerate(11 >> n & 1 for n in range(4)):
        byte, within = divmod(at + place, 8)
        changed[byte] = changed[byte] & ~(1 << within) | bit << within
    return bytes(changed)
