"""Netpbm: PBM, PGM and PPM in text and binary (P1 to P6), PAM (P7) and PFM (Pf, PF, floats)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

import numpy as np

from translate.errors import DamagedError, UnsupportedError
from translate.imaging.formats.codec import Codec, Keeps, Opened, Settings, turned
from translate.imaging.formats.samples import as_samples
from translate.imaging.image import Header, Image, Limits
from translate.imaging.pixels import filled, unit_floats

Array = np.ndarray[Any, Any]

_HEAD = 1 << 12
_MAGIC = re.compile(rb"P(?:[1-6]\s|[1-6]#|7\n)")
_MAGIC_OF_FLOATS = re.compile(rb"P[fF]\s")
# A number of a header, behind blanks and comments.
_NUMBER = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])*([+-]?[0-9.]+(?:[eE][+-]?\d+)?)")


@dataclass(frozen=True)
class PnmHeader:
    """`kind` is the second character of the file; `depth` counts the channels, alpha included; `highest` is the value
    of white (of floats 1); pixels begin at byte `offset`; `little` tells the byte order of floats."""

    kind: str
    width: int
    height: int
    depth: int
    highest: int
    offset: int
    little: bool = False

    @property
    def sample(self) -> np.dtype[Any]:
        """The type of stored samples."""
        if self.kind in "fF":
            return np.dtype("<f4" if self.little else ">f4")
        return np.dtype(np.uint8 if self.highest < 256 else ">u2")


def pnm_header(head: bytes, name: str) -> PnmHeader:
    """Reads a header. Errors: DataError."""
    kind = chr(head[1])
    if kind == "7":
        return _pam_header(head, name)
    values: list[float] = []
    at, wanted = 2, 2 if kind in "14" else 3
    while len(values) < wanted:
        match = _NUMBER.match(head, at)
        if not match:
            raise DamagedError(f"{name}: truncated or damaged PNM: the header is not whole")
        values.append(float(match[1]))
        at = match.end()
    width, height = int(values[0]), int(values[1])
    if kind in "fF":
        return PnmHeader(kind, width, height, 3 if kind == "F" else 1, 1, at + 1, values[2] < 0)
    highest = 1 if kind in "14" else int(values[2])
    if not 0 < highest < 1 << 16:
        raise DamagedError(f"{name}: damaged PNM: its largest value is {highest}")
    return PnmHeader(kind, width, height, 3 if kind in "36" else 1, highest, at + 1)


def _pam_header(head: bytes, name: str) -> PnmHeader:
    end = head.find(b"ENDHDR\n")
    if end < 0:
        raise DamagedError(f"{name}: truncated or damaged PAM: the header is not whole")
    words = {}
    for line in head[3:end].decode("latin-1").splitlines():
        key, _, value = line.partition(" ")
        words[key] = value.strip()
    try:
        numbers = [int(words[key]) for key in ("WIDTH", "HEIGHT", "DEPTH", "MAXVAL")]
    except (KeyError, ValueError):
        raise DamagedError(f"{name}: damaged PAM: its header lacks a number") from None
    width, height, depth, highest = numbers
    if not 0 < highest < 1 << 16 or depth < 1:
        raise DamagedError(f"{name}: damaged PAM: its header contradicts itself")
    return PnmHeader("7", width, height, depth, highest, end + 7)


class Pnm(Codec):
    """Netpbm's PGM, PPM and PAM: 8 and 16 bits; lossless."""

    name = "pnm"
    suffixes: ClassVar[tuple[str, ...]] = (".pnm", ".pgm", ".ppm", ".pbm", ".pam")
    only_read: ClassVar[tuple[str, ...]] = (".pbm",)
    instead = ".pnm"
    begins_like_text = True
    keeps = Keeps(bits=16, alpha=True)

    def recognises(self, head: bytes) -> bool:
        return _MAGIC.match(head) is not None

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        stream.seek(0)
        pnm = pnm_header(stream.read(_HEAD), name)
        floats, alpha = pnm.kind in "fF", pnm.depth in (2, 4)
        channels = pnm.depth - alpha if pnm.depth <= 4 else pnm.depth
        bits = 8 if pnm.highest < 256 else 16
        mode = {1: "grey", 3: "rgb"}.get(channels, "bands")
        header = Header(self.name, pnm.width, pnm.height, channels, 32 if floats else bits, alpha, mode, floats)
        limits.check(header, size, name)
        return Opened(self, header, pnm)

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        pnm: PnmHeader = opened.source
        stored = _of_text(pnm, data, name) if pnm.kind in "123" else _of_bytes(pnm, data, name)
        if stored.dtype.kind == "f":
            array = as_samples(stored, name)[::-1]  # its first row is the lowest
        else:
            if int(stored.max(initial=0)) > pnm.highest:
                raise DamagedError(f"{name}: damaged PNM: values above its largest value, {pnm.highest}")
            array = _spread(stored, pnm.highest)
        channels = opened.header.channels
        return turned(opened, array[..., :channels], array[..., channels] if opened.header.alpha else None, None, name)

    def encode(self, image: Image, name: str, settings: Settings) -> bytes:
        array = image.array
        height, width, depth = array.shape
        highest = int(np.iinfo(array.dtype).max)
        if image.alpha is None:
            head = f"P{5 if depth == 1 else 6}\n{width} {height}\n{highest}\n"
        else:
            kind = "GRAYSCALE_ALPHA" if depth == 2 else "RGB_ALPHA"
            head = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {depth}\nMAXVAL {highest}\nTUPLTYPE {kind}\nENDHDR\n"
        return head.encode() + array.astype(array.dtype.newbyteorder(">")).tobytes()


