"""TIFF of any number of channels and all usual samples, read and written without loss (by tifffile)."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile

from translate.errors import DataError, UnsupportedError
from translate.imaging.colour.inks import colours_of_deep_inks
from translate.imaging.colour.lab import decoded_lab, srgb_of_lab
from translate.imaging.formats.codec import Keeps, Opened, Pages, Parts, Settings, check_frames, turned
from translate.imaging.formats.pillow_file import PillowCodec, saved
from translate.imaging.formats.samples import UNSIGNED, as_samples
from translate.imaging.formats.tiff.directory import Directory, read_directory, read_pages
from translate.imaging.formats.tiff.interpretation import INKS, LAB, OTHERS, PLAIN, UNCOUNTED
from translate.imaging.formats.tiff.part import tiff_parts
from translate.imaging.formats.tiff.planes import plane_bytes
from translate.imaging.formats.tiff.segments import check_segments, check_tiff
from translate.imaging.image import Image, Limits
from translate.imaging.metadata.files import described
from translate.imaging.metadata.in_tiff import write_tiff_pages
from translate.imaging.pixels import filled, in_steps, to8, top, unmultiplied, within_unit

Array = np.ndarray[Any, Any]

_BY_PILLOW = (0, 1, 2, 3, 5, 6)
"""Photometric interpretations that are left to Pillow where samples have 8 bits or fewer."""
_COLOURS = {
    0: "grey", 1: "grey", 2: "RGB", 3: "a palette", 4: "a mask", 5: "inks", 6: "YCbCr", 8: "CIELab", 9: "ICCLab",
    10: "ITULab", 32803: "a mosaic of single colours", 32844: "LogL", 32845: "LogLuv", 34892: "linear raw",
}  # fmt: skip


class Tiff(PillowCodec):
    """TIFF: any bands of 8, 16 or 32 bits and floats; lossless."""

    gives_way = False
    name, suffixes = "tiff", (".tif", ".tiff", ".btf", ".tf8", ".gtiff")
    signatures = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")  # the last two are BigTIFF
    keeps = Keeps(bits=32, floats=True, bands=True, alpha=True, icc=True)
    plugin = TiffImageFile

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        directory = read_directory(stream, name)
        check_frames(directory.pages, name)
        return self._opened(directory, stream, size, name, limits)

    def _opened(self, directory: Directory, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        _check_directory(directory, size, name, limits)
        if directory.exact:
            return Opened(self, directory.header, directory, directory.one("orientation", 1), directory.index)
        if directory.one("photometric") not in _BY_PILLOW or (directory.one("photometric") == INKS and directory.inks):
            raise _not_read(directory, name)
        return self.open_page(stream, size, name, limits, directory.index)

    def parts(self, stream: BinaryIO, size: int, name: str) -> Parts | None:
        return tiff_parts(stream, size, name)

    paged = True

    def read_pages(self, stream: BinaryIO, data: bytes, name: str, limits: Limits) -> Pages:
        directories = read_pages(stream, name)
        headers = [directory.header for directory in directories]
        first = directories[0]
        if sum(header.decoded for header in headers) * first.planes > limits.decoded:
            raise DataError(f"{name}: all {len(headers)} pages together are more than {limits.decoded:,} bytes")
        if first.planes > 1 and not first.stack:
            return Pages(tuple(self._plane(data, first, number, name) for number in range(first.planes)))
        images = []
        for directory in directories:
            stream.seek(0)
            opened = self._opened(directory, stream, len(data), name, limits)
            check_segments(directory, data, name)
            image = self.decode(opened, data, name)
            images.append(described(image, self.name, data, opened.orientation, directory.index))
        return Pages(tuple(images))

    def _plane(self, data: bytes, first: Directory, number: int, name: str) -> Image:
        array = as_samples(plane(data, first, number), name, first.nodata)
        orientation = first.one("orientation", 1)
        image = turned(Opened(self, first.header, None, orientation), array, None, first.icc, name)
        return described(image, self.name, data, orientation, first.index)

    def write_pages(self, pages: Pages, name: str, settings: Settings) -> bytes:
        data = encode_tiff(*pages.images, packed=settings.compression > 1)
        return write_tiff_pages(data, [image.metadata for image in pages.images])

    def frames(self, file: Any) -> int:
        return 1  # previews and masks are no pages: the directories have been counted

    def orientation(self, file: Any, stream: BinaryIO) -> int:
        return 1  # Pillow turns a TIFF by itself, and states its upright size

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        if not isinstance(opened.source, Directory):
            return super().decode(opened, data, name)
        self.check_file(data, name)
        image = turned(opened, *decode_tiff(data, opened.source, name), opened.source.icc, name)
        return replace(image, notes=(*image.notes, *opened.source.odd)) if opened.source.odd else image

    def check_file(self, data: bytes, name: str) -> None:
        check_tiff(data, name)

    def encode(self, image: Image, name: str, settings: Settings) -> bytes:
        if image.bits > 8 or image.mode == "bands":
            return encode_tiff(image, packed=settings.compression > 1)
        return saved(image, format="TIFF", compression="tiff_lzw")


def _check_directory(tiff: Directory, size: int, name: str, limits: Limits) -> None:
    """Errors: DataError for a directory whose image cannot be decoded within the limits."""
    if not tiff.exact and (tiff.bits > 8 or not tiff.unsigned):
        raise _not_read(tiff, name)
    limits.check(tiff.header, size, name)


def _not_read(tiff: Directory, name: str) -> UnsupportedError:
    return UnsupportedError(
        f"{name}: TIFF of {_samples(tiff)} is not read; convert it to unsigned samples of 8, 16 or 32 bits or to "
        "float32, uncompressed or by Deflate"
    )


def _samples(tiff: Directory) -> str:
    """The samples of a TIFF in words, with what keeps it from being read."""
    kind = "complex or unknown"
    for is_kind, word in ((tiff.unsigned, "unsigned"), (tiff.signed, "signed"), (tiff.floating, "floating point")):
        kind = word if is_kind else kind
    compression = tiff.one("compression", 1)
    known = compression in PLAIN or compression in OTHERS
    stored = "" if known else f", compression {compression}"
    number = tiff.one("photometric")
    colours = _COLOURS.get(number, f"photometric interpretation {number}")
    return f"{kind} samples of {tiff.bits} bits ({colours}{stored})"


def decode_tiff(data: bytes, tiff: Directory, name: str) -> tuple[Array, Array | None]:
    """The pixels, H x W x C as they are stored (not turned upright), and the alpha, H x W, of a `plain` TIFF.

    Errors: DataError for samples that cannot be those of an image; nearly anything for damaged files.
    """
    import tifffile  # late: it takes a tenth of a second, and most images are no TIFF

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it has to say, it raises as well
    with tifffile.TiffFile(BytesIO(data)) as file:
        if tiff.stack and tiff.planes > 1:
            stored = np.dstack([plane(data, tiff, number) for number in range(tiff.planes)])
        elif tiff.stack:
            pages = []
            for number, tags in enumerate((tiff.tags, *tiff.more), tiff.index):
                pages.append(_page(file.pages[number], replace(tiff, tags=tags))[..., 0])
            stored = np.stack(pages, axis=0 if tiff.stack.by_rows else 2)
        else:
            stored = _page(file.pages[tiff.index], tiff)
    if tiff.unsigned and tiff.bits not in UNSIGNED:
        stored = filled(stored, tiff.bits)
    if tiff.lab or tiff.inks:
        stored = _as_rgb(stored, tiff)
    array = as_samples(stored, name, tiff.nodata)
    inverted = tiff.one("photometric") == 0  # 0 is white
    if array.dtype.kind == "f" and (inverted or tiff.alpha is not None):
        _check_range(array, name)
    base = array.shape[2] - len(tiff.extras)
    if inverted:
        array[..., :base] = top(array.dtype) - array[..., :base] if array.dtype.kind == "f" else ~array[..., :base]
    if tiff.alpha is None:
        return array, None
    pixels, alpha = np.ascontiguousarray(array[..., :-1]), np.ascontiguousarray(array[..., -1])
    if tiff.extras[-1] == 1:  # associated alpha: the colours are stored times it
        pixels[..., :base] = unmultiplied(pixels[..., :base], alpha)
    return pixels, alpha


def _as_rgb(stored: Array, tiff: Directory) -> Array:
    """Samples of Lab, or of inks, as RGB of as many bits; alpha and bands behind them stay."""
    native = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    if tiff.lab:
        unsigned = native.view(f"u{native.dtype.itemsize}")
        colours = srgb_of_lab(decoded_lab(unsigned, signed=tiff.one("photometric") == LAB[0]))
        return in_steps(colours.astype(np.float32), unsigned.dtype)
    deep = native[..., :4] if tiff.bits == 16 else native[..., :4].astype(np.uint16) * 257
    rgb = colours_of_deep_inks(deep, tiff.icc)
    rgb = rgb if tiff.bits == 16 else to8(rgb)
    return np.concatenate([rgb, native[..., 4:]], axis=2)


def plane(data: bytes, tiff: Directory, number: int) -> Array:
    """The samples of one of the planes of a directory, H x W x C, as they are stored."""
    kind = "i" if tiff.signed else "u"
    kind = "f" if tiff.floating else kind
    dtype = np.dtype(f"{'<' if data[:2] == b'II' else '>'}{kind}{tiff.bits // 8}")
    shape = tiff.one("height"), tiff.one("width"), tiff.samples
    start = tiff.one("offsets") + number * plane_bytes(tiff.tags)
    return np.frombuffer(data, dtype, math.prod(shape), start).reshape(shape)


def _page(page: Any, tiff: Directory) -> Array:
    """The samples of one page, H x W x C, as they are stored."""
    height, width, samples = tiff.one("height"), tiff.one("width"), tiff.samples
    planar = tiff.one("planar", 1)  # 1: pixel after pixel; 2: channel after channel
    tiled = "tile_" * ("tile_offsets" in tiff.tags)
    stated = tuple(tiff.tags[f"{tiled}{tag}"] for tag in ("offsets", "counts"))
    shape = (page.imagelength, page.imagewidth, page.samplesperpixel, int(page.planarconfig))
    # The checks were made with our reading of the directory. Where tifffile reads another, parts of the array would
    # stay as the memory was.
    if UNCOUNTED in tiff.odd:
        page.databytecounts = stated[1]
    if stated != (page.dataoffsets, page.databytecounts) or shape != (height, width, samples, planar):
        raise ValueError("its directory can be read in two ways")
    stored: Array = page.asarray(maxworkers=1)
    if planar == 2:
        stored = np.moveaxis(stored.reshape(samples, height, width), 0, 2)
    return stored.reshape(height, width, samples)


def _check_range(array: Array, name: str) -> None:
    """Errors: DataError for floats that leave [0, 1], of an image for whose meaning white has to be known."""
    if not within_unit(array):
        raise DataError(
            f"{name}: float samples from {array.min():g} to {array.max():g}, with alpha or with 0 for white; such "
            "samples must lie in [0, 1]: divide by the largest value that your data can have, or store plain bands"
        )


def encode_tiff(*images: Image, packed: bool = True) -> bytes:
    """The bytes of a TIFF of images' own sample types, a page each; bands are stored as grey and further samples.
    `packed`: they are deflated; else they are read again thirty times as fast."""
    import tifffile

    out = BytesIO()
    with tifffile.TiffWriter(out, byteorder="<") as file:
        for image in images:
            array, channels = image.array, image.pixels.shape[2]
            colour = channels == 3 and image.mode != "bands"
            extras = [0] * (channels - (3 if colour else 1)) + ([2] if image.alpha is not None else [])
            file.write(
                array if array.shape[2] > 1 else array[..., 0],
                photometric="rgb" if colour else "minisblack",
                planarconfig="contig" if array.shape[2] > 1 else None,
                extrasamples=extras or None,
                compression="zlib" if packed else None,
                predictor=packed,
                iccprofile=image.icc,
                metadata=None,
                software=False,
            )
    return out.getvalue()
