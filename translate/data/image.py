"""The one read path and the one write path for images.

What is read, whatever the suffix claims (the header decides): PNG, JPEG, WebP, TIFF, BMP and still GIF.

- The EXIF orientation is applied, once; `probe` reports the upright size.
- Grey stays grey (1 bit and 2 or 4 bits become 8), palettes and CMYK become RGB, alpha is kept apart.
- 16 bits stay 16 bits; float and 32-bit images are refused.
- More than one frame (animation, multi-page TIFF) is refused: a silent first frame would be a wrong answer. The further
  pictures behind a JPEG (previews, depth maps) are not frames.
- Truncated or damaged files are refused by name; there is never half an image.

What is written keeps size, bit depth, alpha and ICC profile where the format can:

| format | 16 bits | alpha | ICC |
| --- | --- | --- | --- |
| PNG | yes | yes | yes |
| TIFF | yes (lossless) | yes | at 8 bits, and for 16-bit grey without alpha |
| WebP | becomes 8 | yes | yes |
| JPEG | becomes 8 | laid over white | yes |
| BMP | becomes 8 | laid over white | no |
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from translate.data import integrity
from translate.data.pixels import colour_key, over_white, to8, upright
from translate.errors import ConfigError, DataError

if TYPE_CHECKING:
    import numpy as np
    from PIL.ImageFile import ImageFile

    Array = np.ndarray[Any, Any]

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
"""Suffixes that can be written, in lower case."""

READABLE = (*SUFFIXES, ".gif")
"""Suffixes of files that are taken for images when a folder is walked, in lower case."""

_ORIENTATION = 0x0112
_HEAD = 1 << 16


@dataclass(frozen=True)
class Limits:
    """The largest image that is decoded: `pixels` (width x height) and `bytes` of the file."""

    pixels: int = 1 << 28
    bytes: int = 1 << 30


@dataclass(frozen=True)
class Header:
    """What a file announces: upright size, `channels` of colour (1 or 3), `bits` after decoding (8 or 16), and `mode`:
    `bilevel`, `grey`, `rgb`, `palette` or `cmyk`."""

    format: str
    width: int
    height: int
    channels: int
    bits: int
    alpha: bool
    mode: str


@dataclass(frozen=True)
class Image:
    """A decoded image, upright: `pixels` H x W x C (C is 1 or 3), uint8 or uint16; `alpha` H x W of the same type, or
    None; `icc` the colour profile that describes `pixels`; `mode` as in `Header`. With a `palette` of 256 RGB colours
    the pixels, H x W x 1 uint8, are indices into it."""

    pixels: Array
    alpha: Array | None = None
    icc: bytes | None = None
    mode: str = "rgb"
    palette: Sequence[tuple[int, int, int]] = ()

    @property
    def bits(self) -> int:
        return 8 * int(self.pixels.dtype.itemsize)

    @property
    def array(self) -> Array:
        """H x W x C with alpha as the last channel, where there is one: C is 1, 2, 3 or 4."""
        import numpy as np

        return self.pixels if self.alpha is None else np.dstack([self.pixels, self.alpha])

    def over_white(self) -> Array:
        """The pixels as they look on white paper, H x W x C: what a network sees of an image with alpha."""
        return self.pixels if self.alpha is None else over_white(self.pixels, self.alpha)


# ------------------------------------------------------------------------------------------------------------ reading


def probe(path: Path, *, limits: Limits = Limits()) -> Header:
    """The header of an image file, without decoding it. Errors: DataError."""
    try:
        with path.open("rb") as file:
            _check_bytes(path.stat().st_size, str(path), limits)
            head = file.read(_HEAD)
            file.seek(0)
            return _open(file, head, str(path), limits).header
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


def read(path: Path, *, limits: Limits = Limits(), indices: bool = False) -> Image:
    """The image in a file, or, with `indices`, the values that a palette PNG or an 8-bit grey one stores, H x W x 1.

    Errors: DataError, naming the file.
    """
    try:
        _check_bytes(path.stat().st_size, str(path), limits)
        return decode(path.read_bytes(), str(path), limits=limits, indices=indices)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


def decode(data: bytes, name: str, *, limits: Limits = Limits(), indices: bool = False) -> Image:
    """The image in `data`, as `read` gives it; `name` is what errors call it. Errors: DataError."""
    _check_bytes(len(data), name, limits)
    opened = _open(BytesIO(data), data[:_HEAD], name, limits)
    if check := integrity.CHECKS.get(opened.header.format):
        check(data, name)
    if indices:
        opened = _as_indices(opened, data, name)
    try:
        array = _wide(opened, data) if opened.header.bits == 16 else _narrow(opened)
    except Exception as error:  # decoders raise nearly anything at damaged files
        raise _damaged(name, opened.header.format, error) from None
    return _image(opened, array, data, name)


@dataclass(frozen=True)
class _Opened:
    """A file whose header Pillow has read; `orientation` is what is left to apply after decoding."""

    file: ImageFile
    header: Header
    orientation: int


def _damaged(name: str, kind: str, error: Exception) -> DataError:
    return DataError(f"{name}: damaged or truncated {kind.upper()}: {str(error) or type(error).__name__}")


def _check_bytes(size: int, name: str, limits: Limits) -> None:
    if size > limits.bytes:
        raise DataError(f"{name}: {size:,} bytes, more than the limit of {limits.bytes:,}")


def _open(stream: BinaryIO, head: bytes, name: str, limits: Limits) -> _Opened:
    kind = integrity.kind_of(head[:24], name)
    # Pillow warns of odd metadata, which the answer here does not depend on. catch_warnings is not safe in threads.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    if kind == "png":
        integrity.png_header(head, name)
    try:
        file = _plugin(kind)(stream)
        frames = getattr(file, "n_frames", 1)
    except Exception as error:
        raise _damaged(name, kind, error) from None
    width, height = file.size
    if width * height > limits.pixels:
        raise DataError(f"{name}: {width} x {height} pixels, more than the limit of {limits.pixels:,}")
    if width < 1 or height < 1:
        raise DataError(f"{name}: an image of {width} x {height} pixels")
    if frames > 1:
        raise DataError(f"{name}: {frames} frames or pages in one file; extract them into files of their own")
    mode, channels, bits, alpha = _layout(file, kind, head, name)
    orientation = _orientation(file, kind, stream)
    if orientation in (5, 6, 7, 8) and kind != "tiff":  # Pillow states the upright size of a TIFF
        width, height = height, width
    return _Opened(file, Header(kind, width, height, channels, bits, alpha, mode), orientation)


def _orientation(file: ImageFile, kind: str, stream: BinaryIO) -> int:
    """The EXIF orientation, 1 (upright) where there is none or it cannot be read."""
    from PIL.Image import Exif

    try:
        if kind != "png" or "exif" in file.info:
            return int(file.getexif().get(_ORIENTATION, 1))
        position, exif = stream.tell(), Exif()  # Pillow would decode the whole PNG to look behind its image data
        exif.load(integrity.png_chunk(stream, b"eXIf"))
        stream.seek(position)
        return int(exif.get(_ORIENTATION, 1))
    except Exception:
        return 1


def _plugin(kind: str) -> Callable[[BinaryIO], ImageFile]:
    """Pillow's reader of one format. `PIL.Image.open` would guess the format and has limits of its own."""
    from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

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
        png = integrity.png_header(head, name)
        mode = {0: "grey", 2: "rgb", 3: "palette", 4: "grey", 6: "rgb"}[png.colour]
        alpha = png.colour in (4, 6) or png.transparency is not None
        bilevel = png.bits == 1 and mode == "grey"
        return "bilevel" if bilevel else mode, 1 if mode == "grey" else 3, max(8, png.bits), alpha
    alpha = "transparency" in file.info or file.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    bits = 16 if file.mode.startswith("I;16") else 8
    if kind == "tiff":
        samples = file.tag_v2.get(258, (1,))  # type: ignore[attr-defined]
        bits = 16 if max(samples) == 16 else bits
        photometric, sample_format = file.tag_v2.get(262), file.tag_v2.get(339, (1,))  # type: ignore[attr-defined]
        if max(samples) > 16 or max(sample_format) > 1 or (bits == 16 and photometric not in (1, 2)):
            raise DataError(f"{name}: TIFF with {max(samples)}-bit samples of this kind is not read; use 8 or 16 bits")
    modes = {"1": ("bilevel", 1), "P": ("palette", 3), "PA": ("palette", 3), "CMYK": ("cmyk", 3)}
    modes |= dict.fromkeys(("L", "LA", "La", "I;16", "I;16B", "I;16L"), ("grey", 1))
    modes |= dict.fromkeys(("RGB", "RGBA", "RGBa", "RGBX", "YCbCr"), ("rgb", 3))
    if file.mode not in modes:
        raise DataError(f"{name}: {kind.upper()} images of mode {file.mode} are not read; convert it to 8 or 16 bits")
    return *modes[file.mode], bits, alpha


