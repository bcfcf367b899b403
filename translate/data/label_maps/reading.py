"""Reads a file as a label map: by its values, or by the colours of a palette.

Values are class indices as they are in PNGs of 8-bit grey or with a palette, and in other grey images without loss
(TIFF, PNG of 16 bits). Everything else could mean several things, and is refused until an option says which: colours,
1 bit, transparency, JPEG, fractions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from translate.contracts import IGNORE
from translate.data.label_maps.options import LabelOptions
from translate.errors import DataError
from translate.imaging.image import LIMITS, Image, NoIndicesError
from translate.imaging.io import contents, decode
from translate.imaging.palette import Colour
from translate.imaging.pixels import top

Array = np.ndarray[Any, Any]

LOSSY = (b"\xff\xd8\xff",)
"""First bytes of files whose values are near what was stored, and no indices: JPEG."""
_SHOWN = 5
"""Values or colours that an error lists."""


def read_labels(path: Path, options: LabelOptions, classes: int) -> Array:
    """The label map in a file, H x W x 1 uint8: class indices, and `IGNORE`. Errors: DataError."""
    return decode_labels(contents(path, LIMITS), str(path), options, classes)


def decode_labels(data: bytes, name: str, options: LabelOptions, classes: int) -> Array:
    """The label map in the bytes of a file; `name` is what errors call it, `classes` how many there are."""
    if options.by != "colour":
        try:
            stored = decode(data, name, indices=True).pixels[..., 0]
        except NoIndicesError:
            pass
        else:
            _check_palette(data, name, stored, options)
            return _by_values(stored, name, options, classes)[..., None]
    image = decode(data, name)
    pixels, transparent = _without_alpha(image, name, options)
    if options.by == "colour" or (options.palette and not options.values and options.by is None and _coloured(image)):
        labels = _by_colours(pixels, name, options)
    else:
        labels = _by_values(_one_value(pixels, image, data, name, options), name, options, classes)
    if transparent is not None:
        labels[transparent] = IGNORE
    return labels[..., None]


def _coloured(image: Image) -> bool:
    """Whether an image has colours that a palette tells apart: RGB, or black and white of one bit."""
    return image.pixels.shape[2] == 3 or image.mode == "bilevel"


def _without_alpha(image: Image, name: str, options: LabelOptions) -> tuple[Array, Array | None]:
    """The pixels H x W x C that hold the classes, and where they have none (H x W). Errors: DataError."""
    if image.alpha is None:
        return image.pixels, None
    alpha = image.alpha if image.alpha.ndim == 2 else image.alpha[..., 0]
    if options.alpha == "mask":
        return alpha[..., None], None
    if options.alpha == "no-class":
        return image.pixels, alpha < top(alpha.dtype) / 2
    if options.alpha == "drop":
        return image.pixels, None
    raise DataError(
        f"{name}: a label map with transparency (alpha), which may mean several things; state `alpha: drop` to pass "
        "over it, `alpha: no-class` where transparent pixels have none, or `alpha: mask` where it holds the classes"
    )


def _one_value(pixels: Array, image: Image, data: bytes, name: str, options: LabelOptions) -> Array:
    """One whole number for each pixel, H x W. Errors: DataError where an option has to say how."""
    if image.mode == "bands" and pixels.shape[2] > 1:
        raise DataError(f"{name}: an image of {pixels.shape[2]} bands, and a label map has one value for each pixel")
    grey = pixels.shape[2] == 1 or bool((pixels == pixels[..., :1]).all())
    if not grey or (pixels.shape[2] == 3 and not options.values and options.by is None):
        raise DataError(
            f"{name}: a label map in colour ({_listed(*_unique_colours(pixels))}): give the colour of each class, "
            "`palette: [[0, 0, 0], [255, 0, 0]]`" + (", or as it is grey `values: [0, 255]`" if grey else "")
        )
    values = pixels[..., 0]
    if image.mode == "bilevel" and image.alpha is None:
        if not options.values:
            raise DataError(
                f"{name}: a label map of 1 bit, whose white may be the second class or none: state `values: [0, 1]` "
                "where black is the first class, or `values: [1, 0]`"
            )
        # A bit is decoded to 0 and 255: people name either.
        return values if max(options.values) > 1 else values // 255
    if values.dtype.kind == "f" and not (values == np.rint(values)).all():
        raise DataError(
            f"{name}: a label map of fractions, from {values.min():g} to {values.max():g}; classes are counted"
        )
    if data.startswith(LOSSY) and not options.values:
        raise DataError(
            f"{name}: a label map in JPEG, which changes values: give the value of each class, and how far off they "
            "may be, `values: [0, 255]` and `tolerance: 127`; better save label maps as PNG"
        )
    return values


def _by_values(stored: Array, name: str, options: LabelOptions, classes: int) -> Array:
    """Stored values H x W as class indices. Errors: DataError for values of no class."""
    if stored.dtype == np.uint8 and not options.values and not options.tolerance:
        # They are the indices; what is too large for one is an error later on, as in maps that were never files.
        if options.ignored_value is not None:
            stored[stored == options.ignored_value] = IGNORE
        return stored
    codes = options.values or tuple(range(classes))
    values, counts = np.unique(stored, return_counts=True)
    distances = np.abs(values.astype(np.float64)[:, None] - np.array(codes, np.float64))
    nearest, apart = distances.argmin(axis=1), distances.min(axis=1)
    none = values == options.ignored_value
    if IGNORE not in codes:
        none |= values == IGNORE
    if (odd := (apart > options.tolerance) & ~none).any():
        pairs = zip(values[odd].tolist(), counts[odd].tolist(), strict=True)
        listed = ", ".join(f"{value:g} ({count:,} pixels)" for value, count in list(pairs)[:_SHOWN])
        of = ", ".join(map(str, codes[:_SHOWN])) + (", ..." if len(codes) > _SHOWN else "")
        raise DataError(
            f"{name}: there are {classes} classes, with the values {of}, and this label map holds {listed}; name all "
            "`classes`, give the `values` that stand for them, and as `ignore` the value that means none"
        )
    indices: Array = np.where(none, IGNORE, nearest).astype(np.uint8)[np.searchsorted(values, stored)]
    return indices


def _by_colours(pixels: Array, name: str, options: LabelOptions) -> Array:
    """Colours H x W x (1 or 3) as class indices. Errors: DataError for colours of no class."""
    if pixels.dtype != np.uint8:
        raise DataError(f"{name}: colours of {pixels.dtype}, and a `palette` has those of 8 bits")
    if len(set(options.palette)) < len(options.palette):
        raise DataError(f"{name}: two classes of one colour in `palette`: by colour they are not told apart")
    colours, counts, inverse = _colours_of(pixels)
    codes = [*options.palette, *([options.ignore] if isinstance(options.ignore, tuple) else [])]
    distances = np.abs(colours[:, None].astype(np.int64) - np.array(codes)[None]).max(axis=2)
    nearest = distances.argmin(axis=1)
    labels = np.where(nearest < len(options.palette), nearest, IGNORE).astype(np.uint8)
    if (odd := distances.min(axis=1) > options.tolerance).any():
        raise DataError(
            f"{name}: colours that no class has: {_listed(colours[odd], counts[odd])}; name them in `palette`, as "
            "`ignore: [R, G, B]`, or allow a `tolerance` where edges are blended"
        )
    of_pixels: Array = labels[inverse]
    return of_pixels


def _check_palette(data: bytes, name: str, stored: Array, options: LabelOptions) -> None:
    """Errors: DataError where what a file shows contradicts its values, by the palette that is stated."""
    if not options.palette or options.by is not None or options.values:
        return
    image = decode(data, name)
    pixels = np.repeat(image.pixels, 3, axis=2) if image.pixels.shape[2] == 1 else image.pixels
    for index in np.unique(stored):
        row, column = np.argwhere(stored == index)[0]
        shown: Colour = tuple(pixels[row, column].tolist())
        # Grey shows the value itself: that 0 is black says nothing, but 255 may well be meant to be white.
        if index < len(options.palette) and (shown == (index,) * 3 or options.palette[index] == shown):
            continue
        if shown in options.palette:
            raise DataError(
                f"{name}: the value {index} is shown in the colour {list(shown)}, and by `palette` that is class "
                f"{options.palette.index(shown)}: state `by: colour`, or `by: index`"
            )


def _colours_of(pixels: Array) -> tuple[Array, Array, Array]:
    """The colours that occur, N x 3, how often each, and the number of each pixel's colour, H x W."""
    wide = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    packed = wide.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    numbers, inverse, counts = np.unique(packed, return_inverse=True, return_counts=True)
    colours = np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], axis=-1)
    return colours, counts, inverse.reshape(pixels.shape[:2])


def _unique_colours(pixels: Array) -> tuple[Array, Array]:
    if pixels.dtype == np.uint8:
        colours, counts, _ = _colours_of(pixels)
        return colours, counts
    return np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0, return_counts=True)


def _listed(colours: Array, counts: Array) -> str:
    """The commonest colours with their numbers of pixels."""
    order = np.argsort(-counts, kind="stable")[:_SHOWN]
    listed = ", ".join(f"{colours[i].tolist()} ({counts[i]:,} pixels)" for i in order)
    more = len(colours) - len(order)
    return listed + (f" and {more:,} more" if more > 0 else "")
