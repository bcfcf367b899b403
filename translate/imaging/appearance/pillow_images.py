"""Pictures of Pillow as images, treated as their files would be; and images as pictures of Pillow."""

from __future__ import annotations

from typing import Any

import numpy as np

from translate.errors import ConfigError
from translate.imaging.colour.inks import Inks, is_of_inks
from translate.imaging.colour.spaces import profile_of
from translate.imaging.formats.codec import matching
from translate.imaging.image import Image
from translate.imaging.metadata.metadata import ORIENTATION, Metadata, exif_with_resolution, is_adobe_rgb, upright_exif
from translate.imaging.pixels import to8, upright

_PLAIN = ("L", "LA", "RGB", "RGBA", "I;16")


def from_pillow(picture: Any) -> Image:
    """A picture with what it says of itself: EXIF (which turns it upright), profile, resolution, inks.

    Errors: ConfigError for a mode whose white nobody knows.
    """
    if picture.mode == "F" or (picture.mode.startswith("I") and picture.mode not in _PLAIN):
        raise ConfigError(f"a PIL image of mode {picture.mode!r} has no known range; give an array or a tensor")
    icc, inks = picture.info.get("icc_profile"), None
    turned = picture.getexif().get(ORIENTATION, 1)
    picture.load()  # here Pillow turns a TIFF upright, and forgets its orientation
    block = picture.getexif()
    orientation = block.get(ORIENTATION, 1)
    if picture.mode == "CMYK" and is_of_inks(icc):
        inks = Inks(upright(np.asarray(picture), orientation), icc)
        array = inks.colours()
    else:
        if picture.mode not in _PLAIN:
            picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        array = upright(np.asarray(picture), orientation)
    array = np.ascontiguousarray(array[..., None] if array.ndim == 2 else array)
    alpha = array[..., -1] if array.shape[2] in (2, 4) else None
    pixels = array if alpha is None else array[..., :-1]
    mode = "grey" if pixels.shape[2] == 1 else "rgb"
    exif = upright_exif(block.tobytes().removeprefix(b"Exif\0\0")) if block else b""
    metadata = Metadata(
        _resolution(picture, turned),
        exif,
        _packet(picture.info.get("xmp")),
    )
    if icc is None and mode == "rgb" and is_adobe_rgb(exif):
        icc = profile_of("adobe-rgb")
    return Image(pixels, alpha, matching(icc, pixels.shape[2]), mode, metadata=metadata or None, inks=inks)


def to_pillow(image: Image) -> Any:
    """A picture of an image; of 16 bits of colour or alpha it has 8, since Pillow has no more. Its `info` holds
    profile, resolution (`dpi`), EXIF and XMP, as that of an opened file does. Errors: ConfigError for bands and
    floats."""
    from PIL.Image import fromarray

    array = image.array
    if array.shape[2] > 4 or image.mode == "bands" or array.dtype not in (np.uint8, np.uint16):
        what = f"{array.shape[2]} bands of {array.dtype}"
        raise ConfigError(f"the output has {what}, which no PIL image holds; give an array or a path, to get an array")
    flat = array[..., 0] if array.shape[2] == 1 else array
    picture = fromarray(to8(flat) if flat.ndim == 3 else flat)
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
