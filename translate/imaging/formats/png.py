"""PNG (RFC 2083): 8 and 16 bits, alpha, palettes; its structure is checked in `png_chunks`."""

from __future__ import annotations

import zlib
from dataclasses import replace
from io import BytesIO
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from PIL.Image import Exif
from PIL.PngImagePlugin import PngImageFile

from translate.imaging.formats.animation import animated, frames_of
from translate.imaging.formats.apng import deepened, encode_apng
from translate.imaging.formats.codec import (
    BAD_PROFILE,
    Codec,
    Keeps,
    Opened,
    Pages,
    Settings,
    check_frames,
    is_plausible,
    no_label_map,
    turned,
)
from translate.imaging.formats.pillow_file import ORIENTATION, decoded, saved, split
from translate.imaging.formats.png_chunks import SIGNATURE, ancillary, chunk, essential, png_info, profile
from translate.imaging.formats.png_write import encode_fast, is_fast
from translate.imaging.image import FRAMES, Header, Image, Limits
from translate.imaging.metadata.in_png import code_points
from translate.imaging.pixels import colour_key, top, unmultiplied

Array = np.ndarray[Any, Any]


class Png(Codec):
    """Portable Network Graphics: 8 and 16 bits, alpha, palettes; lossless."""

    gives_way = False
    name, suffixes, signatures = "png", (".png", ".apng"), (SIGNATURE,)
    keeps, guarded = Keeps(bits=16, alpha=True, icc=True, palette=True), False

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        png = png_info(stream, name)
        check_frames(min(png.frames, FRAMES + 1), name)
        mode = {0: "grey", 2: "rgb", 3: "palette", 4: "grey", 6: "rgb"}[png.colour]
        if png.bits == 1 and mode == "grey":
            mode = "bilevel"
        channels = 1 if mode in ("grey", "bilevel") else 3
        alpha = png.colour in (4, 6) or png.transparency is not None
        orientation = _orientation(stream)
        width, height = (png.height, png.width) if orientation > 4 else (png.width, png.height)
        header = Header(self.name, width, height, channels, max(8, png.bits), alpha, mode)
        limits.check(header, size, name)
        return Opened(self, header, png, orientation)

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        header, png = opened.header, opened.source
        clean, notes = essential(data, png, name)
        if header.bits == 16:
            array = _wide(header, clean)
        else:
            # Pillow's modes do not tell 2 and 4 bits from 8, nor a colour key from none. The alpha of a palette is
            # decoded; that of a colour key follows from tRNS.
            file = PngImageFile(BytesIO(clean))
            in_mode = header.mode == "palette" or "A" in file.mode.upper()
            array = decoded(replace(opened, source=file), header.alpha and in_mode)
        pixels, alpha = split(array, header.channels)
        if alpha is None and header.alpha:
            alpha = colour_key(pixels, png.transparency or b"", png.bits)
        if png.apple:
            pixels = _of_apple(pixels, alpha)
        icc = profile(data)
        if icc and code_points(ancillary(BytesIO(data), b"cICP")):
            icc = None  # the code points among the metadata go before it (third edition, 11.3.2.6)
        elif icc is None and b"iCCP" in data[: 1 << 16]:
            notes = (*notes, BAD_PROFILE)
        image = turned(opened, pixels, alpha, icc, name)
        return replace(image, notes=(*notes, *image.notes))

    def encode(self, image: Image, name: str, settings: Settings) -> bytes:
        array = image.array
        if not image.palette and is_fast(array, settings.compression):
            return encode_fast(array, image.icc)
        if image.bits == 16 and array.shape[2] > 1:
            return _encode_wide(image, settings.compression)
        return saved(image, format="PNG", compress_level=settings.compression)

    paged = True

    def read_pages(self, stream: BinaryIO, data: bytes, name: str, limits: Limits) -> Pages:
        if png_info(stream, name).frames < 2:
            return super().read_pages(stream, data, name, limits)
        pages = frames_of(PngImageFile(BytesIO(data)), self.name, len(data), name, limits)
        if code_points(ancillary(stream, b"cICP")):
            pages = replace(pages, images=tuple(replace(image, icc=None) for image in pages.images))
        return deepened(pages, data, name, limits) if png_info(stream, name).bits == 16 else pages

    def write_pages(self, pages: Pages, name: str, settings: Settings) -> bytes:
        if len(pages.images) == 1:
            return self.encode(pages.images[0], name, settings)
        if any(image.bits == 16 for image in pages.images):
            return encode_apng(pages, settings.compression)
        return animated(pages, "PNG", compress_level=settings.compression)

    def is_ordinary(self, opened: Opened, data: bytes, name: str) -> bool:
        return is_plausible(opened.header, data)

    def as_indices(self, opened: Opened, data: bytes, name: str) -> Opened:
        header, png = opened.header, opened.source
        grey = header.mode == "grey" and not header.alpha and png.bits == 8
        if not (grey or header.mode == "palette"):
            raise no_label_map(header, png.bits, name)
        return replace(opened, header=replace(header, channels=1, alpha=False, mode="grey"))


def _orientation(stream: BinaryIO) -> int:
    """The EXIF orientation in eXIf, which may stand behind the image data; 1 where there is none, or none that is."""
    exif = Exif()
    try:
        exif.load(ancillary(stream, b"eXIf"))
        orientation = int(exif.get(ORIENTATION, 1))
    except Exception:  # as odd as EXIF may be, it does not decide whether there is an image
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def _of_apple(pixels: Array, alpha: Array | None) -> Array:
    """Pixels that are blue, green, red, times alpha, as they are."""
    colours = pixels[..., ::-1] if pixels.shape[2] == 3 else pixels
    return colours if alpha is None or (alpha == top(alpha.dtype)).all() else unmultiplied(colours, alpha)


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
    packed = chunk(b"iCCP", b"icc\x00\x00" + zlib.compress(image.icc))
    return data[:33] + packed + data[33:]  # right behind the header chunk