class Pfm(Pnm):
    """Portable float maps: grey and RGB of any finite floats; lossless."""

    name, suffixes, only_read, instead = "pfm", (".pfm",), (), ".png"
    keeps = Keeps(bits=32, floats=True)

    def recognises(self, head: bytes) -> bool:
        return _MAGIC_OF_FLOATS.match(head) is not None

    def encode(self, image: Image, name: str, settings: Settings) -> bytes:
        array = unit_floats(image.pixels)
        height, width, depth = array.shape
        # A scale below 0 says that the bytes are little-endian; the lowest row comes first.
        head = f"P{'f' if depth == 1 else 'F'}\n{width} {height}\n-1.0\n"
        return head.encode() + array[::-1].astype("<f4").tobytes()


def _spread(stored: Array, highest: int) -> Array:
    """Samples from 0 to `highest` over all values of their type."""
    if highest + 1 in (1 << 8, 1 << 16):
        return stored.astype(stored.dtype.newbyteorder("="))
    if (highest + 1) & highest == 0:
        return filled(stored, highest.bit_length())
    dtype = np.uint8 if highest < 256 else np.uint16
    white = int(np.iinfo(dtype).max)
    spread: Array = ((stored.astype(np.uint64) * white + highest // 2) // highest).astype(dtype)
    return spread


def _of_bytes(pnm: PnmHeader, data: bytes, name: str) -> Array:
    """The samples H x W x C of a binary file."""
    row = (pnm.width + 7) // 8 if pnm.kind == "4" else pnm.width * pnm.depth * pnm.sample.itemsize
    needed = pnm.offset + pnm.height * row
    if len(data) < needed:
        raise DamagedError(f"{name}: truncated PNM: {len(data):,} of {needed:,} bytes")
    if data[needed : needed + 2] and _MAGIC.match(data[needed : needed + 2] + b"\n"):
        raise UnsupportedError(f"{name}: several pictures in one file; extract them into files of their own")
    body = data[pnm.offset : needed]
    if pnm.kind == "4":  # eight pixels a byte, and 1 is black
        rows = np.unpackbits(np.frombuffer(body, np.uint8).reshape(pnm.height, row), axis=1)
        return 1 - rows[:, : pnm.width, None]
    return np.frombuffer(body, pnm.sample).reshape(pnm.height, pnm.width, pnm.depth)


def _of_text(pnm: PnmHeader, data: bytes, name: str) -> Array:
    """The samples H x W x C of a file of decimal numbers; those of P1 may stand without blanks."""
    text = re.sub(rb"#[^\r\n]*", b"", data[pnm.offset - 1 :])
    words = re.findall(rb"[01]", text) if pnm.kind == "1" else text.split()
    count = pnm.width * pnm.height * pnm.depth
    if len(words) < count:
        raise DamagedError(f"{name}: truncated PNM: {len(words):,} of {count:,} samples")
    try:
        values = np.array(words[:count], dtype=np.int64)
    except (ValueError, OverflowError):
        raise DamagedError(f"{name}: damaged PNM: a sample is no number") from None
    if values.min(initial=0) < 0 or values.max(initial=0) > pnm.highest:
        raise DamagedError(f"{name}: damaged PNM: values beyond its largest value, {pnm.highest}")
    values = 1 - values if pnm.kind == "1" else values
    return values.reshape(pnm.height, pnm.width, pnm.depth).astype(pnm.sample.newbyteorder("="))
