"""Metadata in the chunks of PNG (PNG specification, third edition, 11.3)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from translate.imaging.colour.spaces import cicp_profile, gamma_profile
from translate.imaging.metadata.metadata import Metadata, resolution_of, upright_exif
from translate.imaging.metadata.tiff_tags import read_tags

XMP = "XML:com.adobe.xmp"
"""The keyword of the text that is a packet of XMP."""
INCH = 0.0254
"""Metres."""
COLOURS = ("sRGB", "gAMA", "cHRM", "cICP")
"""Chunks that say what colours the samples are."""
_TEXT, _MOST = 1 << 20, 1000


def read_png(data: bytes) -> Metadata:
    """The metadata of a PNG file."""
    resolution, exif, white = None, b"", None
    texts: list[tuple[str, str]] = []
    chunks: dict[str, bytes] = {}
    packed_profile, bits, colour = b"", data[24], data[25]
    for kind, content in _chunks(data):
        if kind == "pHYs" and content[8:9] == b"\1":
            across, down = struct.unpack(">2I", content[:8])
            resolution = (across * INCH, down * INCH) if across and down else None
        elif kind == "eXIf":
            exif = content
        elif kind in ("tEXt", "zTXt", "iTXt"):
            texts.append(_text(kind, content))
        elif kind in COLOURS:
            chunks[kind] = content
        elif kind == "sBIT" and bits == 16 and content and 8 < content[0] < 16:
            white = 0.0, float((1 << content[0]) - 1)
        elif kind == "iCCP":
            packed_profile = packed_profile or content
    packets = [text for word, text in texts if word == XMP]
    # ImageMagick hides EXIF with its orientation in texts of this name.
    others = [(word, text) for word, text in texts if word not in ("", XMP) and not word.startswith("Raw profile")]
    stated = code_points(chunks.get("cICP", b""))
    profile = None if packed_profile and not stated else _profile(chunks, grey=colour in (0, 4))
    if packed_profile and stated:  # it comes back beside the code points, for those who do not know them
        chunks["iCCP"] = packed_profile
    kept = tuple(chunks.items()) if profile else ()
    xmp = packets[0].encode() if packets else b""
    resolution = resolution or resolution_of(read_tags(exif))
    return Metadata(resolution, upright_exif(exif), xmp, tuple(others), b"", kept, profile, white)


def write_png(data: bytes, metadata: Metadata) -> bytes:
    """A PNG file with metadata, right behind its header."""
    chunks = [(kind, content) for kind, content in metadata.chunks]
    bits, samples = data[24], {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[data[25]]
    if metadata.white is not None and bits == 16:
        significant = int(metadata.white[1]).bit_length()
        if metadata.white == (0.0, float((1 << significant) - 1)):
            chunks.append(("sBIT", bytes([significant]) * samples))
    if metadata.resolution is not None:
        per_metre = [min(round(value / INCH), (1 << 31) - 1) for value in metadata.resolution]
        chunks.append(("pHYs", struct.pack(">2IB", *per_metre, 1)))
    if metadata.exif:
        chunks.append(("eXIf", metadata.exif))
    for word, text in (*metadata.texts, *([(XMP, metadata.xmp.decode("utf-8", "replace"))] if metadata.xmp else [])):
        try:
            key = word.encode("latin-1")[:79]
            plain = text.encode("latin-1") if word != XMP else None
        except UnicodeEncodeError:
            plain = None
        if plain is not None:
            chunks.append(("tEXt", key + b"\0" + plain))
        else:
            chunks.append(("iTXt", key + b"\0\0\0\0\0" + text.encode()))
    return data[:33] + b"".join(_chunk(kind, content) for kind, content in chunks) + data[33:]


def _chunks(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Kind and content of all whole chunks but those of the image data."""
    at, count = 8, 0
    while at + 12 <= len(data) and count < _MOST:
        length = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        content = data[at + 8 : at + 8 + length]
        if kind != b"IDAT":
            count += 1
            if zlib.crc32(kind + content) == int.from_bytes(data[at + 8 + length : at + 12 + length], "big"):
                yield kind.decode("latin-1"), content
        at += 12 + length


def _text(kind: str, content: bytes) -> tuple[str, str]:
    """Keyword and text; empty where it is damaged, or unpacks to more than a megabyte."""
    word, _, rest = content.partition(b"\0")
    packed = kind == "zTXt"
    if kind == "iTXt":
        packed = rest[:1] == b"\1"
        rest = b"\0" + rest[2:].split(b"\0", 2)[-1]
    if packed:
        stream = zlib.decompressobj()
        try:
            rest = b"\0" + stream.decompress(rest[1:], _TEXT)
        except zlib.error:
            return "", ""
        if not stream.eof:
            return "", ""
    body = rest if kind == "tEXt" else rest[1:]
    return word.decode("latin-1"), body.decode("utf-8" if kind == "iTXt" else "latin-1", "replace")


def code_points(content: bytes) -> tuple[int, int] | None:
    """The code points of primaries and transfer in cICP (11.3.2.6), where this program knows them: of RGB (matrix 0),
    over the full range (1). They go before a profile then."""
    if len(content) != 4 or content[2:] != b"\0\1":
        return None
    primaries, transfer = content[:2]
    known = (primaries, transfer) == (1, 13) or cicp_profile(primaries, transfer) is not None
    return (primaries, transfer) if known else None


def _profile(chunks: dict[str, bytes], grey: bool) -> bytes | None:
    """The ICC profile that stands for the chunks of a file that brings none; None where they say sRGB."""
    if code := code_points(chunks.get("cICP", b"")):
        return cicp_profile(*code)
    if "sRGB" in chunks:
        return None
    exponent, points = chunks.get("gAMA", b""), chunks.get("cHRM", b"")
    gamma, chromaticities = None, None
    if len(exponent) == 4 and any(exponent):
        gamma = 100_000 / int.from_bytes(exponent, "big")
    if len(points) == 32:
        x = [value / 100_000 for value in struct.unpack(">8I", points)]
        chromaticities = tuple((x[n], x[n + 1]) for n in range(0, 8, 2))
    return gamma_profile(gamma, chromaticities, grey)


def _chunk(kind: str, content: bytes) -> bytes:
    named = kind.encode("latin-1") + content
    return struct.pack(">I", len(content)) + named + struct.pack(">I", zlib.crc32(named))
