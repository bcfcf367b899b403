"""Pictures of Pillow as images, treated as their files would be; and images as pictures of Pillow."""

from __future__ import annotations

from typing import Any

import numpy as np

from translate.errors import ConfigError, DataError
from translate.imaging.colour.inks import Inks, is_of_inks
from translate.imaging.colour.spaces import profile_of
from translate.imaging.formats.codec import matching
from translate.imaging.formats.samples import as_samples
from translate.imaging.image import Image
from translate.imaging.metadata.metadata import (
    ORIENTATION,
    Metadata,
    exif_with_resolution,
    is_adobe_rgb,
    upright_exif,
    upright_xmp,
)
from translate.imaging.pixels import rounded, to8, top, upright, within_unit

Array = np.ndarray[Any, Any]

_NAME = "the PIL image"
_PLAIN = ("L", "LA", "RGB", "RGBA")
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N")


def from_pillow(picture: Any) -> Image:
    """A picture with what it says of itself: EXIF (which turns it upright), profile, resolution, inks, transparency.

    Errors: ConfigError for a picture without pixels, DataError for one whose file cannot be read to its end.
    """
    if 0 in picture.size:
        raise ConfigError(f"a PIL image of {picture.width} x {picture.height} pixels")
    icc, inks = picture.info.get("icc_profile"), None
    turned = picture.getexif().get(ORIENTATION, 1)
    try:
        picture.load()  # here Pillow turns a TIFF upright, and forgets its orientation
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"the PIL image cannot be read: {error}") from None
    block = picture.getexif()
    orientation = block.get(ORIENTATION, 1)
    if picture.mode == "CMYK" and is_of_inks(icc):
        inks = Inks(upright(np.asarray(picture), orientation), icc)
        array = inks.colours()
    else:
        array = upright(_samples_of(picture), orientation)
    array = np.ascontiguousarray(array[..., None] if array.ndim == 2 else array)
    alpha = array[..., -1] if array.shape[2] in (2, 4) else None
    pixels = array if alpha is None else array[..., :-1]
    mode = "grey" if pixels.shape[2] == 1 else "rgb"
    exif = upright_exif(block.tobytes().removeprefix(b"Exif\0\0")) if block else b""
    metadata = Metadata(
        _resolution(picture, turned),
        exif,
        upright_xmp(_packet(picture.info.get("xmp"))),
    )
    if icc is None and mode == "rgb" and is_adobe_rgb(exif):
        icc = profile_of("adobe-rgb")
    return Image(pixels, alpha, matching(icc, pixels.shape[2]), mode, metadata=metadata or None, inks=inks)


def _samples_of(picture: Any) -> Array:
    """The samples as the picture's file would give them: H x W, or H x W x 2, 3 or 4 with alpha last where it is."""
    if picture.mode in _DEEP:
        return _with_transparency(as_samples(np.asarray(picture), _NAME), picture)
    if picture.mode == "I":
        # Numbers of 16 bits, as Pillow gave those of PNG and PGM before version 11; only a TIFF has such of 32.
        values = np.asarray(picture)
        if picture.format != "TIFF" and values.min() >= 0 and values.max() <= top(np.uint16):
            return _with_transparency(values.astype(np.uint16), picture)
        return as_samples(values, _NAME)
    if picture.mode == "F":
        return as_samples(np.asarray(picture), _NAME)
    if picture.mode == "La":  # grey times its alpha, which Pillow does not divide
        grey, alpha = np.moveaxis(np.asarray(picture), -1, 0)
        return np.dstack([rounded(grey * (top(np.uint8) / np.maximum(alpha, 1.0))), alpha])
    clear = picture.has_transparency_data
    if picture.mode == "1":
        return np.asarray(_mode_changed(picture, "RGBA"))[..., [0, 3]] if clear else np.asarray(picture.convert("L"))
    if picture.mode == "L" and clear:
        picture = _mode_changed(picture, "LA")
    elif picture.mode not in _PLAIN or (picture.mode == "RGB" and clear):
        picture = _mode_changed(picture, "RGBA" if clear else "RGB")
    samples: Array = np.asarray(picture)
    return samples


def _mode_changed(picture: Any, mode: str) -> Any:
    """The picture in another mode. Errors: ConfigError where Pillow knows no way."""
    try:
        return picture.convert(mode)
    except ValueError as error:
        raise ConfigError(f"a PIL image of mode {picture.mode!r}: {error}; give an array") from None


def _with_transparency(grey: Array, picture: Any) -> Array:
    """Grey of 16 bits with alpha, where the picture says which grey is transparent."""
    clear = picture.info.get("transparency")
    if not isinstance(clear, int):
        return grey
    return np.dstack([grey, np.where(grey == clear, 0, top(np.uint16)).astype(np.uint16)])


def to_pillow(image: Image) -> Any:
    """A picture of an image; of colour, alpha and 32 bits it has 8 bits, since Pillow has no more, and of grey 16 and
    floats. Its `info` holds profile, resolution (`dpi`), EXIF and XMP, as that of an opened file does.

    Errors: ConfigError for bands, and colours of floats outside [0, 1].
    """
    from PIL.Image import fromarray

    array = image.array
    if array.shape[2] > 4 or image.mode == "bands" or (array.shape[2] > 1 and not within_unit(array)):
        what = f"{array.shape[2]} bands of {array.dtype}"
        raise ConfigError(f"the output has {what}, which no PIL image holds; give an array or a path, to get an array")
    flat = array[..., 0] if array.shape[2] == 1 else array
    picture = fromarray(to8(flat) if flat.ndim == 3 or flat.dtype == np.uint32 else flat)
    if image.palette:
        picture.putpalette([value for colour in image.palette for value in colour])
    if image.icc:
        picture.info["icc_profile"] = image.icc
    if image.metadata:
        said = image.metadata
        texts = {"exif": exif_with_resolution(said), "xmp": said.xmp, "dpi": said.resolution}
        picture.info.update({name: value for name, value in texts.items() if value})
    return picture


def _resolution(picture: Any, orientation: int) -> tuple[float, float] | None:
    """Pixels per inch across and down, of the picture upright."""
    try:
        across, down = (float(value) for value in picture.info.get("dpi", ()))
    except (TypeError, ValueError):
        return None
    if not (across > 0 and down > 0):
        return None
    return (down, across) if orientation in (5, 6, 7, 8) else (across, down)


def _packet(xmp: Any) -> bytes:
    return xmp.encode() if isinstance(xmp, str) else bytes(xmp or b"")
