"""Frames of one key on their way through transforms, which know single images: all frames get the same geometry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from translate.contracts import Frames, Side

Array = np.ndarray[Any, Any]


def split_frames(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Images by side, where the frames F x H x W x C of a side become images named `SIDE.0`, `SIDE.1`, ..."""
    images: dict[str, Array] = {}
    for side, array in arrays.items():
        if array.ndim == 4:
            images |= {f"{side}.{number}": frame for number, frame in enumerate(array)}
        else:
            images[side] = array
    return images


def joined_frames(images: Mapping[str, Array], types: Mapping[str, Side]) -> dict[str, Array]:
    """The inverse of `split_frames`, for sides of these types."""
    arrays: dict[str, Array] = {}
    for side, kind in types.items():
        if isinstance(kind, Frames):
            arrays[side] = np.stack([images[f"{side}.{number}"] for number in range(kind.count)])
        elif side in images:
            arrays[side] = images[side]
    return arrays
