"""Checks that the strips or tiles of a TIFF are in the file, with as many bytes as they need."""

from __future__ import annotations

import zlib
from dataclasses import replace
from io import BytesIO

from translate.imaging.formats.tiff.directory import Directory, damaged_tiff, read_directory
from translate.imaging.formats.tiff.interpretation import DEFLATE, NONE, OLD_DEFLATE

# Bytes of a tile that are allowed however small the image is.
_TILE = 1 << 26


def check_tiff(data: bytes, name: str) -> None:
    """Checks that all strips or tiles are inside the file, with as many bytes as they need (where compression lets us
    know), and that deflated ones have whole checksums. The header is known to be good. Errors: DataError."""
    tiff = read_directory(BytesIO(data), name)
    for tags in (tiff.tags, *tiff.more):
        check_segments(replace(tiff, tags=tags), data, name)


def check_segments(tiff: Directory, data: bytes, name: str) -> None:
    """Checks the strips or tiles of one directory. Errors: DataError."""
    packed = check_places(tiff, len(data), name)
    if tiff.one("compression", 1) in (DEFLATE, OLD_DEFLATE):
        for number, start, count, needed in packed:
            _check_deflate(data[start : start + count], needed, number, name)


def check_places(tiff: Directory, size: int, name: str) -> list[tuple[int, int, int, int]]:
    """Checks that the strips or tiles of one directory are in a file of `size` bytes. Returns of each whose length
    follows from its pixels: its number, offset, bytes, and unpacked bytes. Errors: DataError."""
    width, height, compression = tiff.one("width"), tiff.one("height"), tiff.one("compression", 1)
    # Planar configuration 2 stores each channel by itself: as many planes, each of one sample per pixel.
    planes, samples = (tiff.samples, 1) if tiff.one("planar", 1) == 2 else (1, tiff.samples)
    if "tile_offsets" in tiff.tags:
        wide, high = tiff.one("tile_width"), tiff.one("tile_height")
        if not wide or not high:
            raise damaged_tiff(name, "tiles without a size")
        # In bits. A decoder takes a whole tile's memory: a small image has no use for tiles many times its size.
        if wide * high * samples * tiff.bits > 8 * max(_TILE, 4 * width * height * samples):
            raise damaged_tiff(name, f"tiles of {wide:,} x {high:,} pixels for an image of {width:,} x {height:,}")
        heights = [high] * (-(-width // wide) * -(-height // high))  # tiles at the edge are padded to full size
        offsets, counts = tiff.tags.get("tile_offsets", ()), tiff.tags.get("tile_counts", ())
    else:
        wide, high = width, min(tiff.one("rows", height), height) or height
        heights = [min(high, height - top) for top in range(0, height, high)]  # the last strip may be lower
        offsets, counts = tiff.tags.get("offsets", ()), tiff.tags.get("counts", ())
    if not len(offsets) == len(counts) == len(heights) * planes:
        raise damaged_tiff(name, f"{len(offsets)} strips or tiles, {len(heights) * planes} are needed")
    if sum(counts) > size:
        raise damaged_tiff(name, "its strips or tiles overlap")
    row = (wide * samples * tiff.bits + 7) // 8  # each row ends on a whole byte
    packed = []
    for number, (start, count) in enumerate(zip(offsets, counts, strict=True)):
        if not start and not count and tiff.sparse and tiff.exact:
            continue
        if not start or not count or start + count > size:
            raise damaged_tiff(name, f"strip or tile {number} is not in the file")
        if tiff.one("photometric") == 6:
            continue  # YCbCr: chroma may have fewer samples
        needed = row * heights[number % len(heights)]
        if compression == NONE and count < needed:
            raise damaged_tiff(name, f"strip or tile {number} has {count:,} of {needed:,} bytes")
        packed.append((number, start, count, needed))
    return packed


def _check_deflate(data: bytes, needed: int, number: int, name: str) -> None:
    """Reads the stream to its checksum, since decoders stop before it, once they have all rows.

    Fewer bytes than needed are no error: some writers fill a last tile only partly. Errors: DataError.
    """
    try:
        unpacked = zlib.decompressobj()
        length = len(unpacked.decompress(data, needed + 1))  # one more than needed shows a surplus
    except zlib.error as error:
        raise damaged_tiff(name, f"strip or tile {number}: {error}") from None
    if length > needed:
        raise damaged_tiff(name, f"strip or tile {number} unpacks to more than its {needed:,} bytes")
    if not unpacked.eof:
        raise damaged_tiff(name, f"strip or tile {number} ends early")
