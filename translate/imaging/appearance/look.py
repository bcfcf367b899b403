"""Stored values of an image as the colours in [0, 1] that networks see, and back: white point, colour space.

The way in may lose something: values above white are cut off, and so are colours that the networks' space does not
have. What is lost comes back as far as the network leaves a
pixel as it was, so that an image which it does not change keeps its values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from translate.imaging.appearance.handling import Handling
from translate.imaging.colour.spaces import profile_of
from translate.imaging.colour.transform import ColourTransform, transform_of
from translate.imaging.image import Image
from translate.imaging.pixels import in_steps, top, within_unit

Array = np.ndarray[Any, Any]

MANY = 1 << 20
"""Samples of an image whose colours are worth being counted."""
CHANGED = 16 / 255
"""A pixel that a network changes by so much, in [0, 1], gets nothing back of what it lost on the way in."""


def white_of(image: Image, handling: Handling) -> tuple[float, float] | None:
    """The values that are black and white where these are not those of the type: as stated, else as the file says.

    8 bits are always counts of 255. Bands and label maps are no pictures, and have neither.
    """
    if image.bits == 8 or image.mode == "bands":
        return None
    stated = None if handling.white is None else (0.0, float(handling.white))
    if stated is None and image.ranges is not None and len(image.ranges) == 1:
        stated = image.ranges[0]
    return None if stated == (0.0, top(image.pixels.dtype)) else stated


def as_training_image(image: Image, handling: Handling) -> Image:
    """The image with the colours that networks see, in the whole range of its type (uint32: as float32)."""
    look = Look(image, handling)
    if look.plain or (look.white is None and not within_unit(image.pixels)):
        return image  # floats of another range are data, and no colours
    colours, dtype = look.colours(image.pixels), image.pixels.dtype
    if dtype == np.uint32:
        alpha = None if image.alpha is None else (image.alpha / top(dtype)).astype(np.float32)
        return replace(image, pixels=colours, alpha=alpha, icc=None, ranges=None, metadata=None)
    return replace(image, pixels=in_steps(colours, dtype), icc=None, ranges=None, metadata=None)


def transform_to_networks(image: Image, handling: Handling) -> ColourTransform | None:
    """The way from the colours of an image to those of the networks; None where they are the same.

    An image without a profile is sRGB, which is another space than that of networks that see a wide one.
    """
    space = handling.colour or "srgb"
    # The colours of a file with a palette are colours as any others; indices, which have one beside them, are none.
    if space == "as-is" or image.mode == "bands" or image.palette:
        return None
    profile = image.profile
    if profile is None and space != "srgb" and image.pixels.shape[2] == 3:
        profile = profile_of("srgb")
    return None if profile is None else transform_of(profile, image.pixels.shape[2], space)


def of_each_colour(pixels: Array, function: Callable[[Array], Array]) -> Array:
    """What a function of single pixels makes of H x W x C. Of a photograph of 8 bits each colour is asked for once: it
    has some hundred thousand of them, and a transform takes half a second for a million."""
    if pixels.dtype != np.uint8 or pixels.shape[2] != 3 or pixels.size < MANY:
        return function(pixels)
    packed = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    numbers, index = np.unique(packed, return_inverse=True)
    colours = np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], axis=-1).astype(np.uint8)
    made: Array = function(colours[None])[0][index.reshape(pixels.shape[:2])]
    return made


class Look:
    """How the values of an `image` look. `plain`: black, white and colours are what networks take them for. `white`:
    the values that are black and white, where these are not those of the type.

    An image with bands of stated ranges is none of this class: it is data, and no picture.
    """

    def __init__(self, image: Image, handling: Handling) -> None:
        self._dtype = image.pixels.dtype
        self.white = white_of(image, handling)
        self._transform = transform_to_networks(image, handling)
        self._keeps_space = handling.metadata == "keep"
        self._black_to_white = self.white or (0.0, top(self._dtype))

    @property
    def plain(self) -> bool:
        """Whether values are colours as they are."""
        return self.white is None and self._transform is None

    def colours(self, pixels: Array) -> Array:
        """H x W x C of the image's type as float32 in [0, 1]; what lies outside is cut off."""
        return of_each_colour(pixels, self._seen) if self._transform else self._seen(pixels)

    def values(self, colours: Array, pixels: Array) -> Array:
        """Colours H x W x C in [0, 1] that a network made of `pixels`, H x W x (1 or C), in values of the type."""
        values = self._stored(colours)
        if pixels.shape == colours.shape and (self._keeps_space or self._transform is None):
            seen, lost = np.split(of_each_colour(pixels, self._seen_and_lost), 2, axis=2)
            change = np.abs(colours - seen).max(axis=2, keepdims=True)
            values += (1 - change / CHANGED).clip(0, 1) * lost
        if self._dtype.kind == "f":
            return values.astype(self._dtype)
        return np.rint(values).clip(0, top(self._dtype)).astype(self._dtype)

    def _seen(self, pixels: Array) -> Array:
        low, high = self._black_to_white
        values: Array = ((pixels.astype(np.float64) - low) / (high - low)).clip(0, 1).astype(np.float32)
        return values if self._transform is None else self._transform.into(values)

    def _seen_and_lost(self, pixels: Array) -> Array:
        """H x W x 2 C: what a network sees of pixels, and what is missing in it, in values of the type."""
        seen = self._seen(pixels)
        return np.concatenate([seen, pixels - self._stored(seen)], axis=2)

    def _stored(self, colours: Array) -> Array:
        # Colours stay the networks' own where no profile will describe them: those of a grey image that became colour,
        # and of a file without metadata.
        if self._transform is not None and self._keeps_space and colours.shape[2] == self._transform.count:
            colours = self._transform.back(colours)
        low, high = self._black_to_white
        return low + colours.astype(np.float64) * (high - low)
