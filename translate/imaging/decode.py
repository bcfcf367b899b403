"""Decodes the bytes of a file to an image; `translate.imaging.io` says what comes out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from kornia_rs.io import ImageDecoder
from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.Image import Exif
from PIL.ImageFile import ImageFile

from translate.errors import DataError
from translate.imaging.files import contents, leads_into_archive, open_regular
from translate.imaging.formats.jpeg import jpeg_info
from translate.imaging.formats.kind import CHECKS, kind_of
from translate.imaging.formats.npy import NpyHeader, decode_npy, npy_header
from translate.imaging.formats.png import png_chunk, png_header, png_prelude
from translate.imaging.formats.tiff import decode_tiff
from translate.imaging.formats.tiff_directory import EXACT, Directory, read_directory
from translate.imaging.formats.webp_gif_bmp import gif_info, webp_info
from translate.imaging.image import FRAMES, LIMITS, Header, Image, Limits
from translate.imaging.image_format import HEAD, ImageFormat, decode_by, format_of, header_by
from translate.imaging.pixels import colour_key, upright

Array = np.ndarray[Any, Any]

_ORIENTATION = 0x0112  # the EXIF tag
# So many bytes are read at once: the chunks before the image data of nearly every PNG.
_HEAD = 1 << 16


def probe(path: Path, *, limits: Limits = LIMITS) -> Header:
    """The header of an image file, without decoding it. Errors: DataError."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            limits.check_file(size, str(path))
            if format_of(file.read(HEAD), str(path)) is None:
                file.seek(0)
                return _open(file, size, str(path), limits).header
    except OSError as error:
        if not leads_into_archive(path, error):
            raise DataError(f"{path}: {error.strerror or error}") from None
    data = contents(path, limits)
    if other := format_of(data[:HEAD], str(path)):
        return header_by(other, data, str(path), limits)
    return open_header(data, str(path), limits).header


def format_at(path: Path) -> ImageFormat | None:
    """The format of a plugin that a file has. Errors: DataError, OSError."""
    with open_regular(path) as file:
        return format_of(file.read(HEAD), str(path))


def read(path: Path, *, limits: Limits = LIMITS, indices: bool = False) -> Image:
    """The image in a file, or, with `indices`, the values that a palette PNG or an 8-bit grey one stores, H x W x 1.

    Errors: DataError, naming the file.
    """
    return decode(contents(path, limits), str(path), limits=limits, indices=indices)


def decode(data: bytes, name: str, *, limits: Limits = LIMITS, indices: bool = False) -> Image:
    """The image in `data`, as `read` gives it; `name` is what errors call it. Errors: DataError."""
    limits.check_file(len(data), name)
    if other := format_of(data[:HEAD], name):
        return decode_by(other, data, name, limits, indices=indices)
    return decode_opened(_open(BytesIO(data), len(data), name, limits), data, name, indices=indices)


def open_header(data: bytes, name: str, limits: Limits) -> Opened:
    """Reads the header in `data`, for `decode_opened`. Errors: DataError."""
    limits.check_file(len(data), name)
    return _open(BytesIO(data), len(data), name, limits)


def decode_opened(opened: Opened, data: bytes, name: str, *, indices: bool = False) -> Image:
    """Decodes, as `decode` does, a file whose header has been read."""
    kind = opened.header.format
    if check := CHECKS.get(kind):
        check(data, name)
    if indices:
        opened = _as_indices(opened, data, name)
    try:
        if opened.npy:
            return Image(decode_npy(data, opened.npy, name), mode=opened.header.mode)
        if opened.tiff:
            return _turned(opened, *decode_tiff(data, opened.tiff, name), name)
        if kind == "jpeg" and (array := _turbo(data, name)) is not None:
            return _image(opened, array, data, name)
        array = _wide(opened, data) if opened.header.bits == 16 else _narrow(opened)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # decoders raise nearly anything at damaged files
        raise _damaged(name, kind, error) from None
    return _image(opened, array, data, name)


@dataclass(frozen=True)
class Opened:
    """A file whose header has been read, by Pillow (`file`) or as that of a TIFF or an array; `orientation` is what is
    left to apply after decoding, where Pillow does not do that itself (TIFF)."""

    file: Any
    header: Header
    orientation: int
    tiff: Directory | None = None
    npy: NpyHeader | None = None


def _damaged(name: str, kind: str, error: Exception) -> DataError:
    why = str(error) or type(error).__name__
    if "MAX_TEXT_" in why:
        why = "its texts or its profile unpack to more than a megabyte; a decompression bomb?"
    return DataError(f"{name}: damaged or truncated {kind.upper()}: {why}")


