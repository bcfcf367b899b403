"""Files that Pillow opens and writes: the layout of their pixels, their orientation, and 8-bit decoding."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any, BinaryIO, ClassVar

import numpy as np
from PIL import Image as Pillow
from PIL.ImageFile import ImageFile

from translate.errors import UnsupportedError
from translate.imaging.colour.inks import is_of_inks
from translate.imaging.formats.codec import Codec, Opened, check_frames, damaged, turned
from translate.imaging.image import Header, Image, Limits

Array = np.ndarray[Any, Any]

ORIENTATION = 0x0112
"""The EXIF tag."""

_MODES = {"1": ("bilevel", 1), "P": ("palette", 3), "PA": ("palette", 3), "CMYK": ("cmyk", 3)}
_MODES |= dict.fromkeys(("L", "LA", "La"), ("grey", 1))
_MODES |= dict.fromkeys(("RGB", "RGBA", "RGBa", "RGBX", "YCbCr"), ("rgb", 3))


class PillowCodec(Codec):
    """A format that Pillow decodes, by a `plugin` of its own: `PIL.Image.open` would guess the format, and has limits
    of its own."""

    plugin: ClassVar[type[ImageFile]]

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        return self.open_page(stream, size, name, limits, 0)

    def open_page(self, stream: BinaryIO, size: int, name: str, limits: Limits, page: int) -> Opened:
        """Opens a file at one of its pages, counted from 0. Errors: DataError."""
        # Pillow warns of odd metadata, which the answer here does not depend on. catch_warnings is not safe in threads.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        self.check_header(stream, size, name, limits)
        stream.seek(0)
        try:
            file = type(self).plugin(stream)
            frames = self.frames(file)
            if page:
                file.seek(page)
        except Exception as error:
            raise damaged(name, self.name, error) from None
        check_frames(frames, name)
        mode, channels, bits, alpha = self.layout(file, stream, name)
        orientation = self.orientation(file, stream)
        width, height = file.size
        if orientation in (5, 6, 7, 8):
            width, height = height, width
        header = Header(self.name, width, height, channels, bits, alpha, mode)
        limits.check(header, size, name)
        return Opened(self, header, file, orientation, page)

    def check_header(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> None:
        """Looks for what would keep Pillow busy, or take memory, while it opens a file. Errors: DataError."""

    def check_file(self, data: bytes, name: str) -> None:
        """Checks the structure of the whole file before it is decoded: decoders are lenient. Errors: DataError."""

    def frames(self, file: ImageFile) -> int:
        """How many pictures an opened file has."""
        return int(getattr(file, "n_frames", 1))

    def layout(self, file: ImageFile, stream: BinaryIO, name: str) -> tuple[str, int, int, bool]:
        """(mode, colour channels, bits, alpha) of an opened file."""
        alpha = "transparency" in file.info or file.mode in ("LA", "La", "PA", "RGBA", "RGBa")
        if file.mode not in _MODES:
            kind = self.name.upper()
            raise UnsupportedError(
                f"{name}: {kind} images of mode {file.mode} are not read; convert it to 8 or 16 bits"
            )
        return *_MODES[file.mode], 8, alpha

    def orientation(self, file: ImageFile, stream: BinaryIO) -> int:
        """The EXIF orientation, 1 (upright) where there is none or it cannot be read."""
        try:
            return int(file.getexif().get(ORIENTATION, 1))
        except Exception:
            return 1

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        self.check_file(data, name)
        array = decoded(opened, opened.header.alpha)
        pixels, alpha = (array, None) if opened.header.mode == "cmyk" else split(array, opened.header.channels)
        return turned(opened, pixels, alpha, opened.source.info.get("icc_profile"), name)


def decoded(opened: Opened, alpha: bool) -> Array:
    """Decodes an 8-bit image to H x W x (1 to 4), with the alpha of the file as the last channel where it is wanted;
    inks, where a profile says how they look, to H x W x 4."""
    file, header = opened.source, opened.header
    wanted = ("L" if header.channels == 1 else "RGB") + ("A" if alpha else "")
    if header.mode == "cmyk" and is_of_inks(file.info.get("icc_profile")):
        wanted = "CMYK"
    file.load()
    as_stored = file.mode == wanted or (file.mode, header.mode) == ("P", "grey")
    array = np.array(file if as_stored else file.convert(wanted))
    return array[..., None] if array.ndim == 2 else array


def split(array: Array, channels: int) -> tuple[Array, Array | None]:
    """The colours H x W x `channels`, and the channel behind them as alpha H x W, where there is one."""
    return array[..., :channels], array[..., channels] if array.shape[2] > channels else None


def saved(image: Image, **options: Any) -> bytes:
    """The bytes of a file that Pillow writes, with the profile of the image."""
    array = image.array[..., 0] if image.array.shape[2] == 1 else image.array
    if image.inks and options["format"] in ("JPEG", "TIFF"):
        picture, options["icc_profile"] = Pillow.fromarray(image.inks.values, "CMYK"), image.inks.profile
    else:
        picture = Pillow.fromarray(array)
    if image.palette:
        picture.putpalette([value for colour in image.palette for value in colour])
    if image.icc:
        options["icc_profile"] = image.icc
    out = BytesIO()
    picture.save(out, **options)
    return out.getvalue()