def _as_indices(opened: _Opened, data: bytes, name: str) -> _Opened:
    """The file as a grey image of the values that it stores. Errors: DataError where these are no 8-bit indices."""
    header = opened.header
    grey = header.mode == "grey" and not header.alpha and data[24:25] == b"\x08"
    if header.format != "png" or not (grey or header.mode == "palette"):
        told = f"{header.format.upper()}, {header.mode}, {data[24] if header.format == 'png' else header.bits} bits"
        raise DataError(f"{name}: a label map is a PNG of 8-bit grey values or palette indices, and this is {told}")
    return replace(opened, header=replace(header, channels=1, alpha=False, mode="grey"))


def _narrow(opened: _Opened) -> Array:
    """Decodes an 8-bit image to H x W x (1 to 4)."""
    import numpy as np

    header = opened.header
    keyed = header.format == "png" and header.mode != "palette"  # its alpha follows from tRNS, or is in the mode
    alpha = "A" in opened.file.mode.upper() if keyed else header.alpha
    wanted = ("L" if header.channels == 1 else "RGB") + ("A" if alpha else "")
    opened.file.load()
    stored = opened.file.mode == wanted or (opened.file.mode, header.mode) == ("P", "grey")
    decoded = opened.file if stored else opened.file.convert(wanted)
    array = np.array(decoded)
    return array[..., None] if array.ndim == 2 else array