def _open(stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
    """Reads the header: first what could keep Pillow busy or take memory, then Pillow itself."""
    head = stream.read(_HEAD)
    kind = kind_of(head[:24], name)
    # Pillow warns of odd metadata, which the answer here does not depend on. catch_warnings is not safe in threads.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    if kind == "tiff":
        directory = _directory(stream, size, name, limits)
        if directory.exact:
            return Opened(None, directory.header, directory.one("orientation", 1), directory)
    if kind == "npy":
        npy = npy_header(head, size, name)
        limits.check(npy.header, size, name)
        return Opened(None, npy.header, 1, npy=npy)
    _before(stream, kind, head, size, name, limits)
    stream.seek(0)
    try:
        file = _plugin(kind)(stream)
        frames = getattr(file, "n_frames", 1)
    except Exception as error:
        raise _damaged(name, kind, error) from None
    _check_frames(frames, name)
    mode, channels, bits, alpha = _layout(file, kind, head, name)
    orientation = _orientation(file, kind, stream)
    width, height = file.size
    if orientation in (5, 6, 7, 8) and kind != "tiff":  # Pillow states the upright size of a TIFF
        width, height = height, width
    header = Header(kind, width, height, channels, bits, alpha, mode)
    limits.check(header, size, name)
    return Opened(file, header, orientation)


def _directory(stream: BinaryIO, size: int, name: str, limits: Limits) -> Directory:
    """The directory of a TIFF that can be decoded within the limits. Errors: DataError for any other."""
    tiff = read_directory(stream, name)
    _check_frames(tiff.pages, name)
    if not tiff.exact and (tiff.bits > 8 or not tiff.unsigned):
        raise DataError(
            f"{name}: TIFF of {_samples(tiff)} is not read; convert it to unsigned samples of 8, 16 or 32 bits or to "
            "float32, uncompressed, or by LZW, Deflate or PackBits"
        )
    limits.check(tiff.header, size, name)
    return tiff


def _samples(tiff: Directory) -> str:
    """The samples of a TIFF in words, with what keeps it from being read."""
    kind = "complex or unknown"
    for is_kind, word in ((tiff.unsigned, "unsigned"), (tiff.signed, "signed"), (tiff.floating, "floating point")):
        kind = word if is_kind else kind
    compression = tiff.one("compression", 1)
    stored = "" if compression in EXACT else f", compression {compression}"
    return f"{kind} samples of {tiff.bits} bits (photometric interpretation {tiff.one('photometric')}{stored})"


def _before(stream: BinaryIO, kind: str, head: bytes, size: int, name: str, limits: Limits) -> None:
    """Looks for what would keep Pillow busy, or take memory, while it opens a file."""
    if kind == "png":
        png_header(head, name)
        png_prelude(stream, name)
    elif kind in ("webp", "gif"):
        stream.seek(0)
        still = (webp_info if kind == "webp" else gif_info)(stream, name)
        _check_frames(still.frames, name)
        limits.check(Header(kind, still.width, still.height, 3, 8, True, "rgb"), size, name)


def _check_frames(frames: int, name: str) -> None:
    if frames > 1:
        count = f"more than {FRAMES:,}" if frames > FRAMES else frames
        raise DataError(
            f"{name}: {count} frames or pages in one file; extract them into files of their own, or store bands of one "
            "image in one page"
        )


def _orientation(file: ImageFile, kind: str, stream: BinaryIO) -> int:
    """The EXIF orientation, 1 (upright) where there is none or it cannot be read."""
    try:
        if kind != "png" or "exif" in file.info:
            return int(file.getexif().get(_ORIENTATION, 1))
        # Pillow would decode the whole PNG to look for the chunk behind its image data.
        position, exif = stream.tell(), Exif()
        exif.load(png_chunk(stream, b"eXIf"))
        stream.seek(position)
        return int(exif.get(_ORIENTATION, 1))
    except Exception:
        return 1


def _plugin(kind: str) -> Callable[[BinaryIO], ImageFile]:
    """Pillow's reader of one format. `PIL.Image.open` would guess the format and has limits of its own."""
    plugins: dict[str, Callable[[BinaryIO], ImageFile]] = {
        "png": PngImagePlugin.PngImageFile,
        "jpeg": JpegImagePlugin.JpegImageFile,
        "webp": WebPImagePlugin.WebPImageFile,
        "tiff": TiffImagePlugin.TiffImageFile,
        "bmp": BmpImagePlugin.BmpImageFile,
        "gif": GifImagePlugin.GifImageFile,
    }
    return plugins[kind]


def _layout(file: ImageFile, kind: str, head: bytes, name: str) -> tuple[str, int, int, bool]:
    """(mode, colour channels, bits, alpha) of an opened file."""
    if kind == "png":
        png = png_header(head, name)
        # Pillow's modes do not tell 2 and 4 bits from 8, nor a colour key from none; the header does.
        mode = {0: "grey", 2: "rgb", 3: "palette", 4: "grey", 6: "rgb"}[png.colour]
        alpha = png.colour in (4, 6) or png.transparency is not None
        bilevel = png.bits == 1 and mode == "grey"
        return "bilevel" if bilevel else mode, 1 if mode == "grey" else 3, max(8, png.bits), alpha
    alpha = "transparency" in file.info or file.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    modes = {"1": ("bilevel", 1), "P": ("palette", 3), "PA": ("palette", 3), "CMYK": ("cmyk", 3)}
    modes |= dict.fromkeys(("L", "LA", "La"), ("grey", 1))
    modes |= dict.fromkeys(("RGB", "RGBA", "RGBa", "RGBX", "YCbCr"), ("rgb", 3))
    if file.mode not in modes:
        raise DataError(f"{name}: {kind.upper()} images of mode {file.mode} are not read; convert it to 8 or 16 bits")
    return *modes[file.mode], 8, alpha


def _as_indices(opened: Opened, data: bytes, name: str) -> Opened:
    """The file as a grey image of the values that it stores. Errors: DataError where these are no 8-bit indices."""
    header = opened.header
    stored_bits = data[24] if header.format == "png" else header.bits  # byte 24 of a PNG, in its IHDR
    grey = header.mode == "grey" and not header.alpha and stored_bits == 8
    if header.format != "png" or not (grey or header.mode == "palette"):
        form = f"{header.format.upper()}, {header.mode}, {stored_bits} bits"
        raise DataError(f"{name}: a label map is a PNG of 8-bit grey values or palette indices, and this is {form}")
    return replace(opened, header=replace(header, channels=1, alpha=False, mode="grey"))


def _turbo(data: bytes, name: str) -> Array | None:
    """A JPEG as TurboJPEG decodes it, H x W x (1 or 3): the same values as Pillow's, but data that run out, or are left
    over, are an error and not a grey half. None for kinds that it does not know (CMYK, odd sampling): of these only a
    `GuardedReader` notices that."""
    info = jpeg_info(data, name)
    if not info.turbo:
        return None
    try:
        decoder = ImageDecoder()
        array: Array = decoder.decode_gray8(data) if len(info.components) == 1 else decoder.decode(data)
    except Exception:
        raise DataError(
            f"{name}: damaged or truncated JPEG: its compressed data end early, are left over or contradict themselves"
        ) from None
    return array


def _narrow(opened: Opened) -> Array:
    """Decodes an 8-bit image to H x W x (1 to 4)."""
    header = opened.header
    keyed = header.format == "png" and header.mode != "palette"  # its alpha follows from tRNS, or is in the mode
    alpha = "A" in opened.file.mode.upper() if keyed else header.alpha
    wanted = ("L" if header.channels == 1 else "RGB") + ("A" if alpha else "")
    opened.file.load()
    stored = opened.file.mode == wanted or (opened.file.mode, header.mode) == ("P", "grey")
    decoded = opened.file if stored else opened.file.convert(wanted)
    array = np.array(decoded)
    return array[..., None] if array.ndim == 2 else array


def _wide(opened: Opened, data: bytes) -> Array:
    """Decodes a 16-bit PNG to H x W x (1 to 4); Pillow would make 8 bits of most of them."""
    import cv2  # late: few images have 16 bits, and a worker starts sooner without it

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype != np.uint16:
        raise ValueError("it cannot be decoded")
    array = array[..., None] if array.ndim == 2 else array
    # OpenCV gives blue, green, red, alpha; grey with alpha comes as three equal channels and alpha.
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[array.shape[2]]
    if array.shape[2] == 4 and opened.header.channels == 1:
        order = [0, 3]
    wide: Array = array[..., order]
    return wide


def _image(opened: Opened, array: Array, data: bytes, name: str) -> Image:
    header, channels = opened.header, opened.header.channels
    pixels = array[..., :channels]
    alpha = array[..., channels] if array.shape[2] > channels else None
    # A PNG may name one colour that is transparent instead of holding an alpha channel.
    if header.format == "png" and alpha is None and header.alpha:
        png = png_header(data, name)
        alpha = colour_key(pixels, png.transparency or b"", png.bits)
    return _turned(opened, pixels, alpha, name)


def _turned(opened: Opened, pixels: Array, alpha: Array | None, name: str) -> Image:
    header = opened.header
    # Pillow has turned a TIFF already; of a TIFF that was decoded here the directory is at hand.
    orientation = 1 if header.format == "tiff" and not opened.tiff else opened.orientation
    pixels = np.ascontiguousarray(upright(pixels, orientation))
    alpha = None if alpha is None else np.ascontiguousarray(upright(alpha, orientation))
    if pixels.shape[:2] != (header.height, header.width):
        raise DataError(f"{name}: the header says {header.width} x {header.height}, the data {pixels.shape[1::-1]}")
    icc = opened.tiff.icc if opened.tiff else opened.file.info.get("icc_profile")
    return Image(pixels, alpha, matching(icc, header.channels, header.mode), header.mode)


def matching(icc: bytes | None, channels: int, mode: str = "") -> bytes | None:
    """The profile, if it describes pixels of that many channels: bytes 16 to 19 name its colour space (ICC.1, 7.2)."""
    if not icc or mode in ("cmyk", "bands") or icc[16:20] != (b"GRAY" if channels == 1 else b"RGB "):
        return None
    return icc
