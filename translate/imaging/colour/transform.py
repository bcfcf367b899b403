"""Colours from the space of a profile to that which networks see, and back (by littlecms, in float32).

A profile is data of a stranger: what littlecms does not take counts as no profile.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from translate.imaging.colour.spaces import ColourName, profile_of

Array = np.ndarray[Any, Any]

RELATIVE = 1
"""The rendering intent: relative colorimetric (ICC.1, 0.2)."""
SAME = 0.5 / 255
"""Spaces whose colours differ by less are one: the many profiles of sRGB round in several ways."""
LARGEST = 8 << 20
"""Bytes of a profile, at most."""
_GRID = 9
_CHANNELS = {b"RGB ": "rgb", b"GRAY": "gray"}


@dataclass(frozen=True)
class ColourTransform:
    """From the colours of a `profile` (`rgb` or `gray`) to those of `target`, and back. All are in [0, 1]."""

    profile: bytes
    channels: str
    target: bytes

    @property
    def count(self) -> int:
        """The number of channels of the profile's space."""
        return 1 if self.channels == "gray" else 3

    def into(self, colours: Array) -> Array:
        """H x W x C of the profile's space to the target's; what it does not have is cut off."""
        if self.channels == "gray":
            colour = _cms(colours[..., 0], self.profile, "gray", self.target, "rgb")
            grey: Array = colour.mean(2, keepdims=True).clip(0, 1)
            return grey
        return _cms(colours, self.profile, "rgb", self.target, "rgb").clip(0, 1)

    def back(self, colours: Array) -> Array:
        """H x W x C of the target's space to the profile's; what it does not have is cut off."""
        if self.channels == "gray":
            grey: Array = _cms(np.repeat(colours, 3, axis=2), self.target, "rgb", self.profile, "gray")
            return grey.reshape(colours.shape).clip(0, 1)
        return _cms(colours, self.target, "rgb", self.profile, "rgb").clip(0, 1)


def _cms(colours: Array, profile: bytes, space: str, other: bytes, other_space: str) -> Array:
    from imagecodecs import cms_transform  # late: few images have a profile that matters

    flat = np.ascontiguousarray(colours, np.float32)
    result: Array = cms_transform(flat, profile, other, colorspace=space, outcolorspace=other_space, intent=RELATIVE)
    return result


@lru_cache(64)
def transform_of(profile: bytes, channels: int, target: ColourName) -> ColourTransform | None:
    """The way from a profile to a space; None where both are the same, or the profile is not one of `channels` colours
    that can be used both ways."""
    space = _CHANNELS.get(profile[16:20])
    if space != ("gray" if channels == 1 else "rgb") or not is_whole(profile):
        return None
    transform = ColourTransform(profile, space, profile_of(target))
    axis = np.linspace(0, 1, _GRID, dtype=np.float32)
    if space == "gray":
        colours = axis[:, None, None]
    else:
        colours = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(_GRID * _GRID, _GRID, 3)
    try:
        there = transform.into(colours)
        transform.back(there)
    except Exception:  # littlecms takes no profile that is damaged, or lacks the way back
        return None
    return None if np.abs(there - colours).max() <= SAME else transform


def is_whole(profile: bytes) -> bool:
    """Whether a profile has the size that it says, and all its tags lie in it (ICC.1, 7.2 and 7.3)."""
    if not 132 <= len(profile) <= LARGEST or profile[36:40] != b"acsp":
        return False
    size, count = struct.unpack(">I", profile[:4])[0], struct.unpack(">I", profile[128:132])[0]
    if size > len(profile) or count > 100 or 132 + 12 * count > size:
        return False
    for number in range(count):
        offset, length = struct.unpack(">2I", profile[136 + 12 * number : 144 + 12 * number])
        if offset + length > size:
            return False
    return True
