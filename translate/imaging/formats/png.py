"""PNG (RFC 2083); its structure and checksums are read from the bytes before any decoder sees them.

A file begins with 8 bytes of signature. Chunks follow: 4 bytes of length, 4 of kind, the content, 4 of CRC-32. The
first chunk is IHDR, whose content stands at bytes 16 to 28: width, height, bits, colour type, compression, filter,
interlace.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from PIL.Image import Exif
from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngImageFile

from translate.errors import DataError
from translate.imaging.formats.codec import Keeps, Opened, Settings, is_plausible, no_label_map, turned
from translate.imaging.formats.pillow_file import ORIENTATION, PillowCodec, decoded, saved, split
from translate.imaging.image import Header, Image, Limits
from translate.imaging.pixels import colour_key

Array = np.ndarray[Any, Any]

# So many bytes are read at once: the chunks before the image data of nearly every PNG.
_HEAD = 1 << 16

_CHUNKS = 1000
# Samples of one pixel by colour type: grey, RGB, palette index, grey with alpha, RGBA.
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# x, y of the first pixel of each pass of an interlaced image, and the steps to the next (RFC 2083, 2.6).
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@dataclass(frozen=True)
class PngInfo:
    """The facts in a PNG's first chunks: bits per sample, colour type, and the raw `tRNS` chunk, which holds a colour
    key or the alpha of a palette."""

    bits: int
    colour: int
    transparency: bytes | None


def png_header(data: bytes, name: str) -> PngInfo:
    """The PNG's header as far as `data` reaches; it may be the beginning of the file only."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise DataError(f"{name}: truncated PNG: the header is not whole")
    bits, colour = data[24], data[25]
    if colour not in _SAMPLES or bits not in (1, 2, 4, 8, 16):
        raise DataError(f"{name}: damaged PNG: colour type {colour} with {bits} bits does not exist")
    at, transparency = 33, None  # 8 of signature, 12 + 13 of IHDR
    while at + 8 <= len(data) and data[at + 4 : at + 8] not in (b"IDAT", b"IEND"):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"tRNS":
            transparency = data[at + 8 : at + 8 + length]
        at += length + 12
    return PngInfo(bits, colour, transparency)


def png_chunk(stream: BinaryIO, kind: bytes) -> bytes:
    """The content of the first chunk of a kind, wherever it stands, reading no other; empty where there is none."""
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        length = int.from_bytes(head[:4], "big")
        if head[4:] == kind:
            return stream.read(length)
        stream.seek(length + 4, 1)
    return b""


def png_prelude(stream: BinaryIO, name: str) -> None:
    """Checks that there are no more chunks before the image data than any writer makes. Errors: DataError."""
    stream.seek(8)
    count = 0
    while len(head := stream.read(8)) == 8 and head[4:] not in (b"IDAT", b"IEND"):
        stream.seek(int.from_bytes(head[:4], "big") + 4, 1)
        count += 1
        if count > _CHUNKS:
            raise DataError(f"{name}: PNG of more than {_CHUNKS:,} chunks before its image data")


def check_png(data: bytes, name: str) -> None:
    """Checks that every chunk is whole, every CRC right, IEND there, and that there is as much image data as the header
    asks for. Errors: DataError."""
    info = png_header(data, name)
    packed = _image_data(data, name)
    width, height = struct.unpack(">II", data[16:24])
    expected = _png_bytes(width, height, info.bits * _SAMPLES[info.colour], interlaced=data[28] == 1)
    stream = zlib.decompressobj()
    try:
        # No more than the expected bytes are unpacked, whatever the stream holds: it may be a bomb.
        length = len(stream.decompress(packed, expected))
        # One byte more shows a surplus. Where there is none, zlib reads on to the checksum and compares it.
        surplus = stream.decompress(stream.unconsumed_tail, 1)
    except zlib.error as error:
        raise DataError(f"{name}: damaged PNG: {error}") from None
    if length < expected or not (surplus or stream.eof):
        raise DataError(f"{name}: truncated PNG: {length} of {expected} bytes of image data")
    if surplus:
        raise DataError(f"{name}: damaged PNG: its image data unpack to more than {expected} bytes")


def _image_data(data: bytes, name: str) -> bytes:
    """The content of all IDAT chunks, joined, which is one zlib stream. Errors: DataError for a damaged chunk."""
    at, parts, others = 8, [], 0
    while True:
        if at + 12 > len(data):
            raise DataError(f"{name}: truncated PNG: the file ends before its end chunk")
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 12 + length
        kind = data[at + 4 : at + 8]
        if end > len(data):
            raise DataError(f"{name}: truncated PNG: the file ends inside a chunk")
        # The CRC covers kind and content, not the length.
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise DataError(f"{name}: damaged PNG: chunk {kind.decode('latin-1')!r} fails its checksum")
        if kind == b"IDAT":
            parts.append(data[at + 8 : end - 4])
        else:
            others += 1
        if kind == b"IEND":
            return b"".join(parts)
        # A writer's image data come in few chunks of many bytes: one for each 64 bytes of the file is beyond any.
        if others > _CHUNKS or len(parts) > _CHUNKS + len(data) // 64:
            raise DataError(f"{name}: PNG of {len(parts) + others:,} tiny chunks: made to keep a decoder busy")
        at = end