def _wide(opened: _Opened, data: bytes) -> Array:
    """Decodes a 16-bit PNG or TIFF to H x W x (1 to 4); Pillow would make 8 bits of most of them."""
    import cv2
    import numpy as np

    header = opened.header
    if header.format == "tiff":
        opened.file.load()  # strict, where OpenCV is not
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # it remarks on tags of its own TIFF files
    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype != np.uint16:
        raise ValueError("it cannot be decoded")
    array = array[..., None] if array.ndim == 2 else array
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3] if header.channels == 3 else [0, 3]}[array.shape[2]]
    wide: Array = array[..., order]
    return wide


def _image(opened: _Opened, array: Array, data: bytes, name: str) -> Image:
    import numpy as np

    header, channels = opened.header, opened.header.channels
    pixels, alpha = array[..., :channels], array[..., channels] if array.shape[2] > channels else None
    if header.format == "png" and alpha is None and header.alpha:
        png = integrity.png_header(data, name)
        alpha = colour_key(pixels, png.transparency or b"", png.bits)
    orientation = 1 if header.format == "tiff" and header.bits == 8 else opened.orientation  # Pillow turns TIFF itself
    pixels = np.ascontiguousarray(upright(pixels, orientation))
    alpha = None if alpha is None else np.ascontiguousarray(upright(alpha, orientation))
    if pixels.shape[:2] != (header.height, header.width):
        raise DataError(f"{name}: the header says {header.width} x {header.height}, the data {pixels.shape[1::-1]}")
    return Image(pixels, alpha, _matching(opened.file.info.get("icc_profile"), channels, header.mode), header.mode)


def _matching(icc: bytes | None, channels: int, mode: str = "") -> bytes | None:
    """The profile, if it describes pixels of that many channels."""
    if not icc or mode == "cmyk" or icc[16:20] != (b"GRAY" if channels == 1 else b"RGB "):
        return None
    return icc


# ------------------------------------------------------------------------------------------------------------ writing


def write(path: Path, image: Image | Array, *, quality: int = 95, compression: int = 6) -> None:
    """Writes an image in the format of the suffix: a temporary file beside it, synced, then renamed.

    An array is H x W, or H x W x C with C = 1 (grey), 2 (grey, alpha), 3 (RGB), 4 (RGB, alpha), uint8 or uint16.
    `quality` 1 to 100 is for JPEG and WebP (100: lossless WebP), `compression` 0 to 9 for PNG. Errors: DataError,
    ConfigError for an unknown suffix.
    """
    from translate.storage.atomic import write_bytes

    data = encode(image, path.suffix, name=str(path), quality=quality, compression=compression)
    try:
        write_bytes(path, data)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from None


