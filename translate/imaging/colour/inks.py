"""Inks: images of cyan, magenta, yellow and black, by the profile that says what they look like on paper.

Networks see their colours as sRGB. On the way out inks are mixed anew where a network changed a colour; many mixtures
look alike, so that where it did not, the inks of the input stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from imagecodecs import cms_transform

from translate.imaging.colour.spaces import profile_of
from translate.imaging.colour.transform import RELATIVE, is_whole

Array = np.ndarray[Any, Any]

ROWS = 64
"""Rows that are turned at once: their samples are wider meanwhile."""
CHANGED = 16.0
"""A colour that differs by so many steps of 255 has none of its former mixture."""


@dataclass(frozen=True)
class Inks:
    """`values` H x W x 4, uint8: 255 is full ink; and the ICC `profile` of the press."""

    values: Array
    profile: bytes

    def colours(self) -> Array:
        """What they look like: H x W x 3 of sRGB, uint8."""
        return _to_colours(self.values, self.profile)

    def of_output(self, pixels: Array, output: Array) -> Inks:
        """The inks of an output H x W x 3 of sRGB, uint8, which was made of `pixels`, the colours of these."""
        change = np.abs(output.astype(np.float32) - pixels).max(axis=2, keepdims=True)
        mixture = _to_inks(output, self.profile).astype(np.float32)
        mixture += (1 - change / CHANGED).clip(0, 1) * (self.values - _to_inks(pixels, self.profile).astype(np.float32))
        return Inks(np.rint(mixture).clip(0, 255).astype(np.uint8), self.profile)


def colours_of_deep_inks(values: Array, profile: bytes | None) -> Array:
    """H x W x 4 of 16 bits, 65,535 being full ink, as H x W x 3 of sRGB; without a profile by what is left of white."""
    if profile is None or not is_of_inks(profile):
        white = np.uint32(65535)
        left = white - values.astype(np.uint32)
        plain: Array = ((left[..., :3] * left[..., 3:] + white // 2) // white).astype(np.uint16)
        return plain
    contiguous = np.ascontiguousarray(values)
    colours: Array = cms_transform(
        contiguous, profile, profile_of("srgb"), colorspace="cmyk", outcolorspace="rgb", intent=RELATIVE
    )
    return colours


@lru_cache(16)
def is_of_inks(profile: bytes | None) -> bool:
    """Whether a profile is one of four inks that littlecms can use both ways."""
    if not profile or profile[16:20] != b"CMYK" or not is_whole(profile):
        return False
    try:
        _to_inks(_to_colours(np.zeros((1, 1, 4), np.uint8), profile), profile)
    except Exception:
        return False
    return True


def _to_colours(values: Array, profile: bytes) -> Array:
    return _cms(values, profile, "cmyk", profile_of("srgb"), "rgb")


def _to_inks(pixels: Array, profile: bytes) -> Array:
    return _cms(pixels, profile_of("srgb"), "rgb", profile, "cmyk")


def _cms(array: Array, profile: bytes, space: str, other: bytes, other_space: str) -> Array:
    """Samples of 8 bits by way of 16: tables of inks hold no more."""
    result: Array = np.empty((*array.shape[:2], 3 if other_space == "rgb" else 4), np.uint8)
    for first in range(0, len(array), ROWS):
        rows = slice(first, first + ROWS)
        wide = np.ascontiguousarray(array[rows]).astype(np.uint16) * 257
        made = cms_transform(wide, profile, other, colorspace=space, outcolorspace=other_space, intent=RELATIVE)
        result[rows] = (made.astype(np.uint32) + 128) // 257
    return result