def _png_bytes(width: int, height: int, bits: int, *, interlaced: bool) -> int:
    """Bytes of the unpacked image data, for `bits` per pixel."""
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    total = 0
    for x, y, dx, dy in passes:
        columns, rows = -(-(width - x) // dx), -(-(height - y) // dy)
        if columns > 0 and rows > 0:
            # Each row opens with a byte that names its filter, and ends on a whole byte.
            total += rows * (1 + (columns * bits + 7) // 8)
    return total


class Png(PillowCodec):
    """Portable Network Graphics: 8 and 16 bits, alpha, palettes; lossless."""

    gives_way = False
    name, suffixes, signatures = "png", (".png", ".apng"), (b"\x89PNG\r\n\x1a\n",)
    keeps, guarded = Keeps(bits=16, alpha=True, icc=True, palette=True), False
    plugin = PngImageFile

    def check_header(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> None:
        stream.seek(0)
        png_header(stream.read(_HEAD), name)
        png_prelude(stream, name)

    def layout(self, file: ImageFile, stream: BinaryIO, name: str) -> tuple[str, int, int, bool]:
        position = stream.tell()
        stream.seek(0)
        png = png_header(stream.read(_HEAD), name)
        stream.seek(position)
        # Pillow's modes do not tell 2 and 4 bits from 8, nor a colour key from none; the header does.
        mode = {0: "grey", 2: "rgb", 3: "palette", 4: "grey", 6: "rgb"}[png.colour]
        alpha = png.colour in (4, 6) or png.transparency is not None
        bilevel = png.bits == 1 and mode == "grey"
        return "bilevel" if bilevel else mode, 1 if mode == "grey" else 3, max(8, png.bits), alpha

    def orientation(self, file: ImageFile, stream: BinaryIO) -> int:
        if "exif" in file.info:
            return super().orientation(file, stream)
        # Pillow would decode the whole PNG to look for the chunk behind its image data.
        position, exif = stream.tell(), Exif()
        try:
            exif.load(png_chunk(stream, b"eXIf"))
            return int(exif.get(ORIENTATION, 1))
        except Exception:
            return 1
        finally:
            stream.seek(position)

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        check_png(data, name)
        header = opened.header
        # The alpha of a palette is decoded; that of a colour key follows from tRNS.
        in_mode = header.mode == "palette" or "A" in opened.source.mode.upper()
        array = _wide(header, data) if header.bits == 16 else decoded(opened, header.alpha and in_mode)
        pixels, alpha = split(array, header.channels)
        if alpha is None and header.alpha:
            png = png_header(data, name)
            alpha = colour_key(pixels, png.transparency or b"", png.bits)
        return turned(opened, pixels, alpha, opened.source.info.get("icc_profile"), name)

    def encode(self, image: Image, name: str, settings: Settings) -> bytes:
        if image.bits == 16 and image.array.shape[2] > 1:
            return _encode_wide(image, settings.compression)
        return saved(image, format="PNG", compress_level=settings.compression)

    def is_ordinary(self, opened: Opened, data: bytes, name: str) -> bool:
        return is_plausible(opened.header, data)

    def as_indices(self, opened: Opened, data: bytes, name: str) -> Opened:
        header, stored_bits = opened.header, data[24]
        grey = header.mode == "grey" and not header.alpha and stored_bits == 8
        if not (grey or header.mode == "palette"):
            raise no_label_map(header, stored_bits, name)
        return replace(opened, header=replace(header, channels=1, alpha=False, mode="grey"))


def _wide(header: Header, data: bytes) -> Array:
    """Decodes a 16-bit PNG to H x W x (1 to 4); Pillow would make 8 bits of most of them."""
    import cv2  # late: few images have 16 bits, and a worker starts sooner without it

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype != np.uint16:
        raise ValueError("it cannot be decoded")
    array = array[..., None] if array.ndim == 2 else array
    # OpenCV gives blue, green, red, alpha; grey with alpha comes as three equal channels and alpha.
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[array.shape[2]]
    if array.shape[2] == 4 and header.channels == 1:
        order = [0, 3]
    wide: Array = array[..., order]
    return wide


def _encode_wide(image: Image, compression: int) -> bytes:
    """A PNG of 16-bit colour or alpha, which Pillow cannot write."""
    data: bytes = bytes(imagecodecs.png_encode(np.ascontiguousarray(image.array), level=compression))
    if image.icc is None:
        return data
    chunk = b"iCCP" + b"icc\x00\x00" + zlib.compress(image.icc)
    # A chunk: its length without the kind, the kind and the content, the CRC-32 of both.
    packed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return data[:33] + packed + data[33:]  # right behind the header chunk