def encode(image: Image | Array, suffix: str, *, name: str = "image", quality: int = 95, compression: int = 6) -> bytes:
    """The bytes of an image file; see `write` and the table at the top of this module."""
    suffix = suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f"{name}: no image format is written for {suffix!r}; use one of {' '.join(SUFFIXES)}")
    image = image if isinstance(image, Image) else _from_array(image)
    if image.palette and suffix != ".png":
        raise ConfigError(f"{name}: label maps are written as PNG alone, not as {suffix}")
    image = replace(image, icc=_matching(image.icc, image.pixels.shape[2]))
    if suffix not in (".png", ".tif", ".tiff") and image.bits == 16:
        image = replace(image, pixels=to8(image.pixels), alpha=None if image.alpha is None else to8(image.alpha))
    if suffix in (".jpg", ".jpeg", ".bmp"):
        image = replace(image, pixels=image.over_white(), alpha=None)
    try:
        if image.bits == 16 and image.array.shape[2] > 1:
            return _encode_wide(image, suffix, compression)
        return _encode_pillow(image, suffix, quality, compression)
    except (OSError, ValueError, SystemError) as error:
        height, width = image.pixels.shape[:2]
        raise DataError(f"{name}: {width} x {height} pixels cannot be written as {suffix}: {error}") from None


def _encode_pillow(image: Image, suffix: str, quality: int, compression: int) -> bytes:
    from PIL import Image as Pillow

    array = image.array[..., 0] if image.array.shape[2] == 1 else image.array
    tiff: dict[str, Any] = {"format": "TIFF", "compression": "tiff_lzw"}
    jpeg: dict[str, Any] = {"format": "JPEG", "quality": quality, "subsampling": 0 if quality >= 90 else 2}
    formats: dict[str, dict[str, Any]] = {
        ".png": {"format": "PNG", "compress_level": compression},
        ".webp": {"format": "WEBP", "quality": quality, "lossless": quality >= 100, "exact": True},
        ".bmp": {"format": "BMP"},
        **dict.fromkeys((".jpg", ".jpeg"), jpeg),
        **dict.fromkeys((".tif", ".tiff"), tiff),
    }
    options = formats[suffix]
    if image.icc and suffix != ".bmp":
        options["icc_profile"] = image.icc
    out = BytesIO()
    picture = Pillow.fromarray(array)
    if image.palette:
        picture.putpalette([value for colour in image.palette for value in colour])
    picture.save(out, **options)
    return out.getvalue()


def _encode_wide(image: Image, suffix: str, compression: int) -> bytes:
    """16-bit colour or alpha, which Pillow cannot write; grey with alpha is written as colour with alpha."""
    import cv2

    array = image.array
    array = array[..., [0, 0, 0, 1]] if array.shape[2] == 2 else array[..., [2, 1, 0, *range(3, array.shape[2])]]
    settings = [cv2.IMWRITE_PNG_COMPRESSION, compression] if suffix == ".png" else []
    done, buffer = cv2.imencode(suffix, array, settings)
    if not done:
        raise ValueError("the encoder refused it")
    data: bytes = buffer.tobytes()
    icc = _matching(image.icc, 3)
    if suffix != ".png" or icc is None:
        return data
    chunk = b"iCCP" + b"icc\x00\x00" + zlib.compress(icc)
    packed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return data[:33] + packed + data[33:]  # right behind the header chunk


def _from_array(array: Array) -> Image:
    assert array.dtype in ("uint8", "uint16"), f"images are uint8 or uint16, not {array.dtype}"
    array = array[..., None] if array.ndim == 2 else array
    channels = array.shape[2]
    assert array.ndim == 3 and 1 <= channels <= 4, f"images are H x W x (1 to 4), not {array.shape}"
    colours = 1 if channels <= 2 else 3
    alpha = array[..., -1] if channels in (2, 4) else None
    return Image(array[..., :colours], alpha, mode="grey" if colours == 1 else "rgb")
