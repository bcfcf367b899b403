"""The chunks of a PNG (RFC 2083), read from the bytes before any decoder sees them.

A file begins with 8 bytes of signature. Chunks follow: 4 bytes of length, 4 of kind, the content, 4 of CRC-32. The
first chunk is IHDR: width, height, bits, colour type, compression, filter, interlace. A kind that begins with a small
letter is ancillary: of those only tRNS decides about pixels, so that damage in the others is no matter.

Files of Apple's tools for telephones begin with a chunk CgBI: their pixels are blue, green, red, times alpha, and
their data lack the frame of zlib.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from translate.errors import DamagedError, DataError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNKS = 1000
"""The most chunks other than image data."""
_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
# Samples of one pixel by colour type: grey, RGB, palette index, grey with alpha, RGBA.
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# x, y of the first pixel of each pass of an interlaced image, and the steps to the next (RFC 2083, 2.6).
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
# Unpacked bytes beyond the pixels that are passed over, or as many as the pixels have.
_SURPLUS = 1 << 16
# Unpacked bytes of a colour profile, at most.
_PROFILE = 1 << 26
# Chunks that hold packed profiles and texts, and the largest ratio at which zlib packs.
_PACKED, _RATIO = (b"iCCP", b"zTXt", b"iTXt"), 1032
# The bytes of an ancillary chunk that is looked at, at most.
_TEXT = 1 << 24


@dataclass(frozen=True)
class PngInfo:
    """The facts in the chunks before the image data: size, bits per sample, colour type, interlacing, the raw `tRNS`,
    which holds a colour key or the alpha of a palette, the frames of an animation (0: none), and whether Apple's tools
    wrote it."""

    width: int
    height: int
    bits: int
    colour: int
    interlaced: bool
    transparency: bytes | None
    frames: int
    apple: bool

    @property
    def unpacked(self) -> int:
        """Bytes of the unpacked image data."""
        bits = self.bits * _SAMPLES[self.colour]
        total = 0
        for x, y, dx, dy in _ADAM7 if self.interlaced else ((0, 0, 1, 1),):
            columns, rows = -(-(self.width - x) // dx), -(-(self.height - y) // dy)
            if columns > 0 and rows > 0:
                # Each row opens with a byte that names its filter, and ends on a whole byte.
                total += rows * (1 + (columns * bits + 7) // 8)
        return total


def png_info(stream: BinaryIO, name: str) -> PngInfo:
    """Reads the chunks before the image data. Errors: DataError, also for more chunks than any writer makes."""
    stream.seek(8)
    header, contents, apple = b"", {b"tRNS": b"", b"acTL": b""}, False
    for _ in range(CHUNKS + 2):
        head = stream.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or kind in (b"IDAT", b"IEND"):
            break
        after = stream.tell() + length + 4
        if kind == b"CgBI" and not header:
            apple = True
        elif not header:
            header = stream.read(13) if kind == b"IHDR" and length == 13 else b""
            if len(header) < 13:
                raise DamagedError(f"{name}: truncated PNG: the header is not whole")
        elif kind in contents and not contents[kind]:
            contents[kind] = stream.read(min(length, 1024))
        stream.seek(after)
    else:
        raise DataError(f"{name}: PNG of more than {CHUNKS:,} chunks before its image data")
    if not header:
        raise DamagedError(f"{name}: truncated PNG: the header is not whole")
    width, height, bits, colour, _, _, interlace = struct.unpack(">IIBBBBB", header)
    if colour not in _SAMPLES or bits not in (1, 2, 4, 8, 16):
        raise DamagedError(f"{name}: damaged PNG: colour type {colour} with {bits} bits does not exist")
    frames = int.from_bytes(contents[b"acTL"][:4], "big")
    return PngInfo(width, height, bits, colour, interlace == 1, contents[b"tRNS"] or None, frames, apple)


def ancillary(stream: BinaryIO, kind: bytes) -> bytes:
    """The content of the first chunk of a kind that is whole, wherever it stands, reading no other; or nothing."""
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        length = int.from_bytes(head[:4], "big")
        if head[4:] == kind and length <= _TEXT:
            content = stream.read(length)
            if zlib.crc32(kind + content) == int.from_bytes(stream.read(4), "big"):
                return content
            continue
        stream.seek(length + 4, 1)
    return b""


def profile(data: bytes) -> bytes | None:
    """The colour profile in iCCP: a name, a zero, the number of the method, the packed profile."""
    at = data.find(b"iCCP", 8, 1 << 16)
    if at < 0:
        return None
    content = data[at + 4 : at + 4 + int.from_bytes(data[at - 4 : at], "big")]
    try:
        return zlib.decompressobj().decompress(content[content.index(b"\0") + 2 :], _PROFILE) or None
    except (ValueError, zlib.error):
        return None


def essential(data: bytes, info: PngInfo, name: str) -> tuple[bytes, tuple[str, ...]]:
    """The file with nothing but what decides about its pixels, whole and checked, for decoders; and what is odd about
    it: chunks that are damaged, superfluous image data and a missing end are passed over where the pixels are all
    there.

    Errors: DataError for image data that are damaged or too few.
    """
    chunks, parts, ended, notes = _chunks(data, name)
    packed = b"".join(parts)
    try:
        pixels, rest = _inflated(packed, info, name)
    except zlib.error as error:
        raise DamagedError(f"{name}: damaged PNG: {error}") from None
    if len(pixels) < info.unpacked:
        why = "" if ended else "the file ends before its end chunk, and "
        raise DamagedError(f"{name}: truncated PNG: {why}{len(pixels):,} of {info.unpacked:,} bytes of image data")
    if rest or info.apple:
        parts = [zlib.compress(pixels[: info.unpacked], 1)]
    body = [chunk(b"IDAT", part) for part in parts]
    before = [chunk(kind, content) for kind, content in chunks]
    notes += [rest] if rest else []
    notes += ["its pixels are stored as Apple's tools do it (CgBI)"] if info.apple else []
    notes += [] if ended else ["its end is missing"]
    return b"".join([SIGNATURE, *before, *body, chunk(b"IEND", b"")]), tuple(notes)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk: its length without the kind, the kind and the content, the CRC-32 of both."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _chunks(data: bytes, name: str) -> tuple[list[tuple[bytes, bytes]], list[bytes], bool, list[str]]:
    """The chunks before the image data that decide about pixels, the parts of the image data, whether the end chunk is
    there, and what is odd about the others."""
    chunks: list[tuple[bytes, bytes]] = []
    parts: list[bytes] = []
    notes: list[str] = []
    at, others = 8, 0
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        end, kind = at + 12 + length, data[at + 4 : at + 8]
        if end > len(data) and kind != b"IDAT":
            break
        if end > len(data):
            raise DamagedError(f"{name}: truncated PNG: the file ends inside its image data")
        if kind in _NEEDED:
            # The CRC covers kind and content, not the length.
            if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise DamagedError(f"{name}: damaged PNG: chunk {kind.decode('latin-1')!r} fails its checksum")
            if kind == b"IEND":
                notes += [f"{len(data) - end:,} bytes behind its end are passed over"] if len(data) > end else []
                return chunks, parts, True, notes
            if kind == b"IDAT":
                parts.append(data[at + 8 : end - 4])
            elif not parts:
                chunks.append((kind, data[at + 8 : end - 4]))
        elif not kind[0] & 0x20 and kind != b"CgBI":
            raise DamagedError(
                f"{name}: damaged PNG: an unknown chunk {kind.decode('latin-1')!r} that decides about pixels"
            )
        else:
            if kind in _PACKED:
                _check_packed(data[at + 8 : end - 4], name)
            if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                notes.append(f"its chunk {kind.decode('latin-1')!r} fails its checksum and is passed over")
        others += kind != b"IDAT"
        # A writer's image data come in few chunks of many bytes: one for each 64 bytes of the file is beyond any.
        if others > CHUNKS or len(parts) > CHUNKS + len(data) // 64:
            raise DataError(f"{name}: PNG of {len(parts) + others:,} tiny chunks: made to keep a decoder busy")
        at = end
    return chunks, parts, False, notes


def _check_packed(content: bytes, name: str) -> None:
    """Errors: DataError for a profile or text that unpacks to more than any holds. What is damaged is no matter."""
    if len(content) * _RATIO <= _PROFILE:
        return
    # The packed part comes behind a name, a zero, and a few bytes; in iTXt behind two more texts with their zeros.
    for start in range(content.find(b"\0") + 2, min(len(content), 256)):
        try:
            unpacked = zlib.decompressobj()
            size = len(unpacked.decompress(content[start:], 1 << 10))
            while unpacked.unconsumed_tail and size <= _PROFILE:
                size += len(unpacked.decompress(unpacked.unconsumed_tail, 1 << 20))
        except zlib.error:
            continue
        if size > _PROFILE:
            raise DataError(f"{name}: PNG with a profile or text that unpacks to {size:,} bytes: a decompression bomb?")
        return


def _inflated(packed: bytes, info: PngInfo, name: str) -> tuple[bytes, str]:
    """The unpacked image data, and what is odd about the packed ones: more than needed, or of too small a window.

    Errors: zlib.error, DataError.
    """
    # No more than the expected bytes are unpacked, whatever the stream holds: it may be a bomb.
    stream = zlib.decompressobj(-zlib.MAX_WBITS if info.apple else zlib.MAX_WBITS)
    try:
        pixels = stream.decompress(packed, info.unpacked)
        # Some writers pack a few rows too many. Without a surplus zlib reads on to the checksum and compares it.
        surplus = stream.decompress(stream.unconsumed_tail, max(_SURPLUS, info.unpacked) + 1)
    except zlib.error as error:
        if "distance" not in str(error) and "window" not in str(error):
            raise
        # The first byte states the size of the window, and some writers state too small a one.
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        pixels = stream.decompress(packed[2:], info.unpacked)
        if not stream.eof and not stream.decompress(stream.unconsumed_tail, 1) and not stream.eof:
            raise
        if zlib.adler32(pixels) != int.from_bytes(stream.unused_data[:4], "big"):
            raise
        return pixels, "its image data state a window that is too small for them"
    if len(surplus) > max(_SURPLUS, info.unpacked):
        raise DamagedError(
            f"{name}: damaged PNG: its image data unpack to far more than its pixels; a decompression bomb?"
        )
    if len(pixels) == info.unpacked and not surplus and not stream.eof:
        raise DamagedError(f"{name}: damaged PNG: its image data end without a checksum")
    return pixels, "it has more image data than pixels" if surplus or stream.unused_data else ""
